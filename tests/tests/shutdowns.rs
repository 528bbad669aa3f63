//! Twenty deploys in the middle of work: what SIGTERM costs.
#![forbid(unsafe_code)]

use std::time::Duration;

use fleet_tests::load::{Load, send_job};
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::until;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;
use fleet_tests::workshop::{Hand, Report, Workshop};
use futures_util::future::join_all;
use tokio::time::Instant;

/// Workshops that are shut down side by side, and how often each.
const WORKSHOPS: u64 = 10;
const SHUTDOWNS: u64 = 2;

/// Hardly more than a long poll of one second needs.
const GRACE: Duration = Duration::from_secs(10);

/// How long a process may take after its grace.
const TAIL_MAX: Duration = Duration::from_secs(5);

/// The longest a job takes: many outlast the grace.
const WORK_MS_MAX: u64 = 20_000;

/// Long jobs that wait in each workshop: more than it can do in the whole test.
const BACKLOG: u64 = 200;

/// Messages that a process works on at once.
const CONCURRENCY: u64 = 16;

/// Opens a workshop with long jobs; their lengths are spread over the whole range.
async fn open(number: u64) -> Workshop {
    let grace = format!("{}s", GRACE.as_secs());
    let site = Site::new().await.with("SHUTDOWN_GRACE", &grace);
    for id in 0..BACKLOG {
        let scattered = (number * BACKLOG + id) * 7_919 % WORK_MS_MAX;
        send_job(&site.queue, id, scattered).await;
    }
    Workshop::new(site, env!("CARGO_BIN_EXE_sturdy")).await
}

/// Shuts a workshop down in the middle of work, time and again.
async fn shut_down_often(number: u64) {
    let shop = open(number).await;
    let mut jobs = BACKLOG;
    let mut reports = Vec::new();
    for shutdown in 0..SHUTDOWNS {
        let hand = shop.start().await;
        // Short jobs among the long ones, so that something ends at any moment.
        let load = Load::start(&shop.site.queue, jobs, 1);
        until_busy(&shop, number + shutdown).await;
        reports.extend(shut_down(hand).await);
        let counts = shop.site.queue.counts().await;
        jobs = load.stop().await;
        assert_eq!((counts.in_flight, counts.delayed), (0, 0), "{counts:?}");
        let left = Counts {
            visible: jobs - shop.effects().await,
            ..Counts::NONE
        };
        assert_eq!(shop.site.queue.counts().await, left);
    }
    shop.assert_each_done_once(shop.effects().await).await;
    assert_honest(&shop, &reports).await;
}

/// Waits until every permit is taken and some more work has been done.
async fn until_busy(shop: &Workshop, more: u64) {
    shop.until_effects(shop.effects().await + more).await;
    until("all permits are taken", || async {
        (shop.site.queue.counts().await.in_flight >= CONCURRENCY).then_some(())
    })
    .await;
}

/// Shuts a process down, and returns what it has reported.
async fn shut_down(hand: Hand) -> Vec<Report> {
    let asked = Instant::now();
    hand.process.signal(Signal::Terminate);
    let ended = hand.process.ended().await.with_code(0);
    let took = asked.elapsed();
    assert!(took <= GRACE + TAIL_MAX, "took {took:?}\n{}", ended.stderr);
    Report::find_in(&ended.stderr)
}

/// Checks that nothing finished came back, and that whatever was interrupted is on record, uncharged.
async fn assert_honest(shop: &Workshop, reports: &[Report]) {
    let with = |outcome: &'static str| reports.iter().filter(move |r| r.outcome == outcome);
    assert_eq!(with("duplicate").collect::<Vec<_>>(), Vec::<&Report>::new());
    assert_eq!(with("processed").count() as u64, shop.effects().await);
    let interrupted: Vec<_> = with("interrupted").collect();
    assert!(!interrupted.is_empty(), "every job was short");
    for report in interrupted {
        assert_eq!(report.settlement, "released");
        let row = format!(
            "fleet.attempts where message_id = '{}' and receive = {} \
             and outcome = 'released' and not charged",
            report.message, report.receives
        );
        assert_eq!(shop.site.books.count(&row).await, 1, "{report:?}");
    }
}

/// Promise 8: a shutdown ends in time with 0, leaves nothing in flight and undoes nothing; and
/// promise 2: it charges nobody.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_shutdowns_under_load_leave_nothing_in_flight_and_charge_nobody() {
    join_all((0..WORKSHOPS).map(shut_down_often)).await;
}
