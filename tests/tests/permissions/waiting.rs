//! Servers without a right: they wait, and blame no message.

use fleet_tests::books::{order, placed};
use fleet_tests::mailbox::Counts;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;

use crate::policies::{enforce, enforce_all, fleet_as, key, policy_without};

const REFUSED: &str = "credentials are missing or refused (AccessDenied)";

/// Takes one right from the consumer.
fn take(site: &Site, right: (&str, &str)) {
    enforce(site, [(key("consumer"), policy_without("consumer", right))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_without_a_right_waits_and_charges_nobody() {
    let site = Site::new().await;
    take(&site, ("GetQueueAttributes", "billing"));
    let mut process = Process::start(fleet_as(&site, "consumer", &["run"]));
    let probe = Probe::of(&mut process).await;
    let answer = probe.until_not_ready(REFUSED).await;
    assert!(answer.body.contains("queue billing"), "{}", answer.body);
    probe.assert_live().await;

    take(&site, ("ReceiveMessage", "billing"));
    let order = placed(&order("1", 1));
    site.queue.send(&order, Default::default()).await;
    let answer = probe.until_not_ready("ReceiveMessage failed").await;
    assert!(answer.body.contains(REFUSED), "{}", answer.body);
    probe.assert_live().await;
    let untouched = Counts {
        visible: 1,
        ..Counts::NONE
    };
    assert_eq!(site.queue.counts().await, untouched);

    enforce_all(&site);
    probe.until_ready().await;
    site.books.until_count("billing.invoices", 1).await;
    site.queue.until_holds(0).await;
    assert_eq!(site.books.count("fleet.attempts where charged").await, 0);
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_right_keeps_its_rows() {
    let site = Site::new().await;
    let without = policy_without("relay", ("SendMessage", "billing"));
    enforce(&site, [(key("relay"), without)]);
    let mut process = Process::start(fleet_as(&site, "relay", &["relay"]));
    let probe = Probe::of(&mut process).await;
    site.books.place(&[order("1", 1).to_string()]).await;
    process.says("\"reason\":\"AccessDenied\"").await;
    probe.assert_live().await;
    assert_eq!(
        site.books.count("fleet.outbox where sent_at is null").await,
        1
    );
    enforce_all(&site);
    site.queue.until_holds(1).await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}
