use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use fleet_tests::process::{Ended, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::building;
use super::image::Image;

/// Which network a container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Its own, without a way out.
    None,
    /// That of this machine, where the database and the queues of a test are.
    Host,
}

/// A container of the image under `runc`, as strict as the manifests ask for; it goes with this value.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    image: &'a Image,
    id: String,
    process: Option<Process>,
    bundle: TempDir,
}

impl<'a> Container<'a> {
    pub(crate) fn start<'e>(
        image: &'a Image,
        network: Network,
        arguments: &[&str],
        env: impl IntoIterator<Item = (&'e String, &'e String)>,
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut container = Self {
            image,
            id: format!("fleet-test-{}-{number}", std::process::id()),
            process: None,
            bundle: tempfile::tempdir().unwrap(),
        };
        let mut specification = image.specification();
        restrict(&mut specification, network);
        let process = &mut specification["process"];
        if !arguments.is_empty() {
            let mut line = image.dockerfile().exec("ENTRYPOINT");
            line.extend(arguments.iter().map(|&argument| argument.to_owned()));
            process["args"] = json!(line);
        }
        let variables = process["env"].as_array_mut().unwrap();
        variables.extend(
            env.into_iter()
                .map(|(name, value)| json!(format!("{name}={value}"))),
        );
        let path = container.bundle.path().join("config.json");
        fs::write(path, specification.to_string()).unwrap();
        let bundle = container.bundle.path().to_str().unwrap().to_owned();
        let command = container.runc(&["run", "--bundle", &bundle, &container.id]);
        container.process = Some(Process::start(command));
        container
    }

    /// Returns what runs in it.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// Runs a command in it to its end.
    pub(crate) async fn exec(&self, env: &[&str], line: &[String]) -> Ended {
        let mut command = self.runc(&["exec"]);
        for variable in env {
            command.args(["--env", variable]);
        }
        command.arg(&self.id).args(line);
        Process::start(command).ended().await
    }

    /// Returns the id that its process has outside.
    pub(crate) async fn id(&self) -> u32 {
        let state = Process::start(self.runc(&["state", &self.id]))
            .ended()
            .await;
        let id = state.with_code(0).json()["pid"].as_u64().unwrap();
        id.try_into().unwrap()
    }

    /// Sends the signal that the image names, and waits for the end.
    pub(crate) async fn stop(self, image: &Image) -> Ended {
        let signal = &image.labels()["org.opencontainers.image.stopSignal"];
        let kill = self.runc(&["kill", &self.id, signal]);
        Process::start(kill).ended().await.with_code(0);
        self.ended().await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        self.process.take().unwrap().ended().await
    }

    fn runc(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.image.tools.command("runc");
        command.arg("--root").arg(states()).args(arguments);
        command.into()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let mut delete = self.image.tools.command("runc");
        delete
            .arg("--root")
            .arg(states())
            .args(["delete", "--force", &self.id]);
        // Nothing is left of one that has ended.
        let _ = delete.output();
    }
}

/// What the manifests of Kubernetes ask for, as a runtime is told: a root that is read-only, no
/// capabilities, one CPU.
fn restrict(specification: &mut Value, network: Network) {
    specification["process"]["terminal"] = json!(false);
    specification["process"]["noNewPrivileges"] = json!(true);
    for (_, set) in specification["process"]["capabilities"]
        .as_object_mut()
        .unwrap()
    {
        *set = json!([]);
    }
    let rootfs = building::folder().join("bundle/rootfs");
    specification["root"] = json!({ "path": rootfs, "readonly": true });
    specification["linux"]["resources"]["cpu"] = json!({ "quota": 100_000, "period": 100_000 });
    if network == Network::Host {
        let namespaces = specification["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network");
    }
}

/// Where `runc` keeps what it knows.
fn states() -> PathBuf {
    building::folder().join("states")
}
