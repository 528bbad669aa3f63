use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use fleet::message::NewEvent;
use fleet::queue::Queue as _;
use fleet::queue::QueueErrorKind;
use fleet::service::config::{GroupPolicy, LogSuccess};
use fleet::service::traces::TraceContext;
use fleet::{Context, Done, Envelope, EventKey, Handler, HandlerError};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};

use crate::meddler::{Call, Fate};
use crate::stage::{Act, Job, Stage, message};

/// The fields of one log line.
type Line = BTreeMap<String, String>;

/// Keeps every line that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Line>>>);

/// Ends the keeping.
struct Capture;

/// Hands each line to the log of its thread, if the thread has one.
///
/// One subscriber for the whole process: with one a thread, tracing may decide
/// on another test's thread that nobody wants a line, and remember that.
struct Threads;

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

struct Fields<'l>(&'l mut Line);

impl Log {
    fn capture() -> (Self, Capture) {
        let log = Self::default();
        LOG.set(Some(log.clone()));
        (log, Capture)
    }

    /// Returns the lines that tell of a message's end.
    fn ends(&self) -> Vec<Line> {
        let lines = self.0.lock().unwrap();
        let ends = lines.iter().filter(|line| line.contains_key("settlement"));
        ends.cloned().collect()
    }

    fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

/// Subscribes to all lines, once a process; every test begins with it.
pub(crate) fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Threads);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

