use std::error::Error;

use serde_json::error::Category;

/// Joins an error and its causes by colons.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = without_values(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&without_values(error));
        cause = error.source();
    }
    text
}

/// Says what an error says. Of JSON that does not fit, serde quotes the value: then it says where.
fn without_values(error: &(dyn Error + 'static)) -> String {
    type Placed = serde_path_to_error::Error<serde_json::Error>;
    let json = match error.downcast_ref::<Placed>() {
        Some(placed) => Some(placed.inner()),
        None => error.downcast_ref::<serde_json::Error>(),
    };
    match json.filter(|error| error.classify() == Category::Data) {
        Some(error) => format!(
            "JSON does not fit at line {} column {}",
            error.line(),
            error.column()
        ),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the answer cannot be read")]
    struct Unread(#[source] Box<dyn Error>);

    fn chain_of(cause: impl Error + 'static) -> String {
        chain(&Unread(Box::new(cause)))
    }

    #[test]
    fn what_serde_quotes_is_left_out_and_everything_else_said() {
        let check = |said: String, expected: &str| {
            assert_eq!(said, format!("the answer cannot be read: {expected}"));
        };
        let misfit = || serde_json::from_str::<u64>(r#""hunter2""#).expect_err("no number");
        let place = "JSON does not fit at line 1 column 9";
        check(chain_of(misfit()), place);
        let mut json = serde_json::Deserializer::from_str(r#""hunter2""#);
        let placed = serde_path_to_error::deserialize::<_, u64>(&mut json);
        // It is its own cause, too.
        let placed = chain_of(placed.expect_err("no number"));
        assert!(
            !placed.contains("hunter2") && placed.contains(place),
            "{placed}"
        );
        let broken = serde_json::from_str::<u64>("hunter2").expect_err("no JSON");
        check(chain_of(broken), "expected value at line 1 column 1");
        check(chain_of(io::Error::other("reset")), "reset");
    }
}
