//! A look through a dead-letter queue, with its progress.

use fleet::dead_letter::{self, Death, Filter, Scanned, lease_for};
use fleet::message::Message;
use fleet::queue::Sqs;
use fleet::service::retry::Jitter;

use super::target::{Target, trouble};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Bar;

/// Shows each message that is meant, once, and gives all of them back.
///
/// # Errors
///
/// SQS cannot be asked, or the pattern is none. That it was interrupted is no error here: what
/// was seen until then can be shown; see [`conclude`].
pub(super) async fn look(
    target: &Target<'_>,
    sqs: &Sqs,
    filter: &Filter,
    limit: u64,
    interrupt: &Interrupt,
    mut see: impl FnMut(Death, Message) + Send,
) -> Result<Scanned, Exit> {
    let matcher = filter
        .matcher()
        .map_err(|error| Exit::refused(format!("--match: {error}")))?;
    if target.is_fifo() {
        output::note(
            "a FIFO queue holds the rest of a group back while one of its messages is looked at",
        );
    }
    let depth = target.depth().min(limit);
    let queue = target.hiding_for(sqs, lease_for(depth));
    let origin = target.origin();
    let bar = Bar::counting("looked at");
    let scanned = dead_letter::scan(
        &queue,
        limit,
        &Jitter::from_entropy(),
        interrupt.token(),
        |message| {
            bar.advance(1);
            let death = Death::of(&message, &origin);
            if matcher.admits(&death, &message) {
                see(death, message);
            }
        },
    )
    .await;
    bar.finish();
    scanned.map_err(|error| trouble(&target.name, error))
}

/// Says how much was looked at, and ends as that deserves.
///
/// # Errors
///
/// Interrupted before everything was seen.
pub(super) fn conclude(
    target: &Target<'_>,
    scanned: &Scanned,
    interrupt: &Interrupt,
) -> Result<(), Exit> {
    let Scanned {
        seen,
        is_complete,
        hidden,
    } = *scanned;
    let about = target.depth().max(seen);
    let name = output::escape(target.name.clone());
    output::note(&format!("looked at {seen} of about {about} in {name}"));
    if hidden > 0 {
        output::note(&format!(
            "{hidden} of them could not be made visible again and come back within {} s",
            lease_for(about).as_secs()
        ));
    }
    if interrupt.is_requested() {
        return Err(Exit::Interrupted(anyhow::anyhow!("interrupted")));
    }
    if !is_complete {
        output::note("there may be more; --scan looks further");
    } else if about > seen {
        let why = match target.is_fifo() {
            true => "the others wait behind messages of their groups, or are in flight",
            false => "the others are in flight elsewhere, or SQS has miscounted",
        };
        output::note(why);
    }
    Ok(())
}
