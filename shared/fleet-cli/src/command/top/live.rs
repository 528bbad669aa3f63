use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::runtime::Runtime;

use super::frame::{self, Header, Palette};
use super::gather::Gatherer;
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// How long a look at the keyboard lasts: a signal or a new answer waits this long at most, and a
/// key not at all.
const LOOK_LENGTH: Duration = Duration::from_millis(150);

/// What somebody wants by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Leave,
    Interrupt,
}

/// Gives the terminal back as it was, however the view ends.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows what is gathered until a key or a signal ends it.
pub(super) fn watch(
    runtime: &Runtime,
    gatherer: Gatherer,
    header: Header,
    palette: Palette,
) -> Result<(), Exit> {
    let interrupt = runtime.block_on(async { Interrupt::listen() })?;
    let board = gatherer.board();
    let mut asking = gatherer.start(header.every, runtime.handle());
    // It also lets a panic give the terminal back before it is told.
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let _restored = Restored;
    loop {
        let snapshot = board.snapshot();
        let drawn = terminal.draw(|frame| frame::draw(frame, &snapshot, header, palette));
        drawn.context("the terminal cannot be written to")?;
        let wish = look().context("the terminal cannot be read")?;
        if interrupt.is_requested() || wish == Some(Wish::Interrupt) {
            return Err(Exit::Interrupted(anyhow!("interrupted")));
        }
        if wish == Some(Wish::Leave) {
            return Ok(());
        }
        if asking.try_join_next().is_some() {
            return Err(anyhow!("asking ended by itself").into());
        }
    }
}

/// Waits a moment for a key; a new size is drawn like anything else.
fn look() -> std::io::Result<Option<Wish>> {
    if !event::poll(LOOK_LENGTH)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) => wish(key),
        _ => None,
    })
}

fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Wish::Interrupt)
        }
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Wish::Leave),
        _ => None,
    }
}
