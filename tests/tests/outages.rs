//! Ten seconds, or a minute, without SQS, Postgres, or a service that handlers need, under load.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "the figures are what a long form is for"
)]

use std::time::Duration;

use fleet::testing::cluster::{Cluster, CrashedCluster};
use fleet_tests::books::Books;
use fleet_tests::cpu::cpu_time;
use fleet_tests::form::short_or_long;
use fleet_tests::gate::{Gate, Way};
use fleet_tests::load::{Load, send_job};
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::{PATIENCE, until_within};
use fleet_tests::post_office::PostOffice;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;
use fleet_tests::workshop::{Hand, Report, Workshop};
use sqs_local::Sqs;
use tokio::join;
use tokio::time::{Instant, interval, timeout};

/// How long something is away in the short form and in the long one.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// How long after its end the first message may take to have its effect.
const RESUME_MAX: Duration = Duration::from_secs(5);

/// How long nobody may come to see whether something is back: an open interval, which is 4 s at
/// most, a second until it is looked at here, and on two busy cores one for the way.
const UNSEEN_MAX: Duration = Duration::from_secs(6);

/// How much of a core a process may use while it can do nothing.
const IDLE_SHARE_MAX: f64 = 0.05;

/// Jobs that are there before the processes are.
const BACKLOG: u64 = 100;

/// Jobs that come each tenth of a second.
const RATE: u64 = 5;

/// Effects after which the processes are in full swing.
const IN_FULL_SWING: u64 = 150;

/// Calls that a consumer makes; the producer is spared.
const REFUSALS: &str = "unavailable ops=ReceiveMessage,DeleteMessage,DeleteMessageBatch,\
                        ChangeMessageVisibility,ChangeMessageVisibilityBatch";

/// What goes away, and how.
#[derive(Debug)]
enum Outage {
    /// An address.
    Gate(Gate, Way),
    /// SQS answers, and refuses.
    Refusals,
    /// Postgres is killed.
    Crash(Cluster),
}

/// What `/readyz` has to say at the end of an outage.
#[derive(Clone, Copy, Debug)]
enum Readiness {
    Green,
    /// This check is named.
    Red(&'static str),
    /// A server that hangs is found out by handlers whose time runs out, which may be later.
    Either,
}

/// What one outage came to.
#[derive(Debug)]
struct Tally {
    processes: usize,
    jobs: u64,
    receives_most: u64,
}

/// What is away.
#[derive(Debug)]
enum Away {
    Gate(Gate, Way),
    Refusals,
    Crash(CrashedCluster),
}

impl Outage {
    fn name(&self) -> String {
        match self {
            Self::Gate(_, way) => format!("{way:?}"),
            Self::Refusals => "answers with 503".to_owned(),
            Self::Crash(_) => "crashes".to_owned(),
        }
    }

    async fn begin(self, sqs: &Sqs) -> Away {
        match self {
            Self::Gate(gate, way) => {
                gate.turn(way);
                Away::Gate(gate, way)
            }
            Self::Refusals => {
                sqs.set_faults(REFUSALS.parse().expect("it is a plan"));
                Away::Refusals
            }
            Self::Crash(cluster) => {
                Away::Crash(cluster.crash().await.expect("Postgres can be killed"))
            }
        }
    }
}

impl Away {
    /// Counts who came to see whether it is back, where that can be counted.
    fn visitors(&self) -> Option<usize> {
        match self {
            // Who is refused is not seen, and whom silence meets waits for longer than an interval.
            Self::Gate(gate, Way::HangsUp) => Some(gate.visitors()),
            Self::Gate(..) | Self::Refusals | Self::Crash(_) => None,
        }
    }

