//! A real Prometheus that watches the programs of a test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::patience::{until, until_within};
use crate::probe::Probe;
use crate::process::Process;
use crate::programs::{repository, target_directory};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long an alert may take to begin or to end: a queue is measured every 15 s, and what was
/// received in the last 30 s counts as its lag.
const ALERT_MAX: Duration = Duration::from_secs(120);

/// The folder of the rules, from the root of the repository.
pub const RULES: &str = "infra/prometheus";

/// A Prometheus with the rules of the repository, their times shortened.
#[derive(Debug)]
pub struct Prometheus {
    folder: TempDir,
    addr: SocketAddr,
    _process: Process,
}

/// Returns the folder of `prometheus` and `promtool`; says why the test `name` is left out when
/// they are not to be had.
///
/// # Panics
///
/// They are missing in CI.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
pub async fn tools(name: &str) -> Option<PathBuf> {
    let script = repository().join("infra/scripts/prometheus.sh");
    let found = Command::new(script).arg(target_directory()).output().await;
    let found = found.expect("the script can be run");
    if found.status.success() {
        let folder = String::from_utf8_lossy(&found.stdout);
        return Some(PathBuf::from(folder.trim()));
    }
    let said = String::from_utf8_lossy(&found.stderr);
    assert!(std::env::var_os("CI").is_none(), "no Prometheus: {said}");
    eprintln!("SKIP {name}: {said}");
    None
}

impl Prometheus {
    /// Starts one that looks every second and watches nobody yet.
    ///
    /// Of the rules it has copies in which every `for` is a second, the two minutes that alerts
    /// look back at are five seconds, and each of `thresholds` stands in the place of another.
    pub async fn start(tools: &Path, thresholds: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for file in ["recording.yml", "alerts.yml"] {
            let rules = fs::read_to_string(repository().join(RULES).join(file));
            let rules = shortened(&rules.expect("the rules are there"), thresholds);
            fs::write(folder.path().join(file), rules).expect("the folder can be written");
        }
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": [
                { "job_name": "fleet", "file_sd_configs": [{ "files": ["targets.json"] }] },
            ],
        });
        // JSON is YAML.
        write(folder.path(), "prometheus.yml", &config);
        write(folder.path(), "targets.json", &json!([]));
        let mut command = Command::new(tools.join("prometheus"));
        command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--web.listen-address=127.0.0.1:0");
        let mut process = Process::start(command);
        let addr = process
            .find_in_stderr(|line| {
                let (_, rest) = line.split_once("\"Listening on\" address=")?;
                rest.trim().parse().ok()
            })
            .await;
        process.says("Server is ready").await;
        Self {
            folder,
            addr,
            _process: process,
        }
    }

    /// Watches these processes from now on, and no others.
    pub async fn watch(&self, probes: &[&Probe]) {
        let addresses: Vec<SocketAddr> = probes.iter().map(|probe| probe.addr()).collect();
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let targets = json!([{ "targets": names }]);
        write(self.folder.path(), "targets.json", &targets);
        until_up(self.addr, &addresses).await;
    }

    /// Waits until an alert of a queue calls somebody, and returns it.
    pub async fn until_fires(&self, alert: &str, queue: &str) -> Value {
        let what = format!("{alert} fires for {queue}");
        until_within(ALERT_MAX, &what, async || {
            let found = self.alert(alert, queue).await?;
            found.filter(|found| found["state"] == "firing")
        })
        .await
    }

    /// Waits until an alert of a queue is over.
    pub async fn until_resolved(&self, alert: &str, queue: &str) {
        let what = format!("{alert} is over for {queue}");
        until_within(ALERT_MAX, &what, async || {
            self.alert(alert, queue).await?.is_none().then_some(())
        })
        .await;
    }

    /// Returns an alert, pending or firing; `None` outside when nobody answers.
    async fn alert(&self, name: &str, queue: &str) -> Option<Option<Value>> {
        let answer = ask(self.addr, "alerts").await?;
        let alerts = answer["data"]["alerts"].as_array()?;
        let found = alerts.iter().find(|alert| {
            let labels = &alert["labels"];
            labels["alertname"] == name && labels["queue"] == queue
        });
        Some(found.cloned())
    }
}

/// Waits until the Prometheus at an address reaches these targets, and has no others.
pub async fn until_up(prometheus: SocketAddr, targets: &[SocketAddr]) {
    until("Prometheus reaches its targets", async || {
        let answer = ask(prometheus, "targets?state=active").await?;
        let active = answer["data"]["activeTargets"].as_array()?;
        let is_up = |target: &SocketAddr| {
            let name = target.to_string();
            let up = |seen: &&Value| seen["health"] == "up" && seen["labels"]["instance"] == name;
            active.iter().any(|seen| up(&seen))
        };
        (active.len() == targets.len() && targets.iter().all(is_up)).then_some(())
    })
    .await;
}

/// Asks its HTTP API; `None` when it does not answer.
async fn ask(prometheus: SocketAddr, what: &str) -> Option<Value> {
    let asked = async {
        let mut stream = TcpStream::connect(prometheus).await?;
        // Of 1.0, so that the answer comes in one piece.
        let request = format!("GET /api/v1/{what} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(ANSWER_LIMIT, asked).await.ok()?.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

fn shortened(rules: &str, thresholds: &[(&str, &str)]) -> String {
    let waits = Regex::new("for: [0-9]+[mh]\n").expect("it is a legal expression");
    let mut rules = waits
        .replace_all(rules, "for: 1s\n")
        .replace("[2m]", "[5s]");
    for (usual, short) in thresholds {
        rules = rules.replace(usual, short);
    }
    rules
}

/// Writes a file that Prometheus never sees half of.
fn write(folder: &Path, name: &str, content: &Value) {
    let part = folder.join(format!("{name}.part"));
    fs::write(&part, content.to_string()).expect("the folder can be written");
    fs::rename(&part, folder.join(name)).expect("the folder can be written");
}
