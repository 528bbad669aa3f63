//! Lines of input, from a file or from stdin.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, stdin};
use std::path::Path;

use fleet::message::BODY_BYTES_MAX;

/// The longest line unless somebody says otherwise: what is longer fits into no message, and is
/// not held in memory.
const LINE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Lines with their numbers, without the blank ones.
pub(crate) struct Lines {
    /// How the input is called in messages: a path, or `stdin`.
    pub(crate) name: String,
    input: Box<dyn BufRead + Send>,
    bytes_max: usize,
    number: u64,
    is_over: bool,
}

/// Why there is no text in a line.
#[derive(Debug)]
pub(crate) enum LineError {
    /// This line is unfit; the next may be well.
    Unfit(&'static str),
    /// The input cannot be read; nothing comes after this.
    Unreadable(io::Error),
}

impl Lines {
    /// Opens a file; `-` is stdin.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::new("stdin".to_owned(), BufReader::new(stdin())));
        }
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        Ok(Self::new(path.display().to_string(), BufReader::new(file)))
    }

    fn new(name: String, input: impl BufRead + Send + 'static) -> Self {
        Self {
            name,
            input: Box::new(input),
            bytes_max: LINE_BYTES_MAX,
            number: 0,
            is_over: false,
        }
    }

    /// Sets how long a line may be.
    pub(crate) fn longest(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Reads a line; `None` at the end.
    fn read(&mut self) -> io::Result<Option<Result<String, LineError>>> {
        let mut bytes = Vec::new();
        // One byte more than allowed tells a line that is too long.
        let limit = self.bytes_max as u64 + 1;
        let count = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.last() != Some(&b'\n') && count > self.bytes_max {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Err(LineError::Unfit(
                "is longer than a message of 1 MiB can be",
            ))));
        }
        let text = String::from_utf8(bytes).map_err(|_| LineError::Unfit("is not UTF-8"));
        Ok(Some(text))
    }
}

impl Iterator for Lines {
    type Item = (u64, Result<String, LineError>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.read() {
                Ok(None) => self.is_over = true,
                Ok(Some(Ok(text))) if text.trim().is_empty() => {}
                Ok(Some(line)) => return Some((self.number, line)),
                Err(error) => {
                    self.is_over = true;
                    return Some((self.number + 1, Err(LineError::Unreadable(error))));
                }
            }
        }
        None
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(problem) => f.write_str(problem),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: impl BufRead + Send + 'static) -> Vec<(u64, Result<String, String>)> {
        Lines::new("test".to_owned(), input)
            .map(|(number, line)| (number, line.map_err(|error| error.to_string())))
            .collect()
    }

    #[test]
    fn blank_lines_count_and_are_left_out() {
        let lines = read(&b"one\r\n\n \t\n\ntwo"[..]);
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(lines, [(1, text("one\r\n")), (5, text("two"))]);
        assert_eq!(read(&b""[..]), []);
    }

    #[test]
    fn an_unfit_line_harms_no_other() {
        let mut input = vec![b'x'; 3 * LINE_BYTES_MAX];
        input.extend(b"\n\xff\nlast");
        let lines = read(io::Cursor::new(input));
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].0, 1);
        assert!(lines[0].1.is_err());
        assert_eq!(lines[1], (2, Err("is not UTF-8".to_owned())));
        assert_eq!(lines[2], (3, Ok("last".to_owned())));
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_read() {
        let input = format!("{}\nnext", "x".repeat(LINE_BYTES_MAX));
        let lines = read(io::Cursor::new(input.into_bytes()));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.is_ok());
    }

    #[test]
    fn an_input_that_fails_ends() {
        struct Failing;
        impl io::Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let lines = read(BufReader::new(io::Read::chain(&b"one\n"[..], Failing)));
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], (2, Err("cannot be read: broken".to_owned())));
    }
}
