use metrics::{SetRecorderError, Unit};
use metrics_exporter_prometheus::{
    BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::catalogue::{BUCKETS, BUILD_INFO, CATALOGUE, DRAINING, Kind};
use super::process;
use super::totals::Totals;

/// Why metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The exporter refuses its settings, which are all ours.
    #[error("the metrics exporter cannot be built")]
    Build(#[from] BuildError),
    /// A process has one recorder; this one has its already.
    #[error("metrics are being recorded already")]
    Installed(#[from] SetRecorderError<PrometheusRecorder>),
}

/// The recorded metrics of this process; a clone shows the same.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// Renders all metrics in Prometheus's text format, those of the process
    /// as they are at this moment.
    pub fn render(&self) -> String {
        let mut page = self.handle.render();
        process::render_into(&mut page);
        page
    }

    /// Adds up what this process has done since its start.
    pub fn totals(&self) -> Totals {
        Totals::of_page(&self.handle.render())
    }

    /// Sorts the samples since the last call into their buckets.
    ///
    /// Whoever serves the metrics calls it every few seconds: until then every
    /// sample takes memory of its own.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Makes a recorder that records nothing, for tests of what serves it.
    #[cfg(test)]
    pub(crate) fn idle() -> Self {
        let recorder = build().expect("our settings are sound");
        metrics::with_local_recorder(&recorder, || begin("1.2.3", "abcdef"));
        Self {
            handle: recorder.handle(),
        }
    }

    /// Records that the process is shutting down.
    pub fn set_draining(&self) {
        DRAINING.gauge(&[]).set(1);
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

/// Installs the recorder of this process, describes every metric, and says
/// what is running: its version and the commit it was built from.
///
/// # Errors
///
/// Fails when a recorder is installed already.
pub fn install(version: &str, commit: &str) -> Result<Recorder, MetricsError> {
    let recorder = build()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    begin(version, commit);
    Ok(Recorder { handle })
}

fn build() -> Result<PrometheusRecorder, BuildError> {
    Ok(PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .build_recorder())
}

fn begin(version: &str, commit: &str) {
    describe();
    BUILD_INFO.gauge(&[version, commit]).set(1);
    DRAINING.gauge(&[]).set(0);
}

/// Gives every metric its help line.
fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => {
                metrics::describe_histogram!(metric.name, Unit::Seconds, metric.help);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::super::*;
    use super::*;

    /// What the fleet makes when everything runs, in a recorder of its own.
    fn rendered(work: impl FnOnce(&ConsumerMetrics)) -> String {
        let recorder = build().expect("our settings are sound");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            begin("1.2.3", "abcdef");
            let consumer = ConsumerMetrics::new("billing", &["invoice"]);
            SqsMetrics::new().requested("ReceiveMessage", "ok", Duration::from_secs(20));
            OutboxMetrics::new();
            BreakerMetrics::new("billing", "postgres").changed_to(BreakerState::Open);
            PauseMetrics::new("billing").paused();
            PruneMetrics::new(&["inbox"]).succeeded();
            DepthMetrics::new("billing");
            MeasuringMetrics::new();
            TableMetrics::new(&["inbox"]);
            DatabaseMetrics::new();
            CheckMetrics::new("database").passes();
            TraceMetrics::new();
            consumer.concurrency_limit.set(16);
            consumer.started_after(Duration::from_millis(3));
            consumer.committed_after(Duration::from_secs(400));
            consumer
                .handler("invoice")
                .ended("processed", Duration::from_millis(7));
            work(&consumer);
        });
        Recorder { handle }.render()
    }

    #[test]
    fn the_catalogue_and_a_scrape_have_the_same_names_types_and_help() {
        let page = rendered(|_| {});
        let lines = |prefix: &str| -> BTreeMap<String, String> {
            page.lines()
                .filter_map(|line| line.strip_prefix(prefix)?.split_once(' '))
                .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
                .collect()
        };
        let expected = |of: fn(&Metric) -> &str| -> BTreeMap<String, String> {
            CATALOGUE
                .iter()
                .map(|metric| (metric.name.to_owned(), of(metric).to_owned()))
                .collect()
        };
        assert_eq!(lines("# TYPE "), expected(|metric| metric.kind.as_str()));
        assert_eq!(lines("# HELP "), expected(|metric| metric.help));
    }

    #[test]
    fn handlers_of_another_consumer_do_not_grow_the_set_of_series() {
        let series = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();
        let quiet = series(&rendered(|_| {}));
        let busy = rendered(|consumer| {
            for nth in 0..10_000 {
                let unknown = consumer.handler(&format!("type-{nth}"));
                unknown.ended("unknown_type", Duration::from_millis(1));
            }
        });
        // The histogram of the deliveries without a handler has its first samples.
        assert!(
            series(&busy) <= quiet + BUCKETS.len() + 3,
            "{quiet} {}",
            series(&busy)
        );
        assert!(
            busy.contains(r#"handler="none",outcome="unknown_type"} 10000"#),
            "{busy}"
        );
    }

    #[test]
    fn every_outcome_begins_at_zero_and_a_duplicate_counts_twice() {
        let page = rendered(|consumer| {
            consumer
                .handler("invoice")
                .ended("duplicate", Duration::from_millis(1));
        });
        let of = |outcome: &str| {
            let series = format!(
                r#"fleet_messages_processed_total{{queue="billing",handler="invoice",outcome="{outcome}"}} "#
            );
            page.lines()
                .find_map(|line| line.strip_prefix(&series))
                .map(str::to_owned)
        };
        for outcome in OUTCOMES {
            let expected = if matches!(outcome, "processed" | "duplicate") {
                "1"
            } else {
                "0"
            };
            assert_eq!(of(outcome).as_deref(), Some(expected), "{outcome}");
        }
        assert!(page.contains(r#"fleet_duplicates_total{handler="invoice"} 1"#));
    }

    #[test]
    fn a_duration_above_the_last_bucket_is_counted_as_infinite() {
        let page = rendered(|_| {});
        let bucket = |bound: &str| {
            format!(r#"fleet_message_critical_time_seconds_bucket{{queue="billing",le="{bound}"}}"#)
        };
        assert!(page.contains(&format!("{} 0", bucket("300"))), "{page}");
        assert!(page.contains(&format!("{} 1", bucket("+Inf"))), "{page}");
    }

    #[test]
    fn the_totals_are_those_of_the_metrics() {
        let recorder = build().expect("our settings are sound");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let sqs = SqsMetrics::new();
            for result in ["ok", "unreachable", "abandoned", "server"] {
                sqs.requested("ReceiveMessage", result, Duration::from_secs(1));
            }
            for queue in ["billing", "inventory"] {
                let consumer = ConsumerMetrics::new(queue, &["invoice"]);
                consumer.messages_received.increment(5);
                consumer.acks.add("requested", 9);
                consumer.acks.add("confirmed", 3);
                consumer.acks.add("unconfirmed", 1);
                consumer.dead_lettered.increment("permanent");
                consumer.lease_extensions.add("extended", 2);
                for outcome in ["processed", "duplicate", "failed"] {
                    let handler = consumer.handler("invoice");
                    handler.ended(outcome, Duration::from_millis(1));
                }
            }
        });
        let expected = Totals {
            received: Some(10),
            processed: Some(2),
            dead_lettered: Some(2),
            acks_confirmed: Some(6),
            acks_unconfirmed: Some(2),
            leases_extended: Some(4),
            published: None,
            requests: Some(4),
            unanswered: Some(2),
        };
        assert_eq!(Recorder { handle }.totals(), expected);
    }

    #[test]
    fn an_outbox_nobody_could_look_at_has_no_depth() {
        assert!(rendered(|_| {}).contains("fleet_outbox_pending NaN"));
    }

    #[test]
    fn labels_and_the_page_of_the_documentation_agree_with_the_catalogue() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let page = std::fs::read_to_string(path).expect("docs/metrics.md is readable");
        let documented: BTreeSet<String> = page
            .lines()
            .filter(|line| line.starts_with("| `fleet_") || line.starts_with("| `process_"))
            .map(str::to_owned)
            .collect();
        let made: BTreeSet<String> = CATALOGUE
            .iter()
            .map(|metric| {
                let labels: Vec<_> = metric
                    .labels
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect();
                let (kind, labels) = (metric.kind.as_str(), labels.join(", "));
                format!(
                    "| `{}` | {kind} | {labels} | {} |",
                    metric.name, metric.help
                )
            })
            .collect();
        let missing: Vec<_> = made.difference(&documented).collect();
        let stale: Vec<_> = documented.difference(&made).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "missing {missing:#?}\nstale {stale:#?}"
        );
    }
}
