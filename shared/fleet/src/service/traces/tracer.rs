use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler as SdkSampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor,
};

use super::collector::Collector;
use super::exporter::Exporter;
use super::spool::Spool;
use crate::service::aside::Aside;
use crate::service::config::{Sampler, TracesConfig};
use crate::service::machine;
use crate::service::metrics::TraceMetrics;

/// How long the exporter's thread may take to end: its own limit and a little more.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Makes the spans of this process; empty where nothing is traced.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why tracing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The operating system gives no thread to send with, or no roots for TLS.
    #[error("spans cannot be exported")]
    Export(#[from] io::Error),
    /// A process traces once; this one does already.
    #[error("tracing has begun already")]
    Begun,
}

/// What runs as long as spans are exported.
#[derive(Debug)]
pub struct Traces {
    /// `None` where nothing is traced.
    aside: Option<Aside>,
}

/// Begins to trace where the configuration names a collector; the metrics are made in any case.
///
/// `program` is what the process is called unless the configuration says otherwise.
///
/// # Errors
///
/// There is no thread, or the system's roots for TLS cannot be read, or tracing has begun already.
pub fn begin(config: &TracesConfig, program: &str, version: &str) -> Result<Traces, TracesError> {
    let metrics = TraceMetrics::new();
    let Some(endpoint) = &config.endpoint else {
        return Ok(Traces { aside: None });
    };
    let resource = resource(config, program, version);
    let collector = Collector::new(endpoint, config.headers.clone(), config.timeout, &resource)?;
    let spool = Arc::new(Spool::new(config.waiting_max, config.batch_max, metrics));
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler(config))
        .with_resource(Resource::builder_empty().build())
        .with_span_processor(Ended(Arc::clone(&spool)))
        .build();
    let aside = Aside::start("fleet-traces")?;
    TRACER
        .set(provider.tracer("fleet"))
        .map_err(|_| TracesError::Begun)?;
    let exporter = Exporter {
        spool,
        collector,
        delay: config.delay,
    };
    aside.spawn(exporter.run(aside.stopping()));
    Ok(Traces { aside: Some(aside) })
}

impl Traces {
    /// Sends what is left, and ends the thread, within two seconds.
    ///
    /// # Cancellation
    ///
    /// Loses what was not sent yet.
    pub async fn stop(self) {
        if let Some(aside) = self.aside {
            aside.stop(STOP_PATIENCE).await;
        }
    }
}

/// Returns what makes spans, `None` where nothing is traced.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// Hands spans that have ended to the spool.
#[derive(Debug)]
struct Ended(Arc<Spool>);

impl SpanProcessor for Ended {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn sampler(config: &TracesConfig) -> SdkSampler {
    let ratio = SdkSampler::TraceIdRatioBased(config.ratio.get());
    let parent_or = |root| SdkSampler::ParentBased(Box::new(root));
    match config.sampler {
        Sampler::AlwaysOn => SdkSampler::AlwaysOn,
        Sampler::AlwaysOff => SdkSampler::AlwaysOff,
        Sampler::Ratio => ratio,
        Sampler::ParentOrOn => parent_or(SdkSampler::AlwaysOn),
        Sampler::ParentOrOff => parent_or(SdkSampler::AlwaysOff),
        Sampler::ParentOrRatio => parent_or(ratio),
    }
}

/// Says who sends the spans; what the configuration gives counts most.
fn resource(config: &TracesConfig, program: &str, version: &str) -> Resource {
    let own = |key: &'static str, value: String| KeyValue::new(key, value);
    let given = config.resource.iter();
    Resource::builder_empty()
        .with_attributes([
            own("service.name", program.to_owned()),
            own("service.version", version.to_owned()),
            own("host.name", machine::host_name()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .with_attributes(given.map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
        .with_attributes(
            config
                .service_name
                .clone()
                .map(|name| own("service.name", name)),
        )
        .build()
}
