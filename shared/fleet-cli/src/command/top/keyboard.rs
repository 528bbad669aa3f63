use std::io::{self, Read as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// What a person types at once is a few bytes.
const INPUT_BYTES_MAX: usize = 64;

const CTRL_C: u8 = 3;

const ESCAPE: u8 = 27;

/// What somebody wants by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To have seen enough.
    Leave,
    /// Ctrl-C, which in raw mode is a key like any other.
    Interrupt,
}

/// Listens to the keys on a thread of its own, which a read blocks for as long as nobody types.
///
/// The keys are so few that they are told by their bytes. The reader of the terminal's library
/// loses a key that is pressed while the terminal is resized, and waits for the rest of a sequence
/// that never comes.
pub(super) struct Keyboard {
    wishes: Receiver<Wish>,
}

impl Keyboard {
    /// Listens from now on, until the process ends.
    pub(super) fn listen() -> io::Result<Self> {
        let (told, wishes) = mpsc::channel();
        let listen = move || {
            let mut input = [0; INPUT_BYTES_MAX];
            loop {
                let wish = match io::stdin().lock().read(&mut input) {
                    Ok(length @ 1..) => wish(&input[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                    // The end of the input is the end of the terminal.
                    Ok(_) | Err(_) => return,
                };
                if wish.is_some_and(|wish| told.send(wish).is_err()) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("fleet-keys".to_owned());
        thread.spawn(listen)?;
        Ok(Self { wishes })
    }

    /// Waits so long for a wish; whoever has lost the terminal wants to leave.
    pub(super) fn next(&self, within: Duration) -> Option<Wish> {
        match self.wishes.recv_timeout(within) {
            Ok(wish) => Some(wish),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Wish::Leave),
        }
    }
}

/// Reads what arrived at once, which may be more than one key.
fn wish(input: &[u8]) -> Option<Wish> {
    if input.contains(&CTRL_C) {
        return Some(Wish::Interrupt);
    }
    let mut rest = input;
    loop {
        rest = match rest {
            [] => return None,
            [ESCAPE] | [b'q' | b'Q', ..] => return Some(Wish::Leave),
            [ESCAPE, b'[', sequence @ ..] => behind(sequence),
            // An Alt with a key.
            [ESCAPE, _, rest @ ..] => rest,
            [_, rest @ ..] => rest,
        }
    }
}

/// Returns what comes behind the sequence of an arrow or the like: a letter or `~` ends it.
fn behind(sequence: &[u8]) -> &[u8] {
    let end = sequence.iter().position(|byte| matches!(byte, b'@'..=b'~'));
    end.map_or(&[], |end| &sequence[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_their_bytes() {
        let wishes = [
            (&b"q"[..], Some(Wish::Leave)),
            (b"Q", Some(Wish::Leave)),
            (b"xxq", Some(Wish::Leave)),
            (b"\x1b", Some(Wish::Leave)),
            (b"\x03", Some(Wish::Interrupt)),
            (b"\x1b[A\x03", Some(Wish::Interrupt)),
            (b"\x1b[A", None),
            (b"\x1b[", None),
            (b"\x1bq", None),
            (b"\x1b[1;5Aq", Some(Wish::Leave)),
            (b"\x1b[A\x1b", Some(Wish::Leave)),
            (b"\x1bOPx", None),
            ("é".as_bytes(), None),
            (b" \r\n", None),
        ];
        for (input, expected) in wishes {
            assert_eq!(wish(input), expected, "{input:?}");
        }
    }
}
