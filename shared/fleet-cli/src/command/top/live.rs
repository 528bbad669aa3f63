use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;

use super::frame::{self, Header, Palette};
use super::gather::Gatherer;
use super::keyboard::{Keyboard, Wish};
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// How long a key is waited for between two drawings: a signal, an answer or a new size of the
/// terminal waits this long at most, and a key not at all.
const DRAW_PERIOD: Duration = Duration::from_millis(150);

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
    let keyboard = Keyboard::listen().context("the terminal cannot be read")?;
    loop {
        let snapshot = board.snapshot();
        let drawn = terminal.draw(|frame| frame::draw(frame, &snapshot, header, palette));
        drawn.context("the terminal cannot be written to")?;
        let wish = keyboard.next(DRAW_PERIOD);
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
