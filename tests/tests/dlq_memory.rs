//! How much memory a look through a large dead-letter queue takes.
#![forbid(unsafe_code)]

use std::fs;

use fleet_tests::mailbox::Mailbox;
use fleet_tests::patience::until;
use fleet_tests::process::{Ended, Process};
use fleet_tests::site::Site;
use serde_json::json;

/// How much a look may take on top of what one at an empty queue takes.
const LOOK_KIB_MAX: u64 = 64 * 1024;

/// How many messages are looked at: a gigabyte in all.
const MESSAGES: u64 = 10_000;

/// The bytes of each body.
const BODY_BYTES: usize = 100 * 1024;

/// Runs `fleet` to its end, and returns the most memory that it was seen to have, in KiB.
async fn watched(site: &Site, arguments: &[&str]) -> (Ended, u64) {
    let process = Process::start(site.command(arguments));
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    let ended = tokio::spawn(process.ended());
    until("the look has ended", || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        let is_over = ended.is_finished();
        async move { is_over.then_some(()) }
    })
    .await;
    (ended.await.expect("waiting does not panic"), peak)
}

async fn fill(queue: &Mailbox) {
    let padding = "x".repeat(BODY_BYTES);
    for id in 0..MESSAGES {
        let body = json!({
            "specversion": "1.0", "id": id.to_string(), "source": "/large", "type": "large",
            "data": padding,
        });
        queue.send(&body.to_string(), Default::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_large_messages_are_looked_at_in_little_memory() {
    let mut site = Site::new().await;
    site.env.remove("DATABASE_URL");
    let (empty, idle) = watched(&site, &["dlq", "ls", "billing"]).await;
    empty.with_code(0);
    fill(&site.dead_letters).await;
    for command in ["ls", "group"] {
        let (ended, peak) = watched(&site, &["dlq", command, "billing", "--json"]).await;
        let ended = ended.with_code(0);
        let said = "looked at 10000 of about 10000 in billing-dlq";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(
            peak <= idle + LOOK_KIB_MAX,
            "{command}: {peak} KiB at the peak, {idle} KiB for an empty queue"
        );
        assert_eq!(site.dead_letters.counts().await.visible, MESSAGES);
    }
}
