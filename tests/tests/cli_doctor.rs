//! `doctor` with real parts: what is well, what is wrong, and that the remedy it names is one.
#![forbid(unsafe_code)]

use std::process::Stdio;

use fleet::testing::cluster::{Cluster, Durability};
use fleet_tests::books::Books;
use fleet_tests::mailbox::Mailbox;
use fleet_tests::process::{Ended, Signal};
use fleet_tests::site::Site;
use serde_json::Value;
use sqs_local::ReceiveMessage;

/// The servers of tests write nothing to the disk, which is a finding.
const THROWAWAY: [&str; 4] = ["--accept", "fsync-off", "--accept", "full-page-writes-off"];

/// What a healthy site is told of.
const INFOS: [&str; 2] = ["queue-polls-short", "redrive-allow-policy-open"];

async fn doctor(site: &Site, arguments: &[&str]) -> Ended {
    let arguments = [&["doctor"], &THROWAWAY[..], arguments].concat();
    site.run(&arguments).await
}

/// The findings that are not accepted.
async fn findings(site: &Site) -> Vec<Value> {
    let ended = doctor(site, &["--json"]).await;
    let mut findings = ended.json()["findings"].take();
    let findings = findings.as_array_mut().expect("it is a list");
    findings.retain(|finding| finding["accepted"] == false);
    let counts = |finding: &Value| finding["severity"] != "info";
    let code = i32::from(findings.iter().any(counts));
    ended.with_code(code);
    std::mem::take(findings)
}

/// The codes of the findings that a healthy site does not have, in order.
async fn codes(site: &Site) -> Vec<String> {
    let codes = findings(site).await;
    let codes = codes.iter().map(|finding| finding["code"].as_str());
    let mut codes: Vec<_> = codes.flatten().map(str::to_owned).collect();
    codes.retain(|code| !INFOS.contains(&code.as_str()));
    codes.sort();
    codes
}

async fn database_of(site: &Site) -> String {
    let rows = site.books.rows("select current_database() as name").await;
    rows[0]["name"].as_str().expect("it is text").to_owned()
}

/// Does what `aws sqs set-queue-attributes` would do.
async fn type_in(mailbox: &Mailbox, line: &str) {
    assert!(line.starts_with("aws sqs set-queue-attributes "), "{line}");
    let (_, attributes) = line.split_once(" --attributes ").expect("it names some");
    match attributes.strip_prefix('\'') {
        Some(json) => {
            let json: Value = serde_json::from_str(json.trim_end_matches('\'')).expect("JSON");
            for (name, value) in json.as_object().expect("an object") {
                let value = value.as_str().expect("attributes are text");
                mailbox.set(name, value).await;
            }
        }
        None => {
            let (name, value) = attributes.split_once('=').expect("a name and a value");
            mailbox.set(name, value).await;
        }
    }
}

