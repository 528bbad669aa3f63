//! The kinds that Kubernetes itself has no schema of: their fields, as their projects document them.

use serde_json::Value;

use super::yaml::{documents, fields};

/// KEDA 2: "ScaledObject specification", "Authentication", "AWS SQS Queue"; Prometheus operator: "API
/// reference"; Kustomize: "The Kustomization file". Of each the fields that are used here, and `*` for
/// any name; a list is looked through.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "keda.sh/v1alpha1 ScaledObject",
        &[
            "scaleTargetRef.name",
            "pollingInterval",
            "minReplicaCount",
            "maxReplicaCount",
            "advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds",
            "advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds",
            "advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.type",
            "advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.value",
            "advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.periodSeconds",
            "triggers.type",
            "triggers.authenticationRef.name",
            "triggers.metadata.awsRegion",
            "triggers.metadata.queueURLFromEnv",
            "triggers.metadata.queueLength",
            "triggers.metadata.scaleOnInFlight",
            "triggers.metadata.scaleOnDelayed",
        ],
    ),
    (
        "keda.sh/v1alpha1 TriggerAuthentication",
        &["podIdentity.provider"],
    ),
    (
        "monitoring.coreos.com/v1 PodMonitor",
        &[
            "selector.matchLabels.*",
            "podMetricsEndpoints.port",
            "podMetricsEndpoints.path",
            "podMetricsEndpoints.interval",
        ],
    ),
];

#[test]
fn custom_resources_have_only_fields_that_their_projects_document() {
    let mut kinds = 0;
    for file in ["scaling.yaml", "monitoring.yaml"] {
        for manifest in documents(format!("infra/kubernetes/{file}")) {
            let kind = format!(
                "{} {}",
                manifest["apiVersion"].as_str().unwrap(),
                manifest["kind"].as_str().unwrap()
            );
            let known = FIELDS.iter().find(|(name, _)| *name == kind);
            let (_, known) = known.unwrap_or_else(|| panic!("{kind} is not known here"));
            let mut paths = Vec::new();
            collect("", &manifest["spec"], &mut paths);
            for path in paths {
                assert!(
                    known.iter().any(|pattern| fits(&path, pattern)),
                    "{kind} has no {path}"
                );
            }
            kinds += 1;
        }
    }
    assert_eq!(kinds, FIELDS.len());
}

/// A trigger's metadata are strings, also where they are numbers.
#[test]
fn metadata_of_triggers_are_strings() {
    let manifests = documents("infra/kubernetes/scaling.yaml");
    let triggers = manifests
        .iter()
        .flat_map(|one| one["spec"]["triggers"].as_array().into_iter().flatten());
    for trigger in triggers {
        for (name, value) in fields(&trigger["metadata"]) {
            assert!(value.is_string(), "{name}: {value}");
        }
    }
}

/// Collects the paths of all leaves.
fn collect(path: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, below) in object {
                let path = if path.is_empty() {
                    name.replace('.', "_")
                } else {
                    format!("{path}.{}", name.replace('.', "_"))
                };
                collect(&path, below, paths);
            }
        }
        Value::Array(list) => list.iter().for_each(|below| collect(path, below, paths)),
        _ => paths.push(path.to_owned()),
    }
}

fn fits(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(above) => path
            .rsplit_once('.')
            .is_some_and(|(before, _)| before == above),
        None => path == pattern,
    }
}
