//! A deploy that rolls, is rolled back and comes again: what the old build has never heard of waits.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "the figures are what a long form is for"
)]

use std::sync::Arc;
use std::time::Duration;

use fleet_tests::books::Books;
use fleet_tests::form::short_or_long;
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::patience::{PATIENCE, until, until_within};
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// How long a type that a build does not know waits at least, and with its jitter at most.
const WAIT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(75));

/// What two busy cores may add to any of it.
const SLACK: Duration = Duration::from_secs(15);

/// How often the producers send.
const PERIOD: Duration = Duration::from_millis(100);

/// Events of the type that both builds know, each period.
const COUNTED: u64 = 3;

/// So many events a build has met or done before the story goes on.
const ENOUGH: (u64, u64) = (20, 200);

/// No constraint keeps an effect from being there twice.
const TABLE: &str = "create table effects (
    build text not null, consumer text not null, event text not null, type text not null,
    note text not null, sent_at timestamptz not null,
    at timestamptz not null default clock_timestamp())";

const OLD_TYPE: &str = "effects where type = 'counted'";
const NEW_TYPES: &str = "effects where type <> 'counted'";

/// Events that the old build has met and does not know.
const MET: &str = "(select distinct event_id from fleet.attempts where outcome = 'unknown_type') a";

/// Those that it has met more than once.
const MET_TWICE: &str = "(select event_id from fleet.attempts where outcome = 'unknown_type'
    group by event_id having count(*) > 1) a";

/// Those that are still to be done.
const WAITING: &str = "(select distinct event_id from fleet.attempts
    where outcome = 'unknown_type'
        and event_id not in (select event from effects where consumer = 'billing')) a";

/// Rows for a consumer that only the new build has, which an old relay leaves alone.
const FOR_AUDIT: &str = "fleet.outbox where destination = 'audit' and sent_at is null";

/// Which of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Build {
    #[default]
    Old,
    New,
}

/// A database, queues, and the two builds.
struct Place {
    site: Site,
    audit: Mailbox,
    dead_audit: Mailbox,
}

/// What producers have sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    by: Build,
    counted: u64,
    counted_anew: u64,
    weighed: u64,
}

/// Producers, of the old build at first.
struct Traffic {
    producers: watch::Sender<Option<Build>>,
    counted: watch::Receiver<Sent>,
    sending: JoinHandle<Sent>,
}

impl Place {
    async fn new() -> Self {
        let site = Site::at(Books::migrated().await).await;
        let (audit, dead_audit) = Mailbox::pair(site.sqs(), "audit").await;
        site.books.run(TABLE).await;
        let audit_url = format!("{}/000000000000/audit", site.endpoint());
        let site = site
            .with("AUDIT_QUEUE_URL", &audit_url)
            .with("AUDIT_RECEIVE_WAIT", "1s");
        Self {
            site,
            audit,
            dead_audit,
        }
    }

    fn launch(&self, build: Build, command: &str) -> Process {
        let mut program = Command::new(env!("CARGO_BIN_EXE_two_builds"));
        program.arg(command).env_clear().envs(&self.site.env);
        program.env("BUILD", format!("{build:?}").to_lowercase());
        Process::start(program)
    }

    async fn start(&self, build: Build, command: &str) -> Process {
        let mut process = self.launch(build, command);
        Probe::of(&mut process).await.until_ready().await;
        process
    }

    async fn migrate(&self, build: Build) {
        let migrated = self.launch(build, "migrate").ended().await;
        migrated.with_code(0);
    }

    async fn until_more(&self, from: &str, count: u64) {
        let before = self.site.books.count(from).await;
        self.until_least(from, before + count).await;
    }

    async fn until_least(&self, from: &str, count: u64) {
        until_within(2 * PATIENCE, &format!("{from}: {count}"), || async {
            (self.site.books.count(from).await >= count).then_some(())
        })
        .await;
    }

    /// Waits until everything has had its effects and no queue holds anything.
    async fn until_done(&self, sent: Sent) {
        let effects = sent.counted + sent.of_new_types() + sent.weighed;
        until("everything is done", || async {
            let done = self.site.books.count("effects").await;
            let (queue, audit) = (self.site.queue.counts().await, self.audit.counts().await);
            (done >= effects && queue == Counts::NONE && audit == Counts::NONE).then_some(())
        })
        .await;
    }

