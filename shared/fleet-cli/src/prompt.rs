//! Questions to a person at a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, anyhow};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::escape;

/// What `--yes` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// The command line said it.
    Given,
    /// A person has to be asked.
    Asked,
}

impl Consent {
    /// Reads the flag `--yes`.
    pub(crate) fn of_flag(yes: &bool) -> Self {
        match yes {
            true => Self::Given,
            false => Self::Asked,
        }
    }
}

/// Asks whether to go on; anything but yes is a refusal.
///
/// # Errors
///
/// Refused: the answer is no, or nobody can be asked because there is no terminal. Interrupted by
/// Ctrl-C.
pub(crate) async fn confirm(
    consent: Consent,
    question: &str,
    interrupt: &Interrupt,
) -> Result<(), Exit> {
    if consent == Consent::Given {
        return Ok(());
    }
    let answer = ask(&format!("{question} [y/N] "), interrupt).await?;
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Exit::refused("nothing was done")),
    }
}

/// Asks to type a word, for what cannot be undone.
///
/// # Errors
///
/// As [`confirm`].
pub(crate) async fn confirm_by_typing(
    consent: Consent,
    question: &str,
    word: &str,
    interrupt: &Interrupt,
) -> Result<(), Exit> {
    if consent == Consent::Given {
        return Ok(());
    }
    let answer = ask(&format!("{question}\nType {word} to go on: "), interrupt).await?;
    match answer == word {
        true => Ok(()),
        false => Err(Exit::refused("that was something else; nothing was done")),
    }
}

async fn ask(question: &str, interrupt: &Interrupt) -> Result<String, Exit> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let why = "there is no terminal to ask at; say --yes to go on without a question";
        return Err(Exit::refused(why));
    }
    let text: Vec<_> = question.split('\n').map(|l| escape(l.to_owned())).collect();
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}", text.join("\n"));
    let _ = stderr.flush();
    drop(stderr);
    // A thread that waits for a line cannot be woken: it is left behind when the process ends.
    let (answered, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        let _ = answered.send(read.map(|_| line.trim().to_owned()));
    });
    tokio::select! {
        biased;
        () = interrupt.requested() => {
            crate::output::note("");
            Err(Exit::Interrupted(anyhow!("interrupted; nothing was done")))
        }
        line = answer => {
            let line = line.context("the terminal cannot be read")?;
            Ok(line.context("the terminal cannot be read")?)
        }
    }
}