#[tokio::test]
async fn a_healthy_site_passes() {
    let cluster = Cluster::start_with(Durability::Durable).await;
    let cluster = cluster.expect("a cluster can be started");
    let site = Site::at(Books::migrated_on(&cluster.url()).await).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    let ended = site.run(&["doctor", "--json"]).await.with_code(0);
    let report = ended.json();
    let found = report["findings"].as_array().expect("it is a list");
    let found: Vec<_> = found.iter().map(|finding| &finding["code"]).collect();
    assert_eq!(found, INFOS, "{report:#}");
    assert_eq!(report["infos"], 2);
    let passed = report["passed"].as_array().expect("it is a list").len();
    assert!(passed > 30, "{report:#}");
    assert_eq!(ended.stderr, format!("2 infos, {passed} checks are well"));

    let ended = site.run(&["doctor", "billing", "--verbose"]).await;
    let ended = ended.with_code(0);
    let well = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("well: "));
    assert_eq!(well.count(), passed, "{}", ended.stdout);
    for line in [
        "well: visibility-too-short: queue billing",
        "well: sqs-clock-differs: this machine",
        "well: subscriptions-differ: consumer billing",
        "well: pooler-without-direct-url: DATABASE_DIRECT_URL",
    ] {
        assert!(
            ended.stdout.lines().any(|said| said == line),
            "{line}\n{}",
            ended.stdout
        );
    }
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn each_attribute_of_a_queue_that_does_not_fit_is_found_and_its_remedy_cures_it() {
    let site = Site::new().await.with("BILLING_HANDLER_TIMEOUT", "10s");
    assert_eq!(codes(&site).await, [""; 0]);
    let redrive = |receives: u32| {
        let arn = "arn:aws:sqs:us-east-1:000000000000:billing-dlq";
        format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{receives}}}"#)
    };
    let queue =
        async |name, value: &str, code| break_and_cure(&site, &site.queue, name, value, code).await;
    queue("VisibilityTimeout", "11", "visibility-too-short").await;
    queue("RedrivePolicy", &redrive(2), "max-receives-below-three").await;
    queue("RedrivePolicy", &redrive(64), "max-receives-below-grace").await;
    queue("SqsManagedSseEnabled", "false", "encryption-off").await;
    site.queue.set("KmsMasterKeyId", "alias/orders").await;
    queue("KmsDataKeyReusePeriodSeconds", "60", "kms-key-reuse-short").await;

    let further = redrive(100).replace("billing-dlq", "billing");
    let others = r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:mail"]}"#;
    let dead = async |name, value: &str, code| {
        break_and_cure(&site, &site.dead_letters, name, value, code).await
    };
    dead("SqsManagedSseEnabled", "false", "encryption-off").await;
    dead(
        "MessageRetentionPeriod",
        "345599",
        "dead-letter-retention-below-source",
    )
    .await;
    dead(
        "MessageRetentionPeriod",
        "345600",
        "dead-letter-retention-short",
    )
    .await;
    dead("RedrivePolicy", &further, "dead-letter-queue-redrives").await;
    dead(
        "RedriveAllowPolicy",
        others,
        "redrive-allow-policy-excludes",
    )
    .await;
}

/// Sets an attribute, looks for what it breaks, and types what is said against it.
async fn break_and_cure(site: &Site, mailbox: &Mailbox, name: &str, value: &str, code: &str) {
    mailbox.set(name, value).await;
    let findings = findings(site).await;
    let found = findings.iter().find(|finding| finding["code"] == code);
    let found = found.unwrap_or_else(|| panic!("{name}={value}: {findings:#?}"));
    let fix = found["fix"][0].as_str().expect("there is a remedy");
    let (_, queue) = mailbox.url().rsplit_once('/').expect("it has a name");
    assert!(fix.contains(&format!("/{queue} ")), "{fix}");
    type_in(mailbox, fix).await;
    assert_eq!(codes(site).await, [""; 0], "{name}={value}: {fix}");
}

#[tokio::test]
async fn a_queue_without_a_redrive_policy_and_one_that_is_not_there_are_found() {
    let site = Site::new().await;
    site.queue.set("RedrivePolicy", "").await;
    let found = findings(&site).await;
    let missing = found
        .iter()
        .find(|one| one["code"] == "redrive-policy-missing");
    let fix = &missing.expect("it is found")["fix"];
    let create = fix[0].as_str().expect("there is a remedy");
    assert!(
        create.starts_with("aws sqs create-queue --queue-name billing-dlq "),
        "{create}"
    );
    type_in(
        &site.queue,
        fix[1].as_str().expect("there is a second step"),
    )
    .await;
    assert_eq!(codes(&site).await, [""; 0]);

    site.delete("billing-dlq").await;
    assert_eq!(codes(&site).await, ["dead-letter-queue-missing"]);
    site.delete("billing").await;
    assert_eq!(codes(&site).await, ["queue-missing"]);
}

#[tokio::test]
async fn a_mistake_in_the_environment_does_not_hide_what_it_does_not_concern() {
    let site = Site::new().await;
    site.queue.set("SqsManagedSseEnabled", "false").await;
    let site = site
        .with("LOG_LEVEL", "loud")
        .with("DATABASE_POOL_SIZE", "0");
    let expected = [
        "configuration-invalid",
        "configuration-invalid",
        "encryption-off",
    ];
    assert_eq!(codes(&site).await, expected);
    let site = site.with("BILLING_CONCURRENCY", "many");
    assert_eq!(codes(&site).await, ["configuration-invalid"; 3]);
}

