//! Metrics of a process, in Prometheus' text format at `/metrics` of an address of its own: it asks
//! nobody for a credential and says nothing about anybody's memories.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// Upper bounds in seconds: what a read from memory takes, up to the deadline of a call.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0];

/// One process's metrics. Cheap to clone; every clone counts into the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    seconds: HistogramVec,
    open: IntGaugeVec,
    database_bytes: GaugeVec,
    scrub_time: GaugeVec,
    scrub_problems: IntCounterVec,
}

impl Metrics {
    /// Fails only where two metrics have one name.
    pub fn new() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let seconds =
            HistogramOpts::new("reverie_rpc_seconds", "Seconds from a call's first byte to its answer's last.")
                .buckets(SECONDS.to_vec());
        let inner = Inner {
            seconds: HistogramVec::new(seconds, &["role", "rpc", "code"])?,
            open: IntGaugeVec::new(
                Opts::new("reverie_rpc_open", "Calls that are being answered, open streams among them."),
                &["role"],
            )?,
            database_bytes: GaugeVec::new(
                Opts::new("reverie_database_bytes", "Bytes of a role's database on the disk."),
                &["role"],
            )?,
            scrub_time: GaugeVec::new(
                Opts::new(
                    "reverie_scrub_sound_time_seconds",
                    "When a scrub last found a role's database sound, Unix time.",
                ),
                &["role"],
            )?,
            scrub_problems: IntCounterVec::new(
                Opts::new("reverie_scrub_problems_total", "Scrubs that found damage or could not go on."),
                &["role"],
            )?,
            registry,
        };
        let built = Gauge::with_opts(
            Opts::new("reverie_build", "1, with the version as a label.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        built.set(1.0);
        inner.registry.register(Box::new(built))?;
        inner.registry.register(Box::new(inner.seconds.clone()))?;
        inner.registry.register(Box::new(inner.open.clone()))?;
        inner.registry.register(Box::new(inner.database_bytes.clone()))?;
        inner.registry.register(Box::new(inner.scrub_time.clone()))?;
        inner.registry.register(Box::new(inner.scrub_problems.clone()))?;
        #[cfg(target_os = "linux")]
        inner.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Metrics(Arc::new(inner)))
    }

    /// A call of `rpc` (its path without the first slash) has begun. Dropping what is returned ends it.
    pub(crate) fn open(&self, role: &'static str) -> Open {
        let gauge = self.0.open.with_label_values(&[role]);
        gauge.inc();
        Open(gauge)
    }

    pub(crate) fn answered(&self, role: &'static str, rpc: &str, code: Code, seconds: f64) {
        // A caller may make up any path: only ours become labels.
        let known = proto::authorisation::action(&format!("/{rpc}")).is_some();
        let rpc = if known { rpc } else { "other" };
        self.0.seconds.with_label_values(&[role, rpc, &format!("{code:?}")]).observe(seconds);
    }

    /// How much room a role's database takes on the disk.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
    pub fn database_bytes(&self, role: &'static str, bytes: u64) {
        self.0.database_bytes.with_label_values(&[role]).set(bytes as f64);
    }

    /// A scrub of a role's database has ended at `time`, in seconds of Unix time.
    pub fn scrubbed(&self, role: &'static str, is_sound: bool, time: f64) {
        let problems = self.0.scrub_problems.with_label_values(&[role]);
        match is_sound {
            true => self.0.scrub_time.with_label_values(&[role]).set(time),
            false => problems.inc(),
        }
    }

    /// The text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.0.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written down");
                String::new()
            }
        }
    }

    /// Serves `/metrics` until `shutdown` fires.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let text = move || {
            let metrics = self.clone();
            async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text()) }
        };
        let routes = Router::new().route("/metrics", get(text));
        axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub(crate) struct Open(prometheus::IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_role_rpc_and_code_and_made_up_paths_are_one() {
        let metrics = Metrics::new().unwrap();
        let open = metrics.open("memory-store");
        let rpc = "reverie.memory.v1.MemoryService/GetMemory";
        metrics.answered("memory-store", rpc, Code::Ok, 0.0004);
        metrics.answered("memory-store", "made/up", Code::Unimplemented, 0.1);
        let text = metrics.text();
        let line = format!(r#"reverie_rpc_seconds_count{{code="Ok",role="memory-store",rpc="{rpc}"}} 1"#);
        assert!(text.contains(&line), "{text}");
        assert!(text.contains(r#"rpc="other"} 1"#) && !text.contains("made/up"), "{text}");
        assert!(text.contains(r#"reverie_rpc_open{role="memory-store"} 1"#), "{text}");
        drop(open);
        assert!(metrics.text().contains(r#"reverie_rpc_open{role="memory-store"} 0"#));
    }

    #[test]
    fn a_scrub_that_finds_damage_is_a_problem_and_no_new_sound_time() {
        let metrics = Metrics::new().unwrap();
        metrics.scrubbed("memory-store", true, 100.0);
        metrics.scrubbed("memory-store", false, 200.0);
        let text = metrics.text();
        assert!(text.contains(r#"reverie_scrub_sound_time_seconds{role="memory-store"} 100"#), "{text}");
        assert!(text.contains(r#"reverie_scrub_problems_total{role="memory-store"} 1"#), "{text}");
    }
}
