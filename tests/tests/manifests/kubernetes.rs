//! `infra/kubernetes`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use fleet::service::config::{
    ConsumerConfig, DatabaseConfig, ServiceConfig, consumer_prefix, load,
};
use fleet_tests::dockerfile::Dockerfile;
use fleet_tests::probe::Probe;
use fleet_tests::process::Process;
use fleet_tests::programs::repository;
use fleet_tests::site::fleet;
use serde_json::Value;

use super::cluster::{FOLDERS, container, environment, name, named, of_kind, pod, workloads};
use super::program;
use super::yaml::{documents, fields, strings};

/// What Postgres takes by default, less what it keeps for superusers.
const CONNECTIONS_MAX: u64 = 100 - 3;

/// Whoever connects beside the pods: the migration, and people.
const CONNECTIONS_ASIDE: u64 = 10;

#[test]
fn the_kustomizations_name_every_file_but_the_pattern_of_the_secrets() {
    for folder in FOLDERS {
        let kustomization = &documents(format!("{folder}/kustomization.yaml"))[0];
        let listed: BTreeSet<String> = strings(&kustomization["resources"])
            .into_iter()
            .map(str::to_owned)
            .collect();
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let manifests: BTreeSet<String> = files
            .filter(|file| {
                file.ends_with(".yaml")
                    && file != "kustomization.yaml"
                    && file != "secrets.example.yaml"
            })
            .collect();
        assert_eq!(listed, manifests, "{folder}");
    }
    let images: Vec<Value> = of_kind("Kustomization")
        .iter()
        .map(|one| one["images"].clone())
        .collect();
    assert_eq!(
        images[0], images[1],
        "the schema and the processes are of one release"
    );
    assert_eq!(images[0][0]["newTag"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_consumer_has_its_deployment_account_budget_and_scaling_and_there_is_a_relay() {
    let consumers = program::consumers().await;
    let serving: BTreeSet<String> = consumers
        .iter()
        .cloned()
        .chain(["relay".to_owned()])
        .collect();
    for kind in ["Deployment", "PodDisruptionBudget", "ServiceAccount"] {
        let names: BTreeSet<String> = of_kind(kind)
            .iter()
            .map(|one| name(one).to_owned())
            .collect();
        assert_eq!(names, serving, "{kind}");
    }
    let scaled: Vec<String> = of_kind("ScaledObject")
        .iter()
        .map(|one| name(one).to_owned())
        .collect();
    assert_eq!(scaled, consumers);
    for consumer in &consumers {
        assert_eq!(
            strings(&container(&named("Deployment", consumer))["args"]),
            ["run", consumer]
        );
    }
}

#[tokio::test]
async fn the_program_understands_every_command_line_and_environment() {
    for workload in workloads() {
        program::assert_understands(&strings(&container(&workload)["args"])).await;
        let env = environment(&workload);
        program::assert_variables(name(&workload), env.keys().map(String::as_str)).await;
    }
    for deployment in of_kind("Deployment") {
        program::assert_configures(&environment(&deployment)).await;
    }
}

#[test]
fn pods_are_given_longer_than_a_shutdown_takes() {
    for deployment in of_kind("Deployment") {
        let pod_secs = pod(&deployment)["terminationGracePeriodSeconds"]
            .as_u64()
            .unwrap();
        let grace = program::shutdown_grace(&environment(&deployment));
        assert!(
            Duration::from_secs(pod_secs) > grace + program::SHUTDOWN_TAIL,
            "{}",
            name(&deployment)
        );
    }
}

#[tokio::test]
async fn probes_ask_for_what_the_program_answers_on_the_port_of_the_image() {
    let mut process = Process::start(waiting());
    let probe = Probe::of(&mut process).await;
    let port = Dockerfile::read(&[]).the("EXPOSE").parse::<u64>().unwrap();
    for deployment in of_kind("Deployment") {
        let container = container(&deployment);
        let ports = container["ports"].as_array().unwrap();
        assert_eq!(
            (&ports[0]["name"], ports[0]["containerPort"].as_u64()),
            (&Value::from("admin"), Some(port))
        );
        for (kind, path) in [
            ("startupProbe", "/startupz"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ] {
            assert_eq!(container[kind]["httpGet"]["port"], "admin");
            assert_eq!(container[kind]["httpGet"]["path"], path);
            let status = probe.get(path).await.unwrap().status;
            assert!(matches!(status, 200 | 503), "{path}: {status}");
        }
    }
    let metrics = &named("PodMonitor", "fleet")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(metrics["port"], "admin");
    assert_eq!(
        probe
            .get(metrics["path"].as_str().unwrap())
            .await
            .unwrap()
            .status,
        200
    );
    let ingress = &named("NetworkPolicy", "fleet")["spec"]["ingress"][0];
    assert_eq!(ingress["ports"][0]["port"].as_u64(), Some(port));
}

/// A process that waits for a database and a queue that nobody has.
fn waiting() -> tokio::process::Command {
    let mut command = fleet(&["run"]);
    command.envs([
        ("ADMIN_ADDR", "127.0.0.1:0"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        (
            "BILLING_QUEUE_URL",
            "http://127.0.0.1:9/000000000000/billing",
        ),
        ("DATABASE_URL", "postgres://fleet:test@127.0.0.1:9/fleet"),
    ]);
    command
}

#[test]
fn pods_are_as_restricted_as_their_namespace_demands() {
    let labels = &named("Namespace", "fleet")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let user = Dockerfile::read(&[]).the("USER").to_owned();
    for workload in workloads() {
        let (name, pod, container) = (name(&workload), pod(&workload), container(&workload));
        let of_pod = &pod["securityContext"];
        assert_eq!(
            format!("{}:{}", of_pod["runAsUser"], of_pod["runAsGroup"]),
            user,
            "{name}"
        );
        assert_eq!(of_pod["runAsNonRoot"], true, "{name}");
        assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let own = &container["securityContext"];
        assert_eq!(own["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(own["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(strings(&own["capabilities"]["drop"]), ["ALL"], "{name}");
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[field].is_null(), "{name}: {field}");
        }
        let resources = &container["resources"];
        for (kind, what) in [
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        ] {
            assert!(resources[kind][what].is_string(), "{name}: {kind} {what}");
        }
    }
}

#[test]
fn the_authority_of_the_database_is_where_the_variable_says() {
    for workload in workloads() {
        let (pod, container) = (pod(&workload), container(&workload));
        let (volume, mount) = (&pod["volumes"][0], &container["volumeMounts"][0]);
        assert_eq!(volume["name"], mount["name"]);
        assert_eq!(volume["configMap"]["name"], "database-authority");
        let folder = mount["mountPath"].as_str().unwrap();
        // The key of the map is the name of the file that docs/deploy.md fetches.
        assert_eq!(
            environment(&workload)["DATABASE_CA_FILE"],
            format!("{folder}/authority.pem")
        );
    }
}

#[test]
fn each_object_selects_the_pods_that_it_is_about() {
    let selected = |selector: &Value, workload: &Value| {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        fields(selector).all(|(name, value)| &labels[name] == value)
    };
    for deployment in of_kind("Deployment") {
        let own = &deployment["spec"]["selector"]["matchLabels"];
        let budget = named("PodDisruptionBudget", name(&deployment));
        assert_eq!(pod(&deployment)["serviceAccountName"], name(&deployment));
        for other in workloads() {
            let is_own = name(&other) == name(&deployment);
            assert_eq!(selected(own, &other), is_own, "{}", name(&other));
            assert_eq!(
                selected(&budget["spec"]["selector"]["matchLabels"], &other),
                is_own
            );
            for spread in pod(&deployment)["topologySpreadConstraints"]
                .as_array()
                .unwrap()
            {
                assert_eq!(
                    selected(&spread["labelSelector"]["matchLabels"], &other),
                    is_own
                );
            }
        }
    }
    for (kind, name) in [("NetworkPolicy", "fleet"), ("PodMonitor", "fleet")] {
        let object = named(kind, name);
        let selector = match kind {
            "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
            _ => &object["spec"]["selector"]["matchLabels"],
        };
        assert!(
            workloads()
                .iter()
                .all(|workload| selected(selector, workload)),
            "{kind}"
        );
    }
    let nothing = named("NetworkPolicy", "nothing");
    assert_eq!(
        fields(&nothing["spec"]["podSelector"]).count(),
        0,
        "it is about every pod"
    );
    assert_eq!(
        strings(&nothing["spec"]["policyTypes"]),
        ["Ingress", "Egress"]
    );
}

#[test]
fn consumers_are_scaled_by_what_a_pod_works_on_at_once() {
    for scaled in of_kind("ScaledObject") {
        let deployment = named(
            "Deployment",
            scaled["spec"]["scaleTargetRef"]["name"].as_str().unwrap(),
        );
        assert!(
            deployment["spec"]["replicas"].is_null(),
            "the scaler says how many"
        );
        let env = environment(&deployment);
        let prefix = consumer_prefix(name(&scaled));
        let concurrency = load(&env, |reader| {
            let service = ServiceConfig::read(reader);
            ConsumerConfig::read(reader, name(&scaled), &service)
                .unwrap()
                .concurrency
        });
        let trigger = &scaled["spec"]["triggers"][0];
        let metadata = &trigger["metadata"];
        assert_eq!(trigger["type"], "aws-sqs-queue");
        assert_eq!(metadata["scaleOnInFlight"], "true");
        assert_eq!(
            metadata["queueLength"],
            concurrency.unwrap().settings.to_string()
        );
        assert_eq!(metadata["queueURLFromEnv"], format!("{prefix}_QUEUE_URL"));
        assert_eq!(metadata["awsRegion"], env["AWS_REGION"]);
        assert_eq!(
            trigger["authenticationRef"]["name"],
            name(&of_kind("TriggerAuthentication")[0])
        );
    }
}

#[test]
fn all_pods_of_a_rollout_fit_into_an_untuned_postgres() {
    let deployments = of_kind("Deployment");
    let connections = deployments.iter().map(|deployment| {
        let scaled = of_kind("ScaledObject")
            .into_iter()
            .find(|one| name(one) == name(deployment));
        let most = scaled.map_or(deployment["spec"]["replicas"].clone(), |one| {
            one["spec"]["maxReplicaCount"].clone()
        });
        let surge = &deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"];
        let pods = most.as_u64().unwrap() + surge.as_u64().unwrap();
        let mut env = environment(deployment);
        // The file is in the pod.
        env.remove("DATABASE_CA_FILE");
        let pool = load(&env, DatabaseConfig::read).unwrap().settings.unwrap();
        // One more for upkeep.
        pods * (u64::try_from(pool.pool_size).unwrap() + 1)
    });
    let wanted: u64 = connections.sum();
    assert!(wanted + CONNECTIONS_ASIDE <= CONNECTIONS_MAX, "{wanted}");
}