#[tokio::test]
async fn endpoints_and_credentials_that_do_not_work_are_found() {
    let site = Site::new().await.with("AWS_EC2_METADATA_DISABLED", "true");
    let mut anonymous = site;
    anonymous.env.remove("AWS_ACCESS_KEY_ID");
    anonymous.env.remove("AWS_SECRET_ACCESS_KEY");
    assert_eq!(codes(&anonymous).await, ["credentials-missing"]);

    // Port 1 is nobody's.
    let site = Site::new()
        .await
        .with("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1");
    let expected = ["endpoint-unreachable", "queue-url-elsewhere"];
    assert_eq!(codes(&site).await, expected);
    let aws = "https://sqs.eu-central-1.amazonaws.com/123456789012/billing";
    let site = site.with("BILLING_QUEUE_URL", aws);
    let expected = [
        "endpoint-unreachable",
        "queue-region-differs",
        "queue-url-elsewhere",
    ];
    assert_eq!(codes(&site).await, expected);

    let site = site.with("AWS_ENDPOINT_URL_SQS", "https://127.0.0.2.invalid:9");
    let expected = ["endpoint-foreign", "endpoint-unreachable"];
    assert_eq!(codes(&site).await[..2], expected);

    // A variable in the clear is a problem of the configuration, and a profile is found here.
    let site = site.with("AWS_ENDPOINT_URL_SQS", "http://127.0.0.2.invalid:9");
    assert!(
        codes(&site)
            .await
            .contains(&"configuration-invalid".to_owned())
    );
    let mut site = site;
    site.env.remove("AWS_ENDPOINT_URL_SQS");
    let profile = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(
        &profile,
        "[default]\nendpoint_url = http://127.0.0.2.invalid:9\n",
    )
    .expect("the file is writable");
    let profile = profile.path().to_str().expect("it is text");
    let site = site.with("AWS_CONFIG_FILE", profile);
    let codes = codes(&site).await;
    for expected in ["endpoint-plaintext", "queue-unchecked"] {
        assert!(codes.contains(&expected.to_owned()), "{codes:?}");
    }
    let ended = site.run(&["run"]).await.with_code(2);
    let why = "leads to 127.0.0.2.invalid in the clear";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}

#[tokio::test]
async fn a_database_that_loses_commits_or_takes_none_is_found() {
    let site = Site::new().await;
    let database = database_of(&site).await;
    for (setting, code) in [
        ("synchronous_commit = off", "synchronous-commit-off"),
        ("default_transaction_read_only = on", "database-read-only"),
    ] {
        let set = format!("alter database \"{database}\" set {setting}");
        site.books.run(&set).await;
        let found = findings(&site).await;
        let codes: Vec<_> = found.iter().map(|one| one["code"].as_str()).collect();
        assert!(codes.contains(&Some(code)), "{found:#?}");
        let name = setting.split(' ').next().expect("it has a name");
        let reset = format!("alter database \"{database}\" reset {name}");
        site.books.run(&reset).await;
    }
    assert_eq!(codes(&site).await, [""; 0]);
}

#[tokio::test]
async fn a_schema_that_is_not_the_programs_is_found() {
    let site = Site::new().await;
    for (change, code, undo) in [
        (
            "insert into fleet.migrations (owner, number, name, checksum) values ('fleet', 999, 'x', 'x')",
            "database-newer",
            "delete from fleet.migrations where number = 999",
        ),
        (
            "update fleet.migrations set checksum = 'x' || checksum where number = 1",
            "migration-changed",
            "update fleet.migrations set checksum = substr(checksum, 2) where number = 1",
        ),
        (
            "delete from fleet.subscriptions where event_type = 'order.placed'",
            "subscriptions-differ",
            "insert into fleet.subscriptions values ('order.placed', 'billing')",
        ),
        (
            "alter table fleet.pauses rename to pauses_no_more",
            "roster-unchecked",
            "alter table fleet.pauses_no_more rename to pauses",
        ),
    ] {
        site.books.run(change).await;
        assert_eq!(codes(&site).await, [code], "{change}");
        site.books.run(undo).await;
    }
    assert_eq!(codes(&site).await, [""; 0]);

    let unmigrated = Site::unmigrated().await;
    let found = findings(&unmigrated).await;
    let missing = found.iter().find(|one| one["code"] == "migrations-missing");
    assert_eq!(missing.expect("it is found")["fix"][0], "fleet migrate");
    assert_eq!(codes(&unmigrated).await, ["migrations-missing"]);
}

