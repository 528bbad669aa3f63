//! Who a database's server has to be before it hears anything.
#![forbid(unsafe_code)]

use std::error::Error as _;
use std::time::Duration;

use fleet::store::{
    MigrateOptions, Migrations, Outbox as _, PostgresOptions, PostgresStore, Store as _,
    StoreError, StoreErrorClass, migrate, plan,
};
use fleet_tests::authority::{Authority, Identity, Validity};
use fleet_tests::books::{order, placed};
use fleet_tests::patience::PATIENCE;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::remote::{HOST, Remote};
use fleet_tests::site::{Site, fleet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

fn store(url: &str) -> PostgresStore {
    let options = PostgresOptions {
        direct_url: Some(url.to_owned()),
        answer_max: Duration::from_millis(500),
        ..PostgresOptions::default()
    };
    PostgresStore::connect(url, options).expect("the address is legal")
}

fn trusting(remote: &Remote, authority: &Authority, parameters: &str) -> String {
    let roots = authority.file();
    remote.url(&format!("&sslrootcert={}{parameters}", roots.display()))
}

async fn refusal(url: &str) -> StoreError {
    let refused = store(url).probe().await;
    refused.expect_err("the server is not who it should be")
}

#[tokio::test]
async fn a_server_that_proves_who_it_is_is_used_by_every_kind_of_connection() {
    let (remote, authority) = (Remote::start().await, Authority::new());
    remote.show(&authority.sign(HOST, Validity::Now)).await;
    // The login is bound to the certificate, or it would be refused.
    let url = trusting(&remote, &authority, "&channel_binding=require");

    let applied = migrate(
        &url,
        &MigrateOptions::default(),
        &[Migrations::RUNTIME],
        &[],
    )
    .await;
    assert_ne!(applied.expect("it is encrypted"), []);
    let lacking = plan(&url, &MigrateOptions::default(), &[Migrations::RUNTIME]).await;
    assert_eq!(lacking.expect("it is encrypted"), []);

    let store = store(&url);
    let is_encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let rows = store.query(is_encrypted, &[]).await.expect("it answers");
    assert!(rows[0].get::<_, bool>(0));

    // Cancelling takes a connection of its own: the server gave the statement up by itself.
    let cancelled = timeout(PATIENCE, store.query("select pg_sleep(3600)", &[])).await;
    let cancelled = cancelled.expect("in time").expect_err("cancelled");
    assert_eq!(cancelled.sqlstate.as_deref(), Some("57014"));

    // So does listening.
    let stop = CancellationToken::new();
    let writes = store.writes();
    let listening = store.listen(stop.clone());
    let heard = async {
        let mut writes = writes;
        timeout(PATIENCE, writes.changed())
            .await
            .expect("in time")
            .expect("it listens");
        stop.cancel();
    };
    tokio::join!(listening, heard);
}

#[tokio::test]
async fn a_server_that_does_not_prove_who_it_is_is_not_used() {
    let (remote, authority, stranger) = (Remote::start().await, Authority::new(), Authority::new());
    let url = trusting(&remote, &authority, "");
    let in_the_clear = refusal(&url).await;
    assert!(
        in_the_clear
            .finding()
            .ends_with("server does not support TLS"),
        "{in_the_clear:?}"
    );
    for (identity, why) in [
        (
            Identity::of_its_own(HOST),
            "not signed by an authority that is trusted here",
        ),
        (
            stranger.sign(HOST, Validity::Now),
            "not signed by an authority that is trusted here",
        ),
        (
            authority.sign("other.internal", Validity::Now),
            "is not for db.internal",
        ),
        (authority.sign(HOST, Validity::Over), "has expired"),
        (authority.sign(HOST, Validity::Ahead), "is not valid yet"),
    ] {
        remote.show(&identity).await;
        let refused = refusal(&url).await;
        assert_eq!(
            refused.class,
            StoreErrorClass::Unavailable,
            "no message is charged"
        );
        assert!(
            refused.finding().contains(why),
            "{} instead of {why}",
            refused.finding()
        );
        assert!(refused.source().is_some());
    }
    // A certificate can be its own root, for its host alone.
    let own = Identity::of_its_own(HOST);
    let file = authority.path().join("own.pem");
    std::fs::write(&file, &own.certificate).expect("the directory is writable");
    remote.show(&own).await;
    store(&remote.url(&format!("&sslrootcert={}", file.display())))
        .probe()
        .await
        .expect("it is the one that is trusted");
    let roots = std::fs::read_to_string(authority.file()).expect("it was written");
    remote.show(&authority.posing_as_server()).await;
    assert_eq!(roots, authority.posing_as_server().certificate);
    let refused = refusal(&url).await;
    assert!(
        refused.finding().contains("is that of an authority"),
        "{}",
        refused.finding()
    );
    // Without a file the roots of the system count, and they do not know it.
    assert!(
        refusal(&remote.url(""))
            .await
            .finding()
            .contains("authority")
    );
}

#[tokio::test]
async fn on_this_machine_tls_is_there_for_the_asking() {
    let (remote, authority) = (Remote::start().await, Authority::new());
    let roots = authority.file();
    let local = remote.local_url().replace("127.0.0.1", "localhost");
    let url = format!(
        "{local}?sslmode=verify-full&sslrootcert={}",
        roots.display()
    );
    assert!(
        refusal(&url).await.finding().contains("TLS"),
        "asked for is insisted on"
    );
    remote.show(&authority.sign(HOST, Validity::Now)).await;
    assert!(refusal(&url).await.finding().contains("not for localhost"));
    remote
        .show(&authority.sign("localhost", Validity::Now))
        .await;
    store(&url).probe().await.expect("it is who it should be");
    store(&remote.local_url())
        .probe()
        .await
        .expect("in the clear, as before");
}

#[tokio::test]
async fn a_server_that_is_not_verified_hears_no_name_and_no_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let url = format!("postgres://fleet:hunter2@{HOST}:{port}/shop?hostaddr=127.0.0.1");
    for answer in [&b"N"[..], b"E", b"", b"SN", b"S\x16\x03\x03\x00\x02hi"] {
        let serve = async {
            let (mut client, _) = listener.accept().await.expect("a client comes");
            let mut request = [0; 8];
            client
                .read_exact(&mut request)
                .await
                .expect("it asks for TLS");
            client.write_all(answer).await.expect("it listens");
            if answer.is_empty() {
                client.shutdown().await.expect("it is open");
            }
            let mut rest = Vec::new();
            // A reset is an end as well.
            let _ = client.read_to_end(&mut rest).await;
            (request, rest)
        };
        let unverified = store(&url);
        let (refused, (request, rest)) = tokio::join!(unverified.probe(), serve);
        refused.expect_err("it is not verified");
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "an SSLRequest");
        let heard = String::from_utf8_lossy(&rest);
        for secret in ["hunter2", "user", "shop"] {
            assert!(!heard.contains(secret), "{answer:?}: {heard:?}");
        }
        // After yes it says hello in TLS; after everything else it says nothing at all.
        assert_eq!(
            rest.first(),
            answer.starts_with(b"S").then_some(&0x16),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_worker_waits_for_a_server_with_the_right_certificate_and_charges_nothing() {
    let (remote, authority) = (Remote::start().await, Authority::new());
    let url = trusting(&remote, &authority, "");
    let site = Site::unmigrated().await;
    let site = site.with("DATABASE_URL", &remote.local_url());
    site.run(&["migrate"]).await.with_code(0);
    remote
        .show(&authority.sign("other.internal", Validity::Now))
        .await;
    let site = site.with("DATABASE_URL", &url);
    site.queue
        .send(&placed(&order("7", 1)), Default::default())
        .await;

    let mut process = site.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    let answer = probe
        .until_not_ready("the server's certificate is not for db.internal")
        .await;
    assert!(!answer.body.contains(&remote.password()), "{}", answer.body);
    probe.assert_live().await;
    remote.show(&authority.sign(HOST, Validity::Now)).await;
    probe.until_ready().await;
    site.queue.until_holds(0).await;
    process.signal(Signal::Terminate);
    let ended = process.ended().await.with_code(0);
    assert!(
        !ended.stderr.contains(&remote.password()),
        "{}",
        ended.stderr
    );

    let doctor = site.run(&["doctor", "--json"]).await.json();
    let found = doctor["findings"].as_array().expect("a list").iter();
    let of_the_address = found.filter(|one| one["subject"] == "database");
    assert_eq!(of_the_address.count(), 0, "{doctor:#}");
    let attempts = store(&url)
        .query("select from fleet.attempts where charged", &[])
        .await;
    assert_eq!(attempts.expect("it answers").len(), 0);
}

async fn refused(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = fleet(arguments);
    command.env("AWS_REGION", "eu-central-1");
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/billing";
    command.env("BILLING_QUEUE_URL", queue);
    command.envs(env.iter().copied());
    Process::start(command).ended().await.with_code(2)
}

#[tokio::test]
async fn an_address_that_asks_for_less_is_refused_by_name_before_anything_else() {
    for variable in ["DATABASE_URL", "DATABASE_DIRECT_URL"] {
        let weak = format!("postgres://fleet:hunter2@{HOST}/shop?sslmode=require");
        let strong = format!("postgres://fleet:hunter2@{HOST}/shop");
        let env = [("DATABASE_URL", strong.as_str()), (variable, weak.as_str())];
        for arguments in [
            &["run"][..],
            &["relay"],
            &["config"],
            &["migrate"],
            &["outbox", "ls"],
        ] {
            let said = refused(arguments, &env).await.stderr;
            for part in [
                &format!("{variable}: "),
                "sslmode=require",
                "sslmode=verify-full",
            ] {
                assert!(said.contains(part), "{arguments:?}: {said}");
            }
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_names_no_authority_is_refused_by_name() {
    let authority = Authority::new();
    let (empty, text) = (
        authority.path().join("empty"),
        authority.path().join("text"),
    );
    std::fs::write(&empty, "").expect("the directory is writable");
    let begins = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    std::fs::write(&text, begins).expect("the directory is writable");
    let missing = authority.path().join("missing");
    for file in [missing, empty, text] {
        let file = file.to_str().expect("it is text");
        let url = format!("postgres://fleet:hunter2@{HOST}/shop");
        let said = refused(
            &["run"],
            &[("DATABASE_URL", &url), ("DATABASE_CA_FILE", file)],
        )
        .await;
        assert!(
            said.stderr.contains("DATABASE_CA_FILE: "),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains(file), "{}", said.stderr);
        let url = format!("{url}?sslrootcert={file}");
        let said = refused(&["run"], &[("DATABASE_URL", &url)]).await;
        assert!(said.stderr.contains("DATABASE_URL: "), "{}", said.stderr);
        assert!(
            said.stderr.contains(file) && !said.stderr.contains("hunter2"),
            "{}",
            said.stderr
        );
    }
}