    /// Checks that nothing was charged or died.
    async fn assert_nobody_blamed(&self) {
        let charged = "select * from fleet.attempts where charged limit 3";
        let charged = self.site.books.rows(charged).await;
        assert!(charged.is_empty(), "charged: {charged:?}");
        assert_eq!(self.site.books.count("fleet.dead_letters").await, 0);
        assert_eq!(self.site.dead_letters.counts().await, Counts::NONE);
        assert_eq!(self.dead_audit.counts().await, Counts::NONE);
    }

    /// Checks that each event had its effect once for each consumer, by a build that knows it.
    async fn assert_exact(&self, sent: Sent) {
        let books = &self.site.books;
        let doubled = "select consumer, event, count(*) from effects
                       group by consumer, event having count(*) > 1 limit 3";
        let doubled = books.rows(doubled).await;
        assert!(doubled.is_empty(), "effects are there twice: {doubled:?}");
        for (of, count) in [
            ("consumer = 'billing' and type = 'counted'", sent.counted),
            (
                "consumer = 'billing' and type = 'counted.v2'",
                sent.counted_anew,
            ),
            ("consumer = 'billing' and type = 'weighed'", sent.weighed),
            ("consumer = 'audit' and type = 'weighed'", sent.weighed),
            ("type <> 'counted' and build = 'old'", 0),
            ("type = 'counted.v2' and note <> 'said'", 0),
            // The old build does not see the new field, and the new one does without it.
            ("build = 'old' and note <> ''", 0),
            (
                "build = 'new' and event like 'noted-%' and note <> 'said'",
                0,
            ),
            ("build = 'new' and event like 'plain-%' and note <> ''", 0),
        ] {
            assert_eq!(
                books.count(&format!("effects where {of}")).await,
                count,
                "{of}"
            );
        }
        for of in [
            "build = 'old' and event like 'noted-%'",
            "build = 'new' and event like 'noted-%'",
            "build = 'new' and event like 'plain-%'",
        ] {
            assert!(
                books.count(&format!("effects where {of}")).await > 0,
                "{of}"
            );
        }
        self.assert_nobody_blamed().await;
    }

    /// Checks how long what the old build did not know has waited, and that nothing else has.
    async fn assert_waits_and_flow(&self) {
        let outside = format!(
            "select event, waited from (
                select e.event, extract(epoch from e.at - max(a.at)) as waited
                from effects e join fleet.attempts a on a.event_id = e.event
                where a.outcome = 'unknown_type' and e.consumer = 'billing'
                group by e.event, e.at) w
             where waited not between {} and {} limit 3",
            WAIT.0.as_secs(),
            (WAIT.1 + SLACK).as_secs()
        );
        let outside = self.site.books.rows(&outside).await;
        assert!(outside.is_empty(), "waited otherwise: {outside:?}");
        let late = format!(
            "select event, at - sent_at as late from effects
             where type = 'counted' and at - sent_at > interval '{} s' limit 3",
            SLACK.as_secs()
        );
        let late = self.site.books.rows(&late).await;
        assert!(late.is_empty(), "of a type that is known: {late:?}");
        // A process that ends gives back what it has not begun.
        let others = "select * from fleet.attempts
                      where outcome not in ('unknown_type', 'released') limit 3";
        let others = self.site.books.rows(others).await;
        assert!(others.is_empty(), "went wrong: {others:?}");
    }

    /// Sends an event straight to the queue, as a producer in another language does.
    async fn send(&self, event_type: &str, id: &str, data: serde_json::Value) {
        let body = json!({
            "specversion": "1.0", "id": id, "source": "/traffic", "type": event_type, "data": data,
        });
        self.site
            .queue
            .send(&body.to_string(), Default::default())
            .await;
    }
}

impl Sent {
    /// Counts the events that the old build does not know.
    fn of_new_types(self) -> u64 {
        self.counted_anew + self.weighed
    }
}

