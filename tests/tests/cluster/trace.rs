//! Tracing: one request is one trace through every service that it touches, and an OTLP collector
//! receives it. The process has one tracer: this test runs the real command beside a collector of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use client::Client;
use domain::access::Secret;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proto::dream as dpb;
use proto::dream::session_selector::Selector;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::cluster::{answer, create_store};

/// The roles of the spans of each trace that has arrived.
type Traces = Arc<Mutex<BTreeMap<Vec<u8>, BTreeSet<String>>>>;

struct Collector(Traces);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().expect("no test panics with it");
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        for span in spans {
            let role = span.attributes.iter().find(|a| a.key == "role").and_then(|a| a.value.as_ref()?.value.as_ref());
            if let Some(Value::StringValue(role)) = role {
                traces.entry(span.trace_id.clone()).or_default().insert(role.clone());
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Ends the command when the test does.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The `reverie` command beside this test's own binary, where `cargo test --workspace` has built it.
fn command() -> Option<std::path::PathBuf> {
    let test = std::env::current_exe().ok()?;
    let found = test.parent()?.parent()?.join("reverie");
    found.exists().then_some(found)
}

async fn addresses(file: &Path) -> Result<serde_json::Value> {
    let wait = async {
        loop {
            match std::fs::read(file) {
                Ok(text) => return serde_json::from_slice(&text),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    Ok(tokio::time::timeout(Duration::from_secs(60), wait).await.context("the cluster does not come up")??)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_is_one_trace_through_all_three_services() -> Result<()> {
    let Some(command) = command() else {
        println!("skipped: the reverie command is not built; cargo test --workspace builds it");
        return Ok(());
    };
    let traces = Traces::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let collector = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(traces.clone())));
    let serving = runtime::task::spawn("collector", collector.serve_with_incoming(TcpIncoming::from(listener)));

    let folder = tempfile::tempdir()?;
    let _up = Up(Command::new(command)
        .args(["up", "--port-base", "0", "--data"])
        .arg(folder.path())
        .args(["--otlp-endpoint", &endpoint])
        .stdout(Stdio::null())
        .spawn()?);
    let addresses = addresses(&folder.path().join("up.json")).await?;
    let token = std::fs::read_to_string(folder.path().join("admin.token"))?;
    // The dream service's own address: the base address would answer for all three with one role.
    let base = Client::connect(addresses["base"].as_str().context("base")?, Secret::new(token.trim()))?;
    let dreams = Client::connect(
        addresses["services"]["dream-orchestrator"].as_str().context("dreams")?,
        Secret::new(token.trim()),
    )?;
    create_store(&base, "team").await?;
    let request = dpb::CreateDreamRequest {
        store: "team".into(),
        sessions: Some(dpb::SessionSelector { selector: Some(Selector::Filter(Default::default())) }),
        ..Default::default()
    };
    answer(dreams.dreams().create_dream(request).await)?;

    let all =
        BTreeSet::from(["dream-orchestrator".to_owned(), "memory-store".to_owned(), "transcript-ingest".to_owned()]);
    let whole = async {
        while !traces.lock().expect("no test panics with it").values().any(|roles| all.is_subset(roles)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(60), whole).await;
    drop(serving);
    assert!(
        arrived.is_ok(),
        "no trace has all three services: {:?}",
        traces.lock().expect("no test panics with it").values()
    );
    Ok(())
}