#[tokio::test]
async fn a_role_that_may_not_read_is_told_what_to_grant() {
    let site = Site::new().await;
    let role = format!("doctor of {}", database_of(&site).await);
    let create = format!("create role \"{role}\" login password 'hunter2'");
    site.books.run(&create).await;
    let (_, host) = site.books.url().rsplit_once('@').expect("it has a login");
    let url = format!("postgres://{}:hunter2@{host}", role.replace(' ', "%20"));
    let site = site.with("DATABASE_URL", &url);
    let found = findings(&site).await;
    assert_eq!(
        codes(&site).await,
        ["migrations-unchecked", "roster-unchecked"]
    );
    let unread = found.iter().find(|one| one["code"] == "roster-unchecked");
    for line in unread.expect("it is found")["fix"]
        .as_array()
        .expect("it is a list")
    {
        let (_, grant) = line
            .as_str()
            .and_then(|line| line.split_once(" -c '"))
            .expect("a grant");
        site.books.run(grant.trim_end_matches('\'')).await;
    }
    assert_eq!(codes(&site).await, [""; 0]);
    site.books.run(&format!("drop owned by \"{role}\"")).await;
    site.books.run(&format!("drop role \"{role}\"")).await;
}

#[tokio::test]
async fn what_the_tables_say_of_the_fleet_is_judged() {
    let site = Site::new().await;
    let pause = "insert into fleet.pauses (consumer, reason, paused_by, paused_at)
        values ('billing', 'prices are wrong', 'ann@shop', now() - interval '25 hours')";
    site.books.run(pause).await;
    assert_eq!(codes(&site).await, ["consumer-paused-long"]);
    site.books.run("delete from fleet.pauses").await;

    // Each process wants 5 connections.
    let database = database_of(&site).await;
    let limit = format!("alter database \"{database}\" connection limit 40");
    site.books.run(&limit).await;
    let run = |count: u32, p99_ms: u32| {
        format!(
            "insert into fleet.processes
            select n::text, 'shop', n, 'run', '1', 'x', now(), now() + interval '1 minute',
                jsonb_build_array(jsonb_build_object('name', 'billing', 'p99_ms', {p99_ms}))
            from generate_series(1, {count}) as n"
        )
    };
    for (count, p99_ms, expected) in [
        (6, 900, &[][..]),
        (7, 900, &["pools-leave-no-room"]),
        (9, 900, &["pools-exceed-connections"]),
        (1, 60_000, &["visibility-below-p99"]),
    ] {
        site.books.run(&run(count, p99_ms)).await;
        assert_eq!(codes(&site).await, expected, "{count} {p99_ms}");
        site.books.run("delete from fleet.processes").await;
    }
}

#[tokio::test]
async fn dead_letters_that_sqs_is_about_to_delete_are_found() {
    let mut site = Site::new().await;
    site.dead_letters.send("dead", Default::default()).await;
    assert_eq!(codes(&site).await, ["dead-letters-unrecorded"]);
    let record = "insert into fleet.dead_letters
        select 'copy-' || days, 'billing-dlq', 'billing', 's', days::text, 'order.placed', 'm',
            'permanent', 'why', null, 1, 1, now(), now() - make_interval(days => days), '{}'
        from unnest(array[1, 12, 20]) as days";
    site.books.run(record).await;
    let found = findings(&site).await;
    let near = found
        .iter()
        .find(|one| one["code"] == "dead-letters-near-expiry");
    let what = near.expect("it is found")["what"].as_str();
    let what = what.expect("it is text").to_owned();
    let said = "2 dead letters are on record, and SQS deletes the oldest in 47 h";
    assert_eq!(what, said, "the third is gone already");
    // Whatever was done since needs no looking after.
    let done = "insert into fleet.inbox (consumer, source, id) values ('billing', 's', '12')";
    site.books.run(done).await;
    assert_eq!(codes(&site).await, [""; 0]);

    let _gate = site.gate_database().await;
    assert_eq!(
        codes(&site).await,
        ["database-unchecked", "dead-letters-unchecked"]
    );
}

#[tokio::test]
async fn a_transaction_pooler_is_seen_and_wants_a_way_past_it() {
    let mut site = Site::new().await;
    let direct = site.books.url().to_owned();
    let _pooler = site.pool_database().await;
    assert_eq!(codes(&site).await, ["pooler-without-direct-url"]);
    let pooled = site.env["DATABASE_URL"].clone();
    let site = site.with("DATABASE_DIRECT_URL", &pooled);
    assert_eq!(codes(&site).await, ["direct-url-pooled"]);
    let site = site.with("DATABASE_DIRECT_URL", &direct);
    assert_eq!(codes(&site).await, [""; 0]);
}

