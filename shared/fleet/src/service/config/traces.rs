use std::time::Duration;

use super::otlp::{
    Disabled, Endpoint, Exporter, Headers, Protocol, Ratio, ResourceAttributes, Sampler,
};
use super::reader::{Reader, anything, within};

/// Every default here but the sampler's is OpenTelemetry's; its own would record
/// each message, which costs more than most traces tell.
///
/// Source: OpenTelemetry specification, "Environment variables".
const TIMEOUT_MS: u32 = 10_000;
const DELAY_MS: u32 = 5_000;
const WAITING_MAX: u32 = 2_048;
const BATCH_MAX: u32 = 512;

/// A minute is longer than any collector takes, and than anybody waits for a trace.
const TIMEOUT_MS_MAX: u32 = 60_000;

/// About 100 MB of spans: more is no buffer but a leak.
const WAITING_MAX_MAX: u32 = 100_000;

/// Which traces are recorded, and where their spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesConfig {
    /// Where spans are sent, `/v1/traces` and all; nothing is traced without one.
    pub endpoint: Option<Endpoint>,
    /// Headers of each request.
    pub headers: Headers,
    /// How long a request may take.
    pub timeout: Duration,
    /// `OTEL_TRACES_SAMPLER`: which traces are recorded.
    pub sampler: Sampler,
    /// `OTEL_TRACES_SAMPLER_ARG`: how many, where the sampler asks for a share.
    pub ratio: Ratio,
    /// `OTEL_SERVICE_NAME`: what the process calls itself; the name of its program unless given.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`: what else it says of itself.
    pub resource: ResourceAttributes,
    /// `OTEL_BSP_SCHEDULE_DELAY`: how long spans gather.
    pub delay: Duration,
    /// `OTEL_BSP_MAX_QUEUE_SIZE`: how many spans wait at most.
    pub waiting_max: usize,
    /// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: how many go at once at most.
    pub batch_max: usize,
}

impl TracesConfig {
    /// Reads the section; what is malformed counts as its default until the reader reports it.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let disabled = reader.or_default("OTEL_SDK_DISABLED", Disabled::False, anything);
        let exporter = reader.or_default("OTEL_TRACES_EXPORTER", Exporter::Otlp, anything);
        let is_on = disabled == Disabled::False && exporter == Exporter::Otlp;
        let endpoint = read_endpoint(reader).filter(|_| is_on);
        let name = otlp(reader, "PROTOCOL");
        reader.or_default(&name, Protocol::HttpProtobuf, anything);
        let name = otlp(reader, "HEADERS");
        let headers = reader.optional::<Headers>(&name, anything);
        if headers.is_some() && endpoint.as_ref().is_some_and(Endpoint::is_open_to_others) {
            reader.warning(
                &name,
                "are sent to an http endpoint, where others can read them",
            );
        }
        let name = otlp(reader, "TIMEOUT");
        let timeout = reader.or_default(&name, TIMEOUT_MS, within(1..=TIMEOUT_MS_MAX));
        let delay = reader.or_default(
            "OTEL_BSP_SCHEDULE_DELAY",
            DELAY_MS,
            within(1..=TIMEOUT_MS_MAX),
        );
        let waiting_max = reader.or_default(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            WAITING_MAX,
            within(1..=WAITING_MAX_MAX),
        );
        // A queue that is smaller than a batch can still be sent.
        let batch_max = reader.or_default(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            BATCH_MAX,
            within(1..=WAITING_MAX_MAX),
        );
        Self {
            endpoint,
            headers: headers.unwrap_or_default(),
            timeout: Duration::from_millis(timeout.into()),
            sampler: reader.or_default("OTEL_TRACES_SAMPLER", Sampler::ParentOrRatio, anything),
            ratio: reader.or_default("OTEL_TRACES_SAMPLER_ARG", Ratio::TENTH, anything),
            service_name: reader.optional("OTEL_SERVICE_NAME", anything),
            resource: reader
                .optional("OTEL_RESOURCE_ATTRIBUTES", anything)
                .unwrap_or_default(),
            delay: Duration::from_millis(delay.into()),
            waiting_max: waiting_max as usize,
            batch_max: batch_max.min(waiting_max) as usize,
        }
    }
}

/// Names the variable of the exporter that counts: the one for traces alone, where it is set.
fn otlp(reader: &Reader<'_>, what: &str) -> String {
    let own = format!("OTEL_EXPORTER_OTLP_TRACES_{what}");
    match reader.peek(&own) {
        Some(_) => own,
        None => format!("OTEL_EXPORTER_OTLP_{what}"),
    }
}

/// Reads where spans go: an address for traces alone is taken as it is.
fn read_endpoint(reader: &mut Reader<'_>) -> Option<Endpoint> {
    let name = otlp(reader, "ENDPOINT");
    let endpoint = reader.optional::<Endpoint>(&name, anything);
    match name.as_str() {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => endpoint.as_ref().map(Endpoint::for_traces),
        _ => endpoint,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reader::{Loaded, load};
    use super::super::report::ConfigError;
    use super::super::value::Value as _;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Loaded<TracesConfig>, ConfigError> {
        let env: BTreeMap<_, _> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        load(&env, TracesConfig::read)
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn nothing_is_traced_without_an_endpoint_or_when_it_is_switched_off() {
        let endpoint = |pairs: &[_]| read(pairs).unwrap().settings.endpoint;
        assert_eq!(endpoint(&[]), None);
        assert!(endpoint(&[ENDPOINT]).is_some());
        assert_eq!(endpoint(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]), None);
        assert_eq!(
            endpoint(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]),
            None
        );
    }

    #[test]
    fn a_variable_for_traces_alone_goes_before_the_one_for_everything() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/x");
        let settings = read(&[
            ENDPOINT,
            own,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "9"),
        ])
        .unwrap()
        .settings;
        assert_eq!(settings.endpoint.unwrap().render(), own.1);
        assert_eq!(settings.timeout, Duration::from_millis(9));
        let settings = read(&[ENDPOINT]).unwrap().settings;
        assert_eq!(settings.endpoint.unwrap().uri().path(), "/v1/traces");
    }

    #[test]
    fn one_report_names_everything_that_is_malformed_and_shows_no_header() {
        let report = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "10%"),
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_RESOURCE_ATTRIBUTES", "shop"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ])
        .expect_err("malformed");
        assert_eq!(report.problems.len(), 9, "{report}");
        assert!(!report.to_string().contains("hunter2"), "{report}");
        assert!(
            report.to_string().contains("give one of http/protobuf"),
            "{report}"
        );
    }

    #[test]
    fn headers_on_an_open_road_are_warned_of_and_never_shown() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2");
        let warnings = |endpoint| {
            let loaded = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), headers]).unwrap();
            assert!(!format!("{loaded:?}").contains("hunter2"));
            loaded.report.warnings.len()
        };
        assert_eq!(warnings("http://collector:4318"), 1);
        assert_eq!(warnings("https://collector:4318"), 0);
        assert_eq!(warnings("http://127.0.0.1:4318"), 0);
    }
}
