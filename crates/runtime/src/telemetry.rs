//! Telemetry: logs for people or machines, and traces to an OTLP collector where one is named.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What to log and where to send traces.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// For example reverie or memory-store: the traces' service.name.
    pub service: String,
    /// For example info or reverie=debug,warn; see tracing-subscriber's EnvFilter.
    pub filter: String,
    pub format: LogFormat,
    /// An OTLP/gRPC collector, for example http://127.0.0.1:4317. None sends nothing.
    pub otlp_endpoint: Option<String>,
}

/// Sends what is left when it is dropped.
#[derive(Debug, Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            // Nobody is left to be told that the last spans did not get through.
            let _ = provider.shutdown();
        }
    }
}

/// Sets up logs and traces for the whole process. A second call in one process changes nothing.
pub fn init(settings: &Settings) -> Result<Telemetry, Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider =
        settings.otlp_endpoint.as_deref().map(|endpoint| provider(endpoint, &settings.service)).transpose()?;
    // Only ours: the exporter's own connection has spans too, and would feed itself.
    let ours = Targets::new().with_target("reverie", LevelFilter::INFO);
    let traces =
        provider.as_ref().map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer("reverie")).with_filter(ours));
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let logs = match settings.format {
        LogFormat::Text => logs.with_target(false).boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let _ = tracing_subscriber::registry().with(traces).with(logs.with_filter(filter)).try_init();
    Ok(Telemetry { provider })
}

fn provider(endpoint: &str, service: &str) -> Result<SdkTracerProvider, Box<dyn std::error::Error + Send + Sync>> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