#[tokio::test]
async fn a_database_that_is_down_is_a_finding_without_its_password() {
    let mut site = Site::new().await;
    let _gate = site.gate_database().await;
    let url = site.env["DATABASE_URL"].clone();
    let (_, rest) = url.split_once("://").expect("it is a URL");
    let (login, _) = rest.split_once('@').expect("it has a login");
    let (_, password) = login.split_once(':').expect("it has a password");
    for arguments in [&["--verbose"][..], &["--json"]] {
        let ended = doctor(&site, arguments).await.with_code(1);
        assert!(
            ended.stdout.contains("database-unchecked"),
            "{}",
            ended.stdout
        );
        assert!(
            ended.stderr.contains("1 could not be checked"),
            "{}",
            ended.stderr
        );
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!said.contains(password), "{said}");
        }
    }
    for wrong in [format!("mysql://{rest}"), format!("{url}?sslmode=require")] {
        let site = Site::new().await.with("DATABASE_URL", &wrong);
        let ended = doctor(&site, &["--json"]).await.with_code(1);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(password), "{said}");
    }
}

#[tokio::test]
async fn a_finding_says_what_why_and_what_to_type() {
    let site = Site::new().await;
    let ended = doctor(&site, &["--accept", "queue-polls-short"])
        .await
        .with_code(0);
    let first = ended
        .stdout
        .split("\n\n")
        .next()
        .expect("there is a finding");
    let first = first.replace(&site.endpoint(), "http://sqs");
    assert_eq!(
        first,
        "info: redrive-allow-policy-open: dead-letter queue billing-dlq\n  \
         what  its redrive-allow policy admits every queue\n  \
         why   Any queue of the account can send its dead messages here, where this consumer's \
         operators would replay them (SQS API reference, SetQueueAttributes: RedriveAllowPolicy).\n  \
         fix   aws sqs set-queue-attributes --queue-url http://sqs/000000000000/billing-dlq \
         --attributes '{\"RedriveAllowPolicy\":\"{\\\"redrivePermission\\\":\\\"byQueue\\\",\
         \\\"sourceQueueArns\\\":[\\\"arn:aws:sqs:us-east-1:000000000000:billing\\\"]}\"}'"
    );
    assert!(
        ended
            .stdout
            .contains("warning, accepted: full-page-writes-off"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.starts_with("1 info, 3 accepted, "),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    let site = Site::new().await;
    for (arguments, why) in [
        (&["doctor", "nobody"][..], "there is no consumer nobody"),
        (
            &["doctor", "--accept", "everything"],
            "docs/doctor.md lists them",
        ),
    ] {
        let ended = site.run(arguments).await.with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    let help = site.run(&["doctor", "--help"]).await.with_code(0).stdout;
    for said in [
        "Exit code 1",
        "--accept <CODE>",
        "fleet doctor billing --verbose",
    ] {
        assert!(help.contains(said), "{help}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_early_changes_nothing() {
    let site = Site::new().await;
    let arguments = [&["doctor", "--verbose"], &THROWAWAY[..]].concat();
    let mut command = site.command(&arguments);
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped());
    let child = command.spawn().expect("it can be run");
    let output = child.wait_with_output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn nothing_is_changed_and_no_message_received() {
    let site = Site::new().await;
    site.queue.send("one", Default::default()).await;
    site.dead_letters.send("two", Default::default()).await;
    let ended = doctor(&site, &["--json"]).await.with_code(0);
    assert!(
        ended.stdout.contains("dead-letters-unrecorded"),
        "{}",
        ended.stdout
    );
    for mailbox in [&site.queue, &site.dead_letters] {
        let receive = ReceiveMessage {
            queue_url: mailbox.url().to_owned(),
            wait_time_seconds: Some(0),
            message_system_attribute_names: vec!["All".to_owned()],
            ..ReceiveMessage::default()
        };
        let received = site.sqs().call(receive).await.expect("the queue is there");
        let message = serde_json::to_value(&received.messages[0]).expect("it is JSON");
        let count = &message["Attributes"]["ApproximateReceiveCount"];
        assert_eq!(count, "1", "only this test has received it: {message}");
    }
}
