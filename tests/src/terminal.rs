//! A program that runs in a terminal: what a person types, and what a person sees.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::patience::PATIENCE;
use crate::process::Signal;

/// Columns and rows of a terminal that nobody has resized.
const USUAL: (u16, u16) = (100, 30);

/// How many lines that were scrolled out are kept for the report of a failure: none is looked at.
const SCROLLBACK_LINES: usize = 0;

/// A running program with a terminal of its own; it is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: OwnedWritePty,
    display: Arc<Mutex<Display>>,
    changes: watch::Receiver<u64>,
    reading: JoinHandle<()>,
}

/// How a program in a terminal ended, and what it has left there.
#[derive(Debug)]
pub struct Left {
    code: Option<i32>,
    /// The text that is on the screen.
    pub screen: String,
    /// Everything that was ever written to the terminal, escape sequences included.
    pub raw: String,
    /// Whether the screen is still the alternate one, which a full-screen program borrows.
    pub is_alternate: bool,
    /// Whether the cursor is hidden.
    pub is_cursor_hidden: bool,
}

/// Keys that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Enter.
    Enter,
    /// Esc.
    Escape,
    /// Ctrl-C: the terminal makes a signal of it, unless the program reads keys itself.
    CtrlC,
    /// Ctrl-D: the end of the input.
    CtrlD,
}

/// The emulated screen, and the bytes it came from.
struct Display {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

impl Terminal {
    /// Starts a program in a terminal of 100 columns and 30 rows.
    pub fn start(command: Command) -> Self {
        Self::sized(command, USUAL.0, USUAL.1)
    }

    /// Starts a program in a terminal of this size.
    pub fn sized(mut command: Command, columns: u16, rows: u16) -> Self {
        command.env("TERM", "xterm-256color").kill_on_drop(true);
        let (pty, child_side) = pty_process::open().expect("there are terminals left");
        let sized = pty.resize(Size::new(rows, columns));
        sized.expect("a terminal can be resized");
        let child = pty_process::Command::from(command).spawn(child_side);
        let (output, keyboard) = pty.into_split();
        let display = Arc::new(Mutex::new(Display {
            parser: vt100::Parser::new(at_least_one(rows), at_least_one(columns), SCROLLBACK_LINES),
            raw: Vec::new(),
        }));
        let (changed, changes) = watch::channel(0);
        let reading = tokio::spawn(show(output, Arc::clone(&display), changed));
        Self {
            child: child.expect("the program was built"),
            keyboard,
            display,
            changes,
            reading,
        }
    }

    /// Types text.
    pub async fn types(&mut self, text: &str) {
        let typed = self.keyboard.write_all(text.as_bytes()).await;
        typed.expect("the terminal takes what is typed");
    }

    /// Presses a key.
    pub async fn presses(&mut self, key: Key) {
        self.types(key.text()).await;
    }

    /// Gives the terminal another size, of which the program is told.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let mut display = lock(&self.display);
        let size = (at_least_one(rows), at_least_one(columns));
        display.parser.set_size(size.0, size.1);
        let resized = self.keyboard.resize(Size::new(rows, columns));
        resized.expect("a terminal can be resized");
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        signal.send(self.child.id().expect("it was not waited for yet"));
    }

    /// Waits until a text is on the screen.
    ///
    /// # Panics
    ///
    /// It is not within the patience of a test, or the program ended without it.
    pub async fn shows(&mut self, text: &str) {
        let found = self
            .find(|screen| screen.contains(text).then_some(()))
            .await;
        assert!(found.is_some(), "`{text}` is not shown; {self}");
    }

    /// Waits until a text is no longer on the screen.
    ///
    /// # Panics
    ///
    /// It still is when the patience of a test or the program ends.
    pub async fn hides(&mut self, text: &str) {
        let found = self
            .find(|screen| (!screen.contains(text)).then_some(()))
            .await;
        assert!(found.is_some(), "`{text}` is still shown; {self}");
    }

    /// Waits until `find` finds something on the screen; `None` when it never does.
    pub async fn find<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let looking = async {
            loop {
                let seen = *self.changes.borrow_and_update();
                if let Some(found) = find(&self.screen()) {
                    return Some(found);
                }
                self.changes.wait_for(|count| *count != seen).await.ok()?;
            }
        };
        timeout(PATIENCE, looking).await.ok().flatten()
    }

    /// Returns the text that is on the screen at this moment.
    pub fn screen(&self) -> String {
        lock(&self.display).parser.screen().contents()
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    ///
    /// It does not end within the patience of a test.
    pub async fn ended(mut self) -> Left {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it does not end; {self}");
        };
        let status = status.expect("a child can be waited for");
        // A child of its own may still hold the terminal; what it has shown so far is enough.
        let _ = timeout(PATIENCE, &mut self.reading).await;
        let display = lock(&self.display);
        let screen = display.parser.screen();
        Left {
            code: status.code(),
            screen: screen.contents(),
            raw: String::from_utf8_lossy(&display.raw).into_owned(),
            is_alternate: screen.alternate_screen(),
            is_cursor_hidden: screen.hide_cursor(),
        }
    }
}

impl Left {
    /// Checks the exit code, and that the terminal is as it was before.
    ///
    /// # Panics
    ///
    /// It ended otherwise.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the screen:\n{}", self.screen);
        assert!(!self.is_alternate, "it kept the alternate screen");
        assert!(!self.is_cursor_hidden, "it kept the cursor hidden");
        self
    }
}

impl Key {
    fn text(self) -> &'static str {
        match self {
            Self::Enter => "\r",
            Self::Escape => "\u{1b}",
            Self::CtrlC => "\u{3}",
            Self::CtrlD => "\u{4}",
        }
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the screen:\n{}", self.screen())
    }
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display").finish_non_exhaustive()
    }
}

/// Shows what the program writes, until nobody has the terminal open any more.
async fn show(mut output: OwnedReadPty, display: Arc<Mutex<Display>>, changed: watch::Sender<u64>) {
    let mut bytes = [0; 4096];
    // The end of a terminal is an error on this side.
    while let Ok(count @ 1..) = output.read(&mut bytes).await {
        let mut display = lock(&display);
        display.parser.process(&bytes[..count]);
        display.raw.extend_from_slice(&bytes[..count]);
        drop(display);
        changed.send_modify(|count| *count += 1);
    }
}

fn lock(display: &Mutex<Display>) -> MutexGuard<'_, Display> {
    display.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at_least_one(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}
