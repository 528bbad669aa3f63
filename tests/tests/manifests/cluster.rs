//! Reading `infra/kubernetes`.

use std::collections::BTreeMap;
use std::fs;

use fleet_tests::dockerfile::Dockerfile;
use fleet_tests::programs::repository;
use serde_json::Value;

use super::yaml::{documents, fields};

/// The two kustomizations.
pub(crate) const FOLDERS: [&str; 2] = ["infra/kubernetes", "infra/kubernetes/migrate"];

/// All documents of both folders.
fn manifests() -> Vec<Value> {
    let names = FOLDERS.into_iter().flat_map(|folder| {
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let files = names.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.flat_map(documents).collect()
}

/// All of a kind; there is one at least.
pub(crate) fn of_kind(kind: &str) -> Vec<Value> {
    let mut found = manifests();
    found.retain(|manifest| manifest["kind"] == kind);
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

/// The name of an object.
pub(crate) fn name(manifest: &Value) -> &str {
    manifest["metadata"]["name"].as_str().unwrap()
}

/// The one of a kind with a name.
pub(crate) fn named(kind: &str, wanted: &str) -> Value {
    let found = of_kind(kind)
        .into_iter()
        .find(|manifest| name(manifest) == wanted);
    found.unwrap_or_else(|| panic!("there is no {kind} {wanted}"))
}

/// The deployments and the job.
pub(crate) fn workloads() -> Vec<Value> {
    [of_kind("Deployment"), of_kind("Job")].concat()
}

/// What a workload says of its pods.
pub(crate) fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

/// The one container of a pod.
pub(crate) fn container(workload: &Value) -> &Value {
    let containers = pod(workload)["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{}", name(workload));
    &containers[0]
}

/// The environment of a pod as its process sees it, with what the pattern of the secrets says.
pub(crate) fn environment(workload: &Value) -> BTreeMap<String, String> {
    let mut env = Dockerfile::read(&[]).pairs("ENV");
    for source in container(workload)["envFrom"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let map = named(
            "ConfigMap",
            source["configMapRef"]["name"].as_str().unwrap(),
        );
        let entries = fields(&map["data"])
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        env.extend(entries);
    }
    for variable in container(workload)["env"].as_array().into_iter().flatten() {
        let value = match &variable["valueFrom"]["secretKeyRef"] {
            Value::Null => variable["value"].clone(),
            reference => {
                let secret = named("Secret", reference["name"].as_str().unwrap());
                secret["stringData"][reference["key"].as_str().unwrap()].clone()
            }
        };
        let name = variable["name"].as_str().unwrap().to_owned();
        env.insert(name, value.as_str().expect("it has a value").to_owned());
    }
    env
}
