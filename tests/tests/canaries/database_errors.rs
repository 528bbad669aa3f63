use fleet_tests::patience::until;
use fleet_tests::probe::Probe;

use super::marks::PASSWORD;
use super::parlour::{Parlour, password_of};
use super::slips;

/// Commands that ask the database, of those that say at once what is wrong with it.
const COMMANDS: [&[&str]; 8] = [
    &["migrate"],
    &["doctor"],
    &["config"],
    &["outbox", "stats"],
    &["why", "7"],
    &["pause", "billing", "--reason", "it is down"],
    &["top", "--once"],
    &["dlq", "replay", "billing", "--yes"],
];

/// Runs everything against an address of the database that is no good.
async fn try_address(path: &str, url: impl Fn(&str) -> String) {
    let mut parlour = Parlour::open().await;
    let url = url(parlour.site.books.url());
    for variable in ["DATABASE_URL", "DATABASE_DIRECT_URL"] {
        parlour.set(variable, &url);
    }
    for command in COMMANDS {
        let path = format!("{path}: {}", command.join(" "));
        parlour.run(&path, command).await;
    }
    for serving in ["run", "relay"] {
        let mut process = parlour.start(&[serving]);
        let probe = Probe::of(&mut process).await;
        probe.until_not_ready("schema").await;
        process.says("cannot be looked at yet").await;
        parlour
            .stop(&format!("{path}: {serving}"), process, probe)
            .await;
    }
    parlour.evidence.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_told() {
    try_address("wrong password", |url| {
        url.replace(password_of(url), PASSWORD)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_database_that_is_not_there_is_not_told() {
    try_address("no database", |url| {
        let (server, _) = url.rsplit_once('/').expect("it names a database");
        format!("{server}/nothing")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_server_that_is_not_there_is_not_told() {
    try_address("no server", |_| {
        format!("postgres://user:{PASSWORD}@127.0.0.1:1/nothing")
    })
    .await;
}

/// Transactions are cut off before, in and after their commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_under_work_takes_no_secret_to_the_log() {
    let mut parlour = Parlour::open().await;
    let gate = parlour.site.gate_database().await;
    gate.open();
    let mut process = parlour.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    probe.until_ready().await;
    for path in ["one", "two", "three"] {
        let slip = slips::failing(path, "not", "processed");
        parlour.send(&slip).await;
    }
    until("one is done", || async {
        (parlour.site.books.count("customers").await > 0).then_some(())
    })
    .await;
    gate.close();
    for path in ["four", "five", "six"] {
        let slip = slips::failing(path, "not", "processed");
        parlour.send(&slip).await;
    }
    probe.until_not_ready("database").await;
    parlour.evidence.add_answers("an outage", probe).await;
    gate.open();
    probe.until_ready().await;
    parlour.site.queue.until_holds(0).await;
    parlour.stop("an outage: run", process, probe).await;
    parlour.evidence.assert_clean();
}
