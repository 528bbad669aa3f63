use fleet_tests::mailbox::Mailbox;
use fleet_tests::site::Site;

use crate::graveyard::bury_orders;

async fn refused(site: &Site, arguments: &[&str], why: &str) {
    let arguments = [&["dlq", "replay"], arguments].concat();
    let ended = site.run(&arguments).await.with_code(2);
    assert!(
        ended.stderr.contains(why),
        "{arguments:?}: {}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_would_do_harm_or_nothing_is_refused_in_a_sentence() {
    let site = Site::new().await;
    bury_orders(&site, 0..2).await;
    Mailbox::create(site.sqs(), "ordered.fifo", &[("FifoQueue", "true")]).await;
    Mailbox::create(site.sqs(), "alone", &[]).await;
    let table: [(&[&str], &str); 16] = [
        (&["billing"], "there is no terminal to ask at; say --yes"),
        (
            &["billing", "--yes", "--to", "billing-dlq"],
            "from billing-dlq to billing-dlq",
        ),
        (
            &["billing", "--yes", "--to", "nowhere"],
            "nowhere is no consumer of this program",
        ),
        (
            &["nobody", "--yes"],
            "nobody is no consumer of this program",
        ),
        (
            &["alone", "--yes"],
            "SQS names no queue whose messages die in alone",
        ),
        (
            &["billing", "--yes", "--to", "ordered.fifo"],
            "have no message group",
        ),
        (
            &["billing", "--yes", "--canary", "1"],
            "no process serves billing",
        ),
        (
            &["billing", "--yes", "--to", "alone", "--canary", "1"],
            "the queue of no consumer",
        ),
        (
            &["billing", "--yes", "--resume", "77"],
            "there is no replay 77",
        ),
        (&["billing", "--yes", "--match", "("], "--match"),
        (&["billing", "--rate", "fast"], "is not a rate"),
        (
            &["billing", "--resume", "1", "--type", "x"],
            "cannot be used with",
        ),
        (
            &["billing", "--resume", "1", "--queue", "x"],
            "'--queue <QUEUE>'",
        ),
        (
            &["billing", "--resume", "1", "--build", "x"],
            "'--build <VERSION>'",
        ),
        (&["billing", "--native", "--canary", "1"], "'--canary <N>'"),
        (&["billing", "--native", "--type", "x"], "'--type <TYPE>'"),
    ];
    for (arguments, why) in table {
        refused(&site, arguments, why).await;
    }
    assert_eq!(site.dead_letters.counts().await.visible, 2);
    assert_eq!(site.queue.counts().await.total(), 0);
    assert_eq!(site.books.count("fleet.replays").await, 0);
}

#[tokio::test]
async fn a_queue_that_passes_messages_on_is_refused() {
    let site = Site::new().await;
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:further","maxReceiveCount":3}"#;
    Mailbox::create(site.sqs(), "further", &[]).await;
    site.dead_letters.set("RedrivePolicy", redrive).await;
    refused(&site, &["billing", "--yes"], "has a redrive policy").await;
}

#[tokio::test]
async fn of_several_sources_one_has_to_be_named_and_gets_its_own() {
    let site = Site::new().await;
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:billing-dlq","maxReceiveCount":3}"#;
    let second = [("RedrivePolicy", redrive)];
    let second = Mailbox::create(site.sqs(), "second", &second).await;
    bury_orders(&site, 0..2).await;
    refused(
        &site,
        &["billing", "--yes"],
        "the messages of several queues die in billing-dlq",
    )
    .await;
    // They carry that they come from billing.
    let replay = ["dlq", "replay", "billing", "--yes", "--to"];
    let ended = site
        .run(&[&replay[..], &["second"]].concat())
        .await
        .with_code(0);
    assert!(
        ended.stderr.contains("nothing to replay"),
        "{}",
        ended.stderr
    );
    site.run(&[&replay[..], &["billing"]].concat())
        .await
        .with_code(0);
    assert_eq!(
        (
            second.counts().await.total(),
            site.queue.counts().await.visible
        ),
        (0, 2)
    );
}

#[tokio::test]
async fn a_paused_consumer_cannot_be_asked_by_a_canary() {
    let site = Site::new().await.with("USER", "ann");
    bury_orders(&site, 0..2).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    let pause = ["pause", "billing", "--reason", "prices are wrong"];
    site.run(&pause).await.with_code(0);
    let why = "billing is paused by ann@";
    refused(&site, &["billing", "--yes", "--canary", "1"], why).await;
    crate::graveyard::end(process).await;
}

#[tokio::test]
async fn the_journal_has_to_be_there() {
    let mut site = Site::unmigrated().await;
    refused(&site, &["billing", "--yes"], "run `fleet migrate`").await;
    let ended = site.run(&["dlq", "replays"]).await.with_code(2);
    assert!(
        ended.stderr.contains("run `fleet migrate`"),
        "{}",
        ended.stderr
    );
    let gate = site.gate_database().await;
    for command in [
        &["dlq", "replay", "billing", "--yes"][..],
        &["dlq", "replays"],
    ] {
        let ended = site.run(command).await.with_code(1);
        assert!(
            ended.stderr.contains("the database cannot be asked"),
            "{}",
            ended.stderr
        );
    }
    drop(gate);
    site.env.remove("DATABASE_URL");
    refused(&site, &["billing", "--yes"], "DATABASE_URL: is not set").await;
}
