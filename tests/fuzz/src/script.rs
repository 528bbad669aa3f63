//! Requests as people can write them into a file: a line each, `Operation {json}` or `wait 30`.

use std::time::Duration;

/// Requests of one run; more make it slow and find little.
const STEPS_MAX: usize = 40;

/// The longest wait of one line: past every retention.
const WAIT_SECS_MAX: u64 = 1_300_000;

/// What a line asks for.
pub(crate) enum Step<'a> {
    /// Time passes.
    Wait(Duration),
    /// A request: the header `X-Amz-Target`, and the body before its marks are replaced.
    Call { target: String, body: &'a [u8] },
}

/// Reads the steps; a name with a dot in it is the whole target.
pub(crate) fn steps(data: &[u8]) -> impl Iterator<Item = Step<'_>> {
    data.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(STEPS_MAX)
        .map(step)
}

fn step(line: &[u8]) -> Step<'_> {
    let (name, body) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &b""[..]),
    };
    let name = String::from_utf8_lossy(name);
    if name == "wait" {
        let secs = String::from_utf8_lossy(body).trim().parse().unwrap_or(1);
        return Step::Wait(Duration::from_secs(WAIT_SECS_MAX.min(secs)));
    }
    let target = match name.contains('.') {
        true => name.into_owned(),
        false => format!("AmazonSQS.{name}"),
    };
    Step::Call { target, body }
}

/// Replaces marks in a body: `$1` to `$9` by the receipts handed out, the newest first, and `$t`
/// by the handle of the newest move task.
pub(crate) fn fill(body: &[u8], receipts: &[String], task: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(body.len() + 64);
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let mark = bytes.peek().copied().filter(|_| byte == b'$');
        let value = match mark {
            Some(b't') => Some(task),
            Some(digit @ b'1'..=b'9') => {
                let back = usize::from(digit - b'1');
                receipts.iter().rev().nth(back).map(String::as_str)
            }
            _ => None,
        };
        match value {
            Some(value) => {
                filled.extend_from_slice(value.as_bytes());
                bytes.next();
            }
            None => filled.push(byte),
        }
    }
    filled
}
