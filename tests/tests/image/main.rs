//! The container's image: made of `infra/Dockerfile` without a daemon or a registry, and run.
//!
//! What the last stage says is read from the file, and the program is built by its command from what
//! `.dockerignore` lets in, but without `--release`, which takes minutes. The base cannot be pulled
//! here: in its place stand this machine's copies of the libraries that it has.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

mod building;
mod container;
mod image;
mod tools;

use fleet_tests::books::{order, placed};
use fleet_tests::probe::Probe;
use fleet_tests::site::Site;

use container::Network;
use image::{COMMIT, Image, VERSION};

/// What a program may link in `distroless/cc`: of Debian's libc6, libgcc-s1, libstdc++6 and libgomp1.
const LIBRARIES_OF_BASE: [&str; 12] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libgomp.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
];

/// What the first line of the log says of threads.
fn threads_of_line(line: &str) -> Option<u64> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("threads")?.as_u64()
}

#[tokio::test]
async fn it_says_its_version_and_its_commit() {
    let Some(image) = Image::get() else { return };
    let ended = image.run(Network::None, &["--version"]).await.with_code(0);
    assert_eq!(ended.stdout, format!("fleet {VERSION} ({COMMIT})"));
    let labels = image.labels();
    assert_eq!(labels["org.opencontainers.image.version"], VERSION);
    assert_eq!(labels["org.opencontainers.image.revision"], COMMIT);
}

#[tokio::test]
async fn a_build_that_is_told_another_version_fails() {
    let Some(_) = Image::get() else { return };
    let wrong = building::build("0.0.0", COMMIT).expect_err("the labels would lie");
    assert!(wrong.contains("exit status: 1"), "{wrong}");
    let nameless = building::build(VERSION, "").expect_err("nobody could tell what runs");
    assert!(nameless.contains("give --build-arg COMMIT"), "{nameless}");
}

#[tokio::test]
async fn nothing_is_in_it_but_the_program_and_what_its_base_has() {
    let Some(image) = Image::get() else { return };
    let last = image.dockerfile();
    assert!(
        !last.keywords().contains(&"RUN"),
        "there is no shell to run it"
    );
    assert_eq!(last.copies(), [("/fleet", "/fleet")]);
    for library in image.libraries() {
        let name = library.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            LIBRARIES_OF_BASE.contains(&name.as_str()),
            "{name} is not in the base"
        );
    }
}

#[tokio::test]
async fn dev_is_not_in_it() {
    let Some(image) = Image::get() else { return };
    let ended = image.run(Network::None, &["dev"]).await.with_code(2);
    assert!(
        ended.stderr.contains("unrecognized subcommand 'dev'"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn without_configuration_it_ends_with_2_and_the_whole_report() {
    let Some(image) = Image::get() else { return };
    // No arguments: the command of the image.
    let ended = image.run(Network::None, &[]).await.with_code(2);
    for variable in ["DATABASE_URL", "AWS_REGION", "BILLING_QUEUE_URL"] {
        assert!(
            ended.stderr.contains(variable),
            "{variable}:\n{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn its_health_is_asked_where_it_answers_without_being_told() {
    let Some(image) = Image::get() else { return };
    let site = Site::new().await;
    let env = site.env.iter().filter(|(name, _)| *name != "ADMIN_ADDR");
    let mut container = image.start(Network::None, &["run"], env).await;
    let addr = Probe::of(container.process()).await.addr();
    assert_eq!(addr.to_string(), "0.0.0.0:9464");
    // In a network of its own it reaches neither SQS nor Postgres, and says so.
    let ended = container.exec(&[], &image.health()).await.with_code(1);
    assert!(ended.stderr.contains("not ready (503)"), "{}", ended.stderr);
    container.stop(image).await.with_code(0);
}

#[tokio::test]
async fn as_nobody_on_a_root_that_is_read_only_it_works_and_ends_when_it_is_told_to() {
    let Some(image) = Image::get() else { return };
    let site = Site::new().await;
    let body = placed(&order("1", 1));
    site.queue.send(&body, Default::default()).await;
    let mut container = image
        .start(Network::Host, &["run", "billing"], &site.env)
        .await;
    let probe = Probe::of(container.process()).await;
    probe.until_ready().await;
    site.books.until_count("billing.invoices", 1).await;

    let id = container.id().await;
    let threads = container.process().find_in_stderr(threads_of_line).await;
    assert_eq!(threads, 1, "it may use one CPU");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    for expected in [
        "Uid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(expected), "{expected:?} in\n{status}");
    }
    let admin = format!("ADMIN_ADDR={}", probe.addr());
    container
        .exec(&[&admin], &image.health())
        .await
        .with_code(0);
    container.stop(image).await.with_code(0);
}