    /// Ends the outage; what was away is back for as long as what is returned.
    async fn end(self, sqs: &Sqs) -> Outage {
        match self {
            Self::Gate(gate, way) => {
                gate.open();
                Outage::Gate(gate, way)
            }
            Self::Refusals => {
                sqs.clear_faults();
                Outage::Refusals
            }
            Self::Crash(crashed) => {
                Outage::Crash(crashed.restart().await.expect("Postgres starts again"))
            }
        }
    }
}

/// Makes a site from which what a consumer may hold of a lost answer is back soon.
async fn site(books: Books) -> Site {
    let site = Site::at(books).await;
    site.queue.set("VisibilityTimeout", "15").await;
    site
}

/// Opens a workshop whose SQS is behind a gate.
async fn without_sqs(way: Way) -> (Workshop, Outage) {
    let mut site = site(Books::migrated().await).await;
    let gate = site.gate_queues().await;
    gate.open();
    (open(site).await, Outage::Gate(gate, way))
}

/// Opens a workshop whose Postgres is behind a gate.
async fn without_postgres(way: Way) -> (Workshop, Outage) {
    let mut site = site(Books::migrated().await).await;
    let gate = site.gate_database().await;
    gate.open();
    (open(site).await, Outage::Gate(gate, way))
}

/// Opens a workshop whose post office is behind a gate.
async fn without_mail(way: Way, office: &PostOffice) -> (Workshop, Outage) {
    let gate = Gate::closed(office.addr()).await;
    gate.open();
    let site = site(Books::migrated().await).await;
    let site = site.with("POST_OFFICE_ADDR", &gate.addr().to_string());
    (open(site).await, Outage::Gate(gate, way))
}

async fn open(site: Site) -> Workshop {
    Workshop::new(site, env!("CARGO_BIN_EXE_sturdy")).await
}

/// Lives through one outage with so many processes, and checks everything that is promised.
async fn live_through(scene: (Workshop, Outage), processes: usize, readiness: Readiness) -> Tally {
    let (shop, outage) = scene;
    for id in 0..BACKLOG {
        send_job(&shop.site.queue, id, id % 50).await;
    }
    let mut hands = Vec::new();
    for _ in 0..processes {
        hands.push(shop.start().await);
    }
    let load = Load::start(&shop.site.queue, BACKLOG, RATE);
    shop.until_effects(IN_FULL_SWING).await;

    let name = outage.name();
    let begun = Instant::now();
    let before: Vec<_> = hands
        .iter()
        .map(|hand| cpu_time(hand.process.id()))
        .collect();
    let away = outage.begin(shop.site.sqs()).await;
    endure(&away, &hands, readiness).await;
    for (hand, before) in hands.iter().zip(before) {
        let used = cpu_time(hand.process.id()) - before;
        let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
        assert!(share < IDLE_SHARE_MAX, "{name}: used {share:.3} of a core");
    }

    let _back = away.end(shop.site.sqs()).await;
    let done = shop.effects().await;
    until_within(RESUME_MAX, &format!("{name} no more"), || async {
        (shop.effects().await > done).then_some(())
    })
    .await;
    for hand in &hands {
        hand.probe.until_ready().await;
    }
    let jobs = load.stop().await;
    until_within(2 * PATIENCE, "everything is done", || async {
        let is_empty = shop.site.queue.counts().await == Counts::NONE;
        (is_empty && shop.effects().await >= jobs).then_some(())
    })
    .await;
    shop.assert_each_done_once(jobs).await;
    Tally {
        processes,
        jobs,
        receives_most: assert_receives(hands, jobs, processes as u64 + 1).await,
    }
}

/// Looks on while something is away: every process lives, and says whether it is ready at the end.
async fn endure(away: &Away, hands: &[Hand], readiness: Readiness) {
    let watch = async {
        let mut seconds = interval(Duration::from_secs(1));
        let (mut visitors, mut seen) = (away.visitors(), Instant::now());
        loop {
            seconds.tick().await;
            for hand in hands {
                hand.probe.assert_live().await;
            }
            if away.visitors() != visitors {
                (visitors, seen) = (away.visitors(), Instant::now());
            }
            let unseen = seen.elapsed();
            assert!(
                visitors.is_none() || unseen <= UNSEEN_MAX,
                "nobody came for {unseen:?}"
            );
        }
    };
    let elapsed = timeout(short_or_long(OUTAGE), watch).await;
    elapsed.expect_err("the watch goes on for ever");
    for hand in hands {
        let answer = hand.probe.get("/readyz").await;
        let answer = answer.expect("/readyz is answered");
        let is_right = match readiness {
            Readiness::Green => answer.status == 200,
            Readiness::Red(check) => answer.status == 503 && answer.body.contains(check),
            Readiness::Either => true,
        };
        assert!(is_right, "{readiness:?}: {answer:?}");
    }
}

/// Ends the processes, checks how often SQS has handed out each message, and returns the most.
async fn assert_receives(hands: Vec<Hand>, jobs: u64, receives_max: u64) -> u64 {
    let mut reports = Vec::new();
    for hand in hands {
        hand.process.signal(Signal::Terminate);
        let ended = hand.process.ended().await.with_code(0);
        reports.extend(Report::find_in(&ended.stderr));
    }
    let receives = Report::receives(&reports);
    assert_eq!(receives.len() as u64, jobs, "each message has its line");
    let most = receives.iter().max_by_key(|(_, receives)| **receives);
    let (message, most) = most.expect("there are messages");
    let story: Vec<_> = reports.iter().filter(|r| r.message == *message).collect();
    assert!(*most <= receives_max, "{most} receives: {story:?}");
    *most
}

/// Says what several outages at the same time came to.
fn tell(what: &str, tallies: &[Tally], begun: Instant) {
    let jobs: u64 = tallies.iter().map(|tally| tally.jobs).sum();
    let processes: usize = tallies.iter().map(|tally| tally.processes).sum();
    let receives_most = tallies.iter().map(|tally| tally.receives_most).max();
    println!(
        "outages: {what} away for {} s in {} ways, {processes} processes, {jobs} jobs: \
         lost 0, doubled 0, dead 0, charged 0, {} receives at most, {} s",
        short_or_long(OUTAGE).as_secs(),
        tallies.len(),
        receives_most.unwrap_or_default(),
        begun.elapsed().as_secs(),
    );
}

/// Promise 7: an outage of SQS costs a message at most one receive more, and nobody dies.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_sqs_costs_nothing() {
    let red = Readiness::Red("queue billing");
    let refusing = site(Books::migrated().await).await;
    let begun = Instant::now();
    let tallies = join!(
        live_through(without_sqs(Way::Refuses).await, 1, red),
        live_through(without_sqs(Way::Silent).await, 1, red),
        live_through(without_sqs(Way::HangsUp).await, 2, red),
        live_through((open(refusing).await, Outage::Refusals), 1, red),
    );
    tell("SQS", &<[Tally; _]>::from(tallies), begun);
}

