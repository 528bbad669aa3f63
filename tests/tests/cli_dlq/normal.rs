//! Output without what differs from run to run.

/// What stands for a MessageId.
const ID: &str = "00000000-0000-0000-0000-000000000000";

/// What stands for a time of this run.
const NOW: &str = "0000-00-00T00:00:00Z";

/// The year in which tests let messages die, whose times stay.
const STAGED: &str = "2020";

/// Replaces MessageIds of this run, and times that are not those of the test.
pub(crate) fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (said, length) = if let Some(id) = uuid(rest) {
            (if id.starts_with("11111111") { id } else { ID }, id.len())
        } else if let Some(time) = time(rest) {
            (
                if time.starts_with(STAGED) { time } else { NOW },
                time.len(),
            )
        } else {
            (&rest[..c.len_utf8()], c.len_utf8())
        };
        normal.push_str(said);
        rest = &rest[length..];
    }
    normal
}

fn uuid(text: &str) -> Option<&str> {
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let id = text.get(..ID.len())?;
    id.bytes().enumerate().all(fits).then_some(id)
}

fn time(text: &str) -> Option<&str> {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == shape,
    };
    let whole = NOW.len() - 1;
    let start = text.get(..whole)?;
    if !start.bytes().zip(NOW.bytes()).all(fits) {
        return None;
    }
    let end = text[whole..].find('Z')?;
    let fraction = &text[whole..whole + end];
    let is_fraction = fraction.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    is_fraction.then(|| &text[..=whole + end])
}