impl<S: tracing::Subscriber> Layer<S> for Threads {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        LOG.with_borrow(|log| {
            let Some(log) = log else { return };
            let mut line = Line::new();
            event.record(&mut Fields(&mut line));
            log.0.lock().unwrap().push(line);
        });
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            chain = format!("{chain}: {error}");
            cause = error.source();
        }
        self.0.insert(field.name().to_owned(), chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Fails with a cause that has a cause.
struct Unlucky;

#[derive(Debug, thiserror::Error)]
#[error("cannot fetch the price")]
struct NoPrice(#[source] std::io::Error);

impl Handler for Unlucky {
    type Event = Job;

    async fn handle(&self, _: Envelope<Job>, _: &mut Context<'_>) -> Result<Done, HandlerError> {
        let cause = NoPrice(std::io::Error::other("connection reset"));
        Err(HandlerError::retryable("no price").caused_by(cause))
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_has_one_line_at_its_end_with_the_chain_of_causes_and_nothing_of_its_body() {
    let (log, _guard) = Log::capture();
    let mut stage = Stage::new().await;
    stage.limits.attempts_max = 2;
    let play = stage.start_with(|consumer| consumer.handler(Unlucky));
    let mut event = NewEvent::new(
        EventKey::new("/test", "7"),
        &Job {
            act: Act::Call("secret".into()),
        },
    )
    .unwrap();
    event.trace = TraceContext::parse(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        None,
    );
    stage.send_message(event.to_message()).await;
    stage.is_empty().await;
    let ends = log.ends();
    assert_eq!(ends.len(), 2, "{ends:?}");
    let expected = [
        ("consumer", "jobs"),
        ("queue", "jobs"),
        ("message.receives", "1"),
        ("event.type", "job"),
        ("event.id", "7"),
        ("event.source", "/test"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("outcome", "failed"),
        ("reason", "no price"),
        ("error", "cannot fetch the price: connection reset"),
        ("settlement", "retried"),
        ("attempt", "1"),
        ("duration_ms", "0"),
        ("message", "message not done"),
    ];
    for (name, value) in expected {
        assert_eq!(ends[0].get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(ends[0].contains_key("message.id") && ends[0].contains_key("after_secs"));
    assert_eq!(ends[1]["settlement"], "dead_lettered");
    assert_eq!(ends[1]["attempt"], "2");
    let text = log.text();
    assert_eq!(
        text.matches("connection reset").count(),
        2,
        "once an attempt"
    );
    assert!(!text.contains("secret"), "{text}");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn successes_are_logged_as_wanted_and_failures_always() {
    for (wanted, lines) in [
        (LogSuccess::All, 200),
        (LogSuccess::Sampled, 2),
        (LogSuccess::None, 0),
    ] {
        let (log, _guard) = Log::capture();
        let mut stage = Stage::new().await;
        stage.limits.log_success = wanted;
        let play = stage.start();
        stage.send((0..200).map(|_| Act::Succeed)).await;
        stage.send_as("bad", Act::Reject).await;
        stage.send_message(message("no JSON", &[])).await;
        stage.is_empty().await;
        let mut outcomes = BTreeMap::new();
        for line in log.ends() {
            *outcomes.entry(line["outcome"].clone()).or_insert(0) += 1;
        }
        assert_eq!(outcomes.get("processed").copied().unwrap_or(0), lines);
        assert_eq!((outcomes["rejected"], outcomes["undecodable"]), (1, 1));
        play.end(&stage).await;
    }
}

/// Records what is counted on this thread.
pub(crate) fn counting<'g>() -> (PrometheusHandle, metrics::LocalRecorderGuard<'g>) {
    let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
    (
        recorder.handle(),
        metrics::set_default_local_recorder(recorder),
    )
}

/// Returns a metric's value by its name and labels, or by the beginning of these.
pub(crate) fn value(page: &str, name: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(name));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_are_counted_by_how_far_they_got() {
    let (page, _guard) = counting();
    let stage = Stage::new().await;
    let play = stage.start();
    // The first is refused, the next is never answered until it is too late, the others are fine.
    let mut calls = 0;
    stage.settling.rule(move |call| {
        calls += i32::from(matches!(call, Call::Delete(_)));
        match calls {
            1 => Fate::FailsOne("ReceiptHandleIsInvalid", true),
            2..60 => Fate::Fails(QueueErrorKind::Unreachable),
            _ => Fate::Passes,
        }
    });
    for n in 0..3 {
        stage.send_as(&n.to_string(), Act::Succeed).await;
        stage.journal.ended(n + 1).await;
    }
    stage.is_empty().await;
    play.end(&stage).await;
    let page = page.render();
    let acks = |result: &str| {
        let name = format!("fleet_acks_total{{queue=\"jobs\",result=\"{result}\"}}");
        value(&page, &name)
    };
    assert_eq!(acks("failed"), 1.0);
    assert_eq!(acks("confirmed"), 3.0, "each message is deleted once");
    assert!(acks("unconfirmed") >= 1.0, "{page}");
    let ended = acks("confirmed") + acks("failed") + acks("unconfirmed");
    assert_eq!(acks("requested"), ended);
}

#[tokio::test(start_paused = true)]
async fn a_yes_after_the_lease_is_no_proof_of_a_delete() {
    let (page, _guard) = counting();
    let stage = Stage::new().await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .settling
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => Fate::Takes(Duration::from_secs(90)),
            false => Fate::Passes,
        });
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    assert_eq!(stage.receiving.received().len(), 2, "it came back");
    let results = || {
        let page = page.render();
        ["requested", "confirmed", "failed", "unconfirmed"].map(|result| {
            let name = format!("fleet_acks_total{{queue=\"jobs\",result=\"{result}\"}}");
            value(&page, &name)
        })
    };
    assert_eq!(results(), [2.0, 1.0, 0.0, 0.0], "one has no answer yet");
    play.end(&stage).await;
    assert_eq!(results(), [2.0, 1.0, 0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_panics_is_told_of_and_its_message_comes_back() {
    let (log, _guard) = Log::capture();
    let stage = Stage::new().await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .settling
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => Fate::Panics,
            false => Fate::Passes,
        });
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    assert!(log.text().contains("an acknowledgement ended early"));
    assert_eq!(
        (stage.receiving.received().len(), stage.journal.runs()),
        (2, 1)
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn every_gauge_is_back_where_it_began_when_all_is_settled() {
    let (page, _guard) = counting();
    let mut stage = Stage::new().await;
    stage.limits.attempts_max = 2;
    let play = stage.start();
    stage.journal.set_down("smtp", true);
    let acts = [
        Act::Succeed,
        Act::Retry,
        Act::Reject,
        Act::Panic,
        Act::PanicWhenDropped,
        Act::Work(40),
        Act::Call("smtp".into()),
    ];
    stage.send(acts).await;
    stage.send_message(message("no JSON", &[])).await;
    stage.dead_letters(5).await;
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;
    play.end(&stage).await;
    let page = page.render();
    assert_eq!(value(&page, "fleet_inflight_messages"), 0.0);
    assert_eq!(value(&page, "fleet_breaker_state"), 0.0);
    let transitions = "fleet_breaker_transitions_total{queue=\"jobs\",dependency=\"smtp\"";
    assert!(value(&page, transitions) >= 3.0, "open, half open, closed");
    assert_eq!(value(&page, "fleet_dead_lettered_total"), 6.0);
    let outcomes = "fleet_messages_processed_total{queue=\"jobs\"";
    let received = value(&page, "fleet_messages_received_total");
    assert_eq!(value(&page, outcomes), received);
}

#[tokio::test(start_paused = true)]
async fn a_halted_group_is_shown_until_it_goes_on_or_is_somebody_elses() {
    let (page, _recorder) = counting();
    let (log, _capture) = Log::capture();
    let mut stage = Stage::on("jobs.fifo").await;
    stage.limits.group_policy = Some(GroupPolicy::Halt);
    stage.journal.set_down("bug", true);
    for group in ["a", "b"] {
        stage
            .send_to(group, group, Act::RejectWhile("bug".into()))
            .await;
    }
    let halted = || value(&page.render(), "fleet_groups_halted");
    let play = stage.start();
    stage.journal.ended(2).await;
    // A queue that others look at: one of the messages is gone before it comes back.
    let receipt = stage.receiving.received()[1].receipt.clone();
    assert_eq!(halted(), 2.0);
    assert!(log.text().contains("its group stands still"));
    stage.queue.delete(&[receipt]).await.unwrap();
    stage.journal.started(10).await;
    assert_eq!(halted(), 1.0);
    stage.journal.set_down("bug", false);
    stage.is_empty().await;
    assert_eq!(halted(), 0.0);
    play.end(&stage).await;
}