impl Traffic {
    fn start(place: &Arc<Place>) -> Self {
        let (producers, mut wanted) = watch::channel(Some(Build::Old));
        let mut sent = Sent::default();
        let (counts, counted) = watch::channel(sent);
        let place = Arc::clone(place);
        let sending = tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            loop {
                let build = *wanted.borrow_and_update();
                let Some(build) = build else { return sent };
                ticks.tick().await;
                produce(&place, build, &mut sent).await;
                counts.send_replace(sent);
            }
        });
        Self {
            producers,
            counted,
            sending,
        }
    }

    /// Replaces the producers, and returns what has been sent once the new ones have begun.
    async fn turn(&mut self, producers: Build) -> Sent {
        self.producers.send_replace(Some(producers));
        let begun = self.counted.wait_for(|sent| sent.by == producers).await;
        *begun.expect("they produce until they are ended")
    }

    async fn end(self) -> Sent {
        self.producers.send_replace(None);
        self.sending.await.expect("sending does not panic")
    }
}

/// Sends what the producers of a build send in a period.
async fn produce(place: &Place, build: Build, sent: &mut Sent) {
    sent.by = build;
    for _ in 0..COUNTED {
        let number = sent.counted;
        match build {
            Build::Old => {
                place
                    .send("counted", &format!("plain-{number}"), json!({}))
                    .await
            }
            Build::New => {
                let data = json!({ "note": "said" });
                place
                    .send("counted", &format!("noted-{number}"), data)
                    .await;
            }
        }
        sent.counted += 1;
    }
    if build == Build::New {
        let id = format!("anew-{}", sent.counted_anew);
        place
            .send("counted.v2", &id, json!({ "note": "said" }))
            .await;
        sent.counted_anew += 1;
        let enqueue = format!(
            "select fleet.enqueue('weighed', '{{}}', 'weighed-{}')",
            sent.weighed
        );
        place.site.books.run(&enqueue).await;
        sent.weighed += 1;
    }
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_build_does_not_know_waits_for_the_new_one_through_a_rollback() {
    let enough = short_or_long(ENOUGH);
    let begun = Instant::now();
    let place = Arc::new(Place::new().await);
    place.migrate(Build::Old).await;
    let old_relay = place.start(Build::Old, "relay").await;
    let old = place.start(Build::Old, "run").await;
    let first = place.start(Build::Old, "run").await;
    let mut traffic = Traffic::start(&place);
    place.until_more(OLD_TYPE, enough).await;

    // The deploy rolls: one process of each build, and producers of the new one.
    place.migrate(Build::New).await;
    let new = place.start(Build::New, "run").await;
    end(first).await;
    traffic.turn(Build::New).await;
    tokio::join!(
        place.until_least(MET, enough),
        place.until_least(NEW_TYPES, enough),
        place.until_least(FOR_AUDIT, enough),
        // The old relay does not have to know a type to send it.
        place.until_least("effects where type = 'weighed'", 1),
        // It takes a minute until something comes back, and may come back to the old build.
        place.until_least(short_or_long((MET, MET_TWICE)), 1),
    );

    // It is rolled back, the producers last.
    end(new).await;
    let returned = place.start(Build::Old, "run").await;
    let done = place.site.books.count(NEW_TYPES).await;
    place.until_more(WAITING, enough).await;
    let sent = traffic.turn(Build::Old).await;
    place.until_least(WAITING, sent.of_new_types() - done).await;
    place.until_more(OLD_TYPE, enough).await;
    place.assert_nobody_blamed().await;
    assert_eq!(place.site.books.count(NEW_TYPES).await, done);
    assert_eq!(place.site.books.count(FOR_AUDIT).await, sent.weighed);
    let waited = place.site.books.count(WAITING).await;

    // It comes again, and stays.
    let new = [
        place.start(Build::New, "run").await,
        place.start(Build::New, "run").await,
        place.start(Build::New, "relay").await,
    ];
    for process in [old, returned, old_relay] {
        end(process).await;
    }
    until_within(WAIT.1 + SLACK, "nothing waits any more", || async {
        (place.site.books.count(WAITING).await == 0).then_some(())
    })
    .await;
    let sent = traffic.end().await;
    place.until_done(sent).await;
    place.assert_exact(sent).await;
    place.assert_waits_and_flow().await;
    for process in new {
        end(process).await;
    }
    println!(
        "two_builds: {} events of which {} are of types that the old build does not know, {} met by \
         it, {waited} through a rollback: lost 0, doubled 0, dead 0, charged 0, {} s",
        sent.counted + sent.of_new_types(),
        sent.of_new_types(),
        place.site.books.count(MET).await,
        begun.elapsed().as_secs(),
    );
}
