//! A look through a dead-letter queue, with its progress.

use std::collections::BTreeSet;
use std::time::Duration;

use fleet::dead_letter::{self, Death, Filter, Held, Matcher, Origin, Scanned, lease_for};
use fleet::message::Message;
use fleet::queue::{Sqs, SqsQueue};
use fleet::service::retry::Jitter;
use tokio::time::Instant;

use super::target::{Target, trouble};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Bar;

/// How long before its end a lease is not relied on any more.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// How a look ended.
pub(super) struct Looked {
    pub(super) scanned: Scanned,
    /// How many of the messages are meant.
    pub(super) meant: u64,
    /// Ids that were asked for, and that no message has.
    pub(super) unfound: Vec<String>,
}

/// Messages that a look keeps hidden, until they are given back.
pub(super) struct Hidden {
    pub(super) held: Held,
    pub(super) queue: SqsQueue,
    /// Until when they are ours for certain.
    pub(super) until: Instant,
}

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
) -> Result<Looked, Exit> {
    let unfolded = |death, mut message: Message| {
        message.unfold();
        see(death, message);
    };
    look_verbatim(target, sqs, filter, limit, interrupt, unfolded).await
}

/// As [`look`], and shows messages with their attributes as the queue holds them.
pub(super) async fn look_verbatim(
    target: &Target<'_>,
    sqs: &Sqs,
    filter: &Filter,
    limit: u64,
    interrupt: &Interrupt,
    see: impl FnMut(Death, Message) + Send,
) -> Result<Looked, Exit> {
    let (mut looked, hidden) = hide(target, sqs, filter, limit, interrupt, see).await?;
    let jitter = Jitter::from_entropy();
    looked.scanned.hidden = hidden.held.give_back(&hidden.queue, &jitter).await;
    Ok(looked)
}

/// As [`look_verbatim`], and keeps everything hidden that it came across.
///
/// # Cancellation
///
/// What is hidden stays so until its time is over. Cancel the interrupt instead, and give back.
pub(super) async fn hide(
    target: &Target<'_>,
    sqs: &Sqs,
    filter: &Filter,
    limit: u64,
    interrupt: &Interrupt,
    see: impl FnMut(Death, Message) + Send,
) -> Result<(Looked, Hidden), Exit> {
    let mut watch = Watch {
        matcher: filter
            .matcher()
            .map_err(|error| Exit::refused(format!("--match: {error}")))?,
        origin: target.origin(),
        bar: Bar::counting("looked at"),
        meant: 0,
        unfound: filter.ids.iter().map(String::as_str).collect(),
        see,
    };
    if target.is_fifo() {
        output::note(
            "a FIFO queue holds the rest of a group back while one of its messages is looked at",
        );
    }
    let lease = lease_for(target.depth().min(limit));
    let queue = target.hiding_for(sqs, lease).verbatim();
    let until = Instant::now() + lease.saturating_sub(LEASE_MARGIN);
    let jitter = Jitter::from_entropy();
    let show = |message| watch.show(message);
    let held = dead_letter::hold(&queue, limit, &jitter, interrupt.token(), show).await;
    watch.bar.finish();
    let held = held.map_err(|error| trouble(&target.name, error))?;
    let looked = Looked {
        scanned: held.scanned,
        meant: watch.meant,
        unfound: watch.unfound.into_iter().map(str::to_owned).collect(),
    };
    Ok((looked, Hidden { held, queue, until }))
}

/// Who looks at messages as they come.
struct Watch<'a, S> {
    matcher: Matcher,
    origin: Origin,
    bar: Bar,
    meant: u64,
    unfound: BTreeSet<&'a str>,
    see: S,
}

impl<S: FnMut(Death, Message)> Watch<'_, S> {
    /// Passes a message on if it is meant, with its attributes as they came.
    fn show(&mut self, mut message: Message) {
        self.bar.advance(1);
        let verbatim = message.attributes.clone();
        message.unfold();
        let death = Death::of(&message, &self.origin);
        self.unfound.remove(&*death.id);
        self.unfound.remove(&*death.key.id);
        if self.matcher.admits(&death, &message) {
            self.meant += 1;
            message.attributes = verbatim;
            message.failure = None;
            (self.see)(death, message);
        }
    }
}

/// Says how much was looked at, and ends as that deserves.
///
/// # Errors
///
/// Interrupted before everything was seen.
pub(super) fn conclude(
    target: &Target<'_>,
    looked: &Looked,
    interrupt: &Interrupt,
) -> Result<(), Exit> {
    let Scanned {
        seen,
        is_complete,
        hidden,
    } = looked.scanned;
    let about = target.depth().max(seen);
    let name = output::escape(target.name.clone());
    match about {
        0 => output::note(&format!("{name} is empty")),
        _ => output::note(&format!("looked at {seen} of about {about} in {name}")),
    }
    if seen > 0 && looked.meant == 0 && looked.unfound.is_empty() {
        output::note("none of them is meant");
    }
    for id in &looked.unfound {
        let id = output::escape(id.clone());
        output::note(&format!("no message among them has the id {id}"));
    }
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
