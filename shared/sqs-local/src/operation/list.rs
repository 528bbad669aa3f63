//! Pages of listings.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::error::Error;
use crate::limits::LIST_RESULTS_MAX;
use crate::queue::QueueName;

/// One page of names, and the token of the next.
pub(super) struct Page {
    pub(super) names: Vec<QueueName>,
    pub(super) next_token: Option<String>,
}

/// Cuts a page out of names in order. Without a size there is one page of at most 1,000, and no
/// way to the rest, as in SQS.
pub(super) fn page(
    names: Vec<QueueName>,
    size: Option<i32>,
    token: Option<&str>,
) -> Result<Page, Error> {
    let size_max = usize::try_from(LIST_RESULTS_MAX).unwrap_or(usize::MAX);
    let limit = match size.map(usize::try_from) {
        None if token.is_some() => {
            return Err(Error::invalid("MaxResults must be set to use a NextToken."));
        }
        None => size_max,
        Some(Ok(limit)) if (1..=size_max).contains(&limit) => limit,
        Some(_) => {
            return Err(Error::invalid_value(
                size.unwrap_or_default(),
                "MaxResults",
                "MaxResults must be an integer between 1 and 1000.",
            ));
        }
    };
    let after = token.map(read_token).transpose()?;
    let mut rest = names
        .into_iter()
        .skip_while(|name| after.as_deref().is_some_and(|after| name.as_str() <= after));
    let names: Vec<QueueName> = rest.by_ref().take(limit).collect();
    let more = size.is_some() && rest.next().is_some();
    let next_token = names
        .last()
        .filter(|_| more)
        .map(|last| URL_SAFE.encode(last.as_str()));
    Ok(Page { names, next_token })
}

fn read_token(token: &str) -> Result<String, Error> {
    let bytes = URL_SAFE.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::invalid_value(token, "NextToken", "Invalid or expired next token."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let all: Vec<QueueName> = ["a", "b", "c", "d", "e"]
            .map(|name| QueueName::parse(name).unwrap())
            .to_vec();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let page = page(all.clone(), Some(2), token.as_deref()).unwrap();
            seen.push(page.names.len());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, [2, 2, 1]);
        for (size, token) in [
            (Some(0), None),
            (Some(1_001), None),
            (None, Some("YQ==")),
            (Some(1), Some("?")),
        ] {
            assert!(
                page(all.clone(), size, token).is_err(),
                "{size:?} {token:?}"
            );
        }
    }
}
