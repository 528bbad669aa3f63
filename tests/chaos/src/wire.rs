//! Just enough of Postgres's protocol to see a COMMIT go by.
//!
//! The frontend's side of it is read by the heads of its messages: a byte that says what it is, and
//! four of its length. What is in a message is looked at only where it could be a COMMIT.

/// A message that ends a session; the server answers what came before, and hangs up.
pub(crate) const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// How a server says that a transaction is committed.
pub(crate) const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// The longest text of a query that is looked at. Ours: `select; commit` is the longest that ends a
/// transaction of the fleet.
const TEXT_BYTES_MAX: usize = 32;

/// The requests that are answered by a byte, and after which the session still has to begin:
/// encryption by TLS and by GSSAPI. Source: PostgreSQL documentation, "Message Formats".
const NEGOTIATIONS: [u32; 2] = [80_877_103, 80_877_104];

/// What a client says on one connection, as far as it was heard.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    has_begun: bool,
    /// What is there of the head of the next message.
    head: Vec<u8>,
    /// How many bytes of a message are still to come after its head.
    rest: usize,
    /// What is there of a query's text, if it is one that is looked at.
    text: Option<Vec<u8>>,
}

impl Frontend {
    /// Hears what comes next, up to the end of the first COMMIT, and returns where that is; `None` when
    /// there is none in these bytes, and all of them were heard.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.rest == 0 && self.head.len() < self.head_bytes() {
                let missing = self.head_bytes() - self.head.len();
                let part = &bytes[at..bytes.len().min(at + missing)];
                self.head.extend_from_slice(part);
                at += part.len();
                if part.len() < missing {
                    return None;
                }
                self.read_head();
            }
            let part = &bytes[at..bytes.len().min(at + self.rest)];
            if let Some(text) = &mut self.text {
                text.extend_from_slice(part);
            }
            at += part.len();
            self.rest -= part.len();
            if self.rest > 0 {
                return None;
            }
            self.head.clear();
            if self.text.take().is_some_and(|text| is_commit(&text)) {
                return Some(at);
            }
        }
    }

    /// The first messages have no type, but a code after their length.
    fn head_bytes(&self) -> usize {
        if self.has_begun { 5 } else { 8 }
    }

    /// Reads a whole head. A length that is none is that of an empty message: the server will complain.
    fn read_head(&mut self) {
        let number = |at: usize| {
            let bytes = self.head[at..at + 4].try_into();
            u32::from_be_bytes(bytes.expect("the head is whole"))
        };
        if self.has_begun {
            self.rest = length(number(1), 4);
            let is_short = self.rest <= TEXT_BYTES_MAX;
            self.text = (self.head[0] == b'Q' && is_short).then(Vec::new);
        } else {
            self.rest = length(number(0), 8);
            self.has_begun = !NEGOTIATIONS.contains(&number(4));
        }
    }
}

/// Returns what follows the part of a message that its length counts, and that was read.
fn length(counted: u32, read: usize) -> usize {
    let counted = usize::try_from(counted).unwrap_or(usize::MAX);
    counted.saturating_sub(read)
}

/// Tells whether a query's text, which ends with a zero, commits as its last statement.
fn is_commit(text: &[u8]) -> bool {
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    let mut statements = text.rsplit(|byte| *byte == b';');
    let last = statements.find(|statement| !statement.trim_ascii().is_empty());
    last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"commit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("it is short");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn query(text: &str) -> Vec<u8> {
        message(b'Q', &[text.as_bytes(), &[0]].concat())
    }

    fn untyped(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).expect("it is short");
        [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
    }

    /// What a client says from its first byte to its third COMMIT, and where each of these ends.
    fn session() -> (Vec<u8>, Vec<usize>) {
        let (mut said, mut ends) = (Vec::new(), Vec::new());
        let mut say = |message: Vec<u8>, is_commit: bool| {
            said.extend(message);
            if is_commit {
                ends.push(said.len());
            }
        };
        say(untyped(NEGOTIATIONS[0], b""), false);
        say(untyped(196_608, b"user\0fleet\0\0"), false);
        say(message(b'p', b"secret\0"), false);
        say(query("begin isolation level read committed"), false);
        // The text of a statement, and a value, that look like one.
        say(message(b'P', b"s1\0commit\0\0\0"), false);
        say(message(b'B', &query("commit")), false);
        say(message(b'S', b""), false);
        say(query("commit"), true);
        say(query("select 'commit'"), false);
        say(query("commit; select 1"), false);
        say(query("rollback"), false);
        say(query("select; commit"), true);
        let long = format!("insert into t values ('{}'); commit", "x".repeat(99));
        say(query(&long), false);
        say(query(" COMMIT ; "), true);
        say(query(""), false);
        say(TERMINATE.to_vec(), false);
        (said, ends)
    }

    /// Hears a session in parts of these lengths, over and over.
    fn ends(said: &[u8], parts: &[usize]) -> Vec<usize> {
        let mut frontend = Frontend::default();
        let (mut ends, mut at) = (Vec::new(), 0);
        for part in parts.iter().cycle() {
            let mut bytes = &said[at..said.len().min(at + part)];
            while let Some(end) = frontend.hear(bytes) {
                ends.push(at + end);
                at += end;
                bytes = &bytes[end..];
            }
            at += bytes.len();
            if at == said.len() {
                break;
            }
        }
        ends
    }

    #[test]
    fn commits_are_seen_wherever_the_bytes_are_split() {
        let (said, expected) = session();
        assert_eq!(expected.len(), 3);
        assert_eq!(ends(&said, &[usize::from(u16::MAX)]), expected);
        for split in 1..said.len() {
            assert_eq!(ends(&said, &[split, said.len()]), expected, "{split}");
        }
        for length in 1..20 {
            assert_eq!(ends(&said, &[length]), expected, "{length}");
            assert_eq!(ends(&said, &[length, 1, 3]), expected, "{length}, 1, 3");
        }
    }

    #[test]
    fn lengths_that_are_none_are_heard_to_the_end() {
        let mut frontend = Frontend::default();
        assert_eq!(frontend.hear(&[0; 64]), None);
        let mut frontend = Frontend::default();
        assert_eq!(frontend.hear(&[0xff; 64]), None);
    }
}