/// Promise 7: an outage of Postgres charges nobody, and is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_postgres_costs_nothing() {
    let cluster = Cluster::start().await.expect("there is a Postgres");
    let site = site(Books::migrated_on(&cluster.url()).await).await;
    let crash = (open(site).await, Outage::Crash(cluster));
    let red = Readiness::Red("database");
    let begun = Instant::now();
    let tallies = join!(
        live_through(without_postgres(Way::HangsUp).await, 2, red),
        live_through(crash, 1, red),
        async {
            let (mut shop, outage) = without_postgres(Way::Silent).await;
            // Handlers give up while it lasts.
            shop.site = shop.site.with("BILLING_HANDLER_TIMEOUT", "3s");
            live_through((shop, outage), 1, Readiness::Either).await
        },
    );
    tell("Postgres", &<[Tally; _]>::from(tallies), begun);
}

/// Promise 7: an outage of what handlers need stops receiving, and ends by a probe.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_a_service_costs_nothing() {
    let office = PostOffice::open().await;
    let begun = Instant::now();
    let tallies = join!(
        live_through(
            without_mail(Way::Refuses, &office).await,
            1,
            Readiness::Green
        ),
        live_through(
            without_mail(Way::Silent, &office).await,
            1,
            Readiness::Green
        ),
        live_through(
            without_mail(Way::HangsUp, &office).await,
            2,
            Readiness::Green
        ),
    );
    tell("the service", &<[Tally; _]>::from(tallies), begun);
}
