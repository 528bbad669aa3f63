use std::sync::Arc;
use std::time::Duration;

use fleet::message::MessageId;
use fleet::{
    BatchError, BatchHandler, Consumer, Context, Done, Envelope, Event, EventKey, Handler,
    HandlerError, NewEvent, Tx,
};
use serde::{Deserialize, Serialize};

use crate::plan::{DEPENDENCIES, Kind, Manner};
use crate::process::Process;
use crate::truth::End;

/// The name under which the fleet of a story consumes.
pub(crate) const CONSUMER: &str = "jobs";

/// A job that names its event; what there is to do stands in the plan.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    event: usize,
}

impl Event for Job {
    const TYPE: &'static str = "job";
}

/// What a handler writes: an effect of its event.
#[derive(Debug, Serialize, Deserialize)]
struct Effect {}

impl Event for Effect {
    const TYPE: &'static str = "effect";
}

/// Does what the plan says, one job after the other.
struct Single<const OUTSIDE_EFFECT: bool>(Arc<Process>);

/// Does what the plan says, many jobs at once.
struct Batch(Arc<Process>);

/// Tells the truth about a handler at work.
struct Running<'p> {
    process: &'p Process,
    number: u64,
    end: End,
}

/// Puts the consumer of a process together.
pub(crate) fn consumer(process: &Arc<Process>) -> Consumer {
    let (consumer, process) = (Consumer::new(CONSUMER), Arc::clone(process));
    match process.world.plan.manner {
        Manner::OneByOne => consumer.handler(Single::<false>(process)),
        Manner::OutsideEffect => consumer.handler(Single::<true>(process)),
        Manner::AtOnce => consumer.batch_handler(Batch(process)),
    }
}

impl<const OUTSIDE: bool> Handler for Single<OUTSIDE> {
    type Event = Job;
    const OUTSIDE_EFFECT: bool = OUTSIDE;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        let process = &self.0;
        let message = number_of(process, &job.message_id);
        let mut running = Running::begin(process, vec![message], Some(cx.attempt()));
        let done = async {
            let kind = work(process, message, job.data.event).await?;
            if kind == Kind::NothingToDo {
                return Ok((kind, cx.nothing_to_do()));
            }
            let tx = cx.begin().await?;
            tx.publish(&effect(job.data.event)).await?;
            process.pass().await;
            Ok((kind, tx.finish()))
        };
        let done: Result<_, HandlerError> = done.await;
        running.end = match &done {
            Ok((Kind::NothingToDo, _)) => End::NeedsNothing,
            Ok(_) => End::Done,
            Err(error) => end(error, None),
        };
        done.map(|(_, done)| done)
    }
}

impl BatchHandler for Batch {
    type Event = Job;
    const EVENTS_MAX: usize = 6;

    async fn handle(&self, jobs: &[Envelope<Job>], tx: &mut Tx<'_>) -> Result<(), BatchError> {
        let process = &self.0;
        let messages: Vec<_> = jobs
            .iter()
            .map(|job| number_of(process, &job.message_id))
            .collect();
        let mut running = Running::begin(process, messages.clone(), None);
        for (index, job) in jobs.iter().enumerate() {
            if let Err(error) = work(process, messages[index], job.data.event).await {
                // Some handlers know whose fault it is, some do not.
                let names_it = process.world.lock().chance.permille(500);
                running.end = end(&error, names_it.then_some(index));
                return Err(match names_it {
                    true => BatchError::reject(index, error),
                    false => error.into(),
                });
            }
        }
        for job in jobs {
            if let Err(error) = tx.publish(&effect(job.data.event)).await {
                running.end = End::Excused;
                return Err(error.into());
            }
        }
        process.pass().await;
        running.end = End::Done;
        Ok(())
    }
}

impl<'p> Running<'p> {
    fn begin(process: &'p Process, messages: Vec<usize>, attempt: Option<u32>) -> Self {
        process.note("> handler", &messages);
        let state = &mut *process.world.lock();
        let number = state
            .truth
            .handler_begins(process.number, messages, attempt);
        Self {
            process,
            number,
            end: End::Cancelled,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let end = match std::thread::panicking() {
            true => End::Panicked,
            false => self.end,
        };
        if !self.process.is_dead() {
            self.process.note(end.name(), &[]);
        }
        let state = &mut *self.process.world.lock();
        state.truth.handler_ended(self.number, end);
    }
}

/// Does the work of one job, up to its effect.
async fn work(process: &Process, message: usize, event: usize) -> Result<Kind, HandlerError> {
    process.pass().await;
    let world = &process.world;
    let kind = world.lock().truth.kind(event);
    match kind {
        Kind::Flaky(failures) if world.lock().truth.failures(message) < failures => {
            return Err(HandlerError::retryable("flaky"));
        }
        Kind::Rejects => return Err(HandlerError::permanent("no customer")),
        Kind::Panics => std::panic::resume_unwind(Box::new("a bug of the handler")),
        Kind::Poison => {
            process.die();
            return std::future::pending().await;
        }
        // Time may jump over its timeout, and over any end that it had with it.
        Kind::TooSlow => return std::future::pending().await,
        Kind::Works(seconds) => world.rest(Duration::from_secs(seconds)).await,
        Kind::Calls(dependency) => {
            world.rest(world.latency()).await;
            if world.is_dependency_down(dependency) {
                return Err(HandlerError::unavailable(DEPENDENCIES[dependency]));
            }
        }
        _ => {}
    }
    process.pass().await;
    Ok(kind)
}

fn number_of(process: &Process, id: &MessageId) -> usize {
    let number = process.world.lock().truth.message(&id.0);
    number.expect("every message was sent")
}

fn effect(event: usize) -> NewEvent {
    let key = EventKey::new("/effects", event.to_string());
    NewEvent::new(key, &Effect {}).expect("it is JSON")
}

fn end(error: &HandlerError, named: Option<usize>) -> End {
    match error {
        HandlerError::Permanent { .. } => End::Rejected(named),
        HandlerError::Retryable { .. } => End::Failed(named),
        HandlerError::Unavailable { dependency, .. }
            if DEPENDENCIES.contains(&dependency.as_ref()) =>
        {
            End::Complained
        }
        HandlerError::Unavailable { .. }
        | HandlerError::Contended { .. }
        | HandlerError::Duplicate(_) => End::Excused,
    }
}
