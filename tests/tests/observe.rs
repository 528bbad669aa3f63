//! What `make observe` runs: the fleet of a developer, and a Prometheus that watches it.
#![forbid(unsafe_code)]

use std::net::{SocketAddr, TcpStream};

use fleet_tests::process::{Process, Signal};
use fleet_tests::programs::{fleet, repository, target_directory};
use fleet_tests::prometheus::{self, tools};
use tokio::process::Command;

fn is_open(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_ok()
}

#[tokio::test]
async fn prometheus_watches_the_fleet_of_a_developer_and_both_end_together() {
    let name = "prometheus_watches_the_fleet_of_a_developer_and_both_end_together";
    if tools(name).await.is_none() {
        return;
    }
    let mut observe = Command::new(repository().join("infra/scripts/observe.sh"));
    observe.arg(fleet()).arg(target_directory()).env_clear();
    for name in ["PATH", "TMPDIR", "FLEET_PG_BIN"] {
        observe.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let mut process = Process::start(observe);
    let mut addresses = Vec::new();
    for what in ["probes, metrics", "Prometheus"] {
        let addr = process
            .find_in_stdout(|line| {
                let url = line.strip_prefix(what)?.trim().strip_prefix("http://")?;
                url.trim_end_matches("/alerts").parse::<SocketAddr>().ok()
            })
            .await;
        addresses.push(addr);
    }
    prometheus::until_up(addresses[1], &[addresses[0]]).await;
    // Not Ctrl-C: a shell cannot catch what whoever started it in the background made it ignore.
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
    assert!(!addresses.into_iter().any(is_open));
}
