//! `reverie serve`: each role in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use client::{Client, answer};
use domain::access::Secret;
use futures_util::TryStreamExt as _;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proto::{dream, memory};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::run::{Serving, argument, run, stderr};

/// One span: of which service, in which trace, of which name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    service: String,
    trace: Vec<u8>,
    name: String,
}

/// An OTLP collector that keeps what it gets.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    async fn start(&self) -> Result<(String, JoinSet<()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("the collector serves");
        });
        Ok((address, tasks))
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for group in request.into_inner().resource_spans {
            let attributes = group.resource.unwrap_or_default().attributes;
            let service = attributes.into_iter().find(|a| a.key == "service.name").and_then(|a| a.value?.value);
            let Some(Value::StringValue(service)) = service else { continue };
            let all = group.scope_spans.into_iter().flat_map(|s| s.spans);
            spans.extend(all.map(|s| Span { service: service.clone(), trace: s.trace_id, name: s.name }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Three roles, each in its own process with its own folder.
struct Roles {
    memory: String,
    dreams: String,
    admin: Secret,
    processes: Vec<Serving>,
}

async fn start(folder: &Path, otlp: &str) -> Result<Roles> {
    let mut processes = Vec::new();
    let mut urls: Vec<String> = Vec::new();
    for role in ["memory-store", "transcript-ingest", "dream-orchestrator"] {
        let peer = |n: usize| urls.get(n).cloned().unwrap_or_default();
        let data = folder.join(role);
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata = {data:?}\ncache_mib = 16\n\
             [peers]\nmemory_store = {:?}\ntranscript_ingest = {:?}\n\
             [log]\nformat = \"json\"\n[otlp]\nendpoint = {otlp:?}\n",
            peer(0),
            peer(1),
        );
        let file = folder.join(format!("{role}.toml"));
        std::fs::write(&file, config)?;
        let mut process = Serving::start(&["serve", "--role", role, "--config", argument(&file)])?;
        let line: serde_json::Value = serde_json::from_str(&process.logs("\"serving\"").await?)?;
        urls.push(format!("http://{}", line["fields"]["address"].as_str().context("it says its address")?));
        processes.push(process);
    }
    let admin = std::fs::read_to_string(folder.join("memory-store/admin.token"))?;
    Ok(Roles { memory: urls[0].clone(), dreams: urls[2].clone(), admin: Secret::new(admin.trim()), processes })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_is_one_trace_through_all_three_services() -> Result<()> {
    let collector = Collector::default();
    let (otlp, _collecting) = collector.start().await?;
    let folder = TempDir::new()?;
    let roles = start(folder.path(), &otlp).await?;
    let client = Client::connect(&roles.memory, roles.admin.clone())?;
    let store = memory::CreateStoreRequest { handle: "team".into(), name: "Team".into(), ..Default::default() };
    answer(client.stores().create_store(store).await)?;

    let dreams = Client::connect(&roles.dreams, roles.admin.clone())?;
    let selector = dream::session_selector::Selector::Filter(dream::DreamSessionFilter::default());
    let request = dream::CreateDreamRequest {
        store: "team".into(),
        sessions: Some(dream::SessionSelector { selector: Some(selector) }),
        ..Default::default()
    };
    let made = answer(dreams.dreams().create_dream(request).await)?.dream.unwrap_or_default();
    let watch = dreams.watch_dream(dream::WatchDreamRequest { dream: made.id });
    let last = watch.try_collect::<Vec<_>>().await?.pop().and_then(|w| w.dream).context("a dream is watched")?;
    println!("the dream ended as {:?}: {:?}", last.state(), last.error);
    for process in roles.processes {
        assert_eq!(process.stop().await?.code(), Some(0));
    }

    let mut services: BTreeMap<Vec<u8>, BTreeSet<(String, String)>> = BTreeMap::new();
    for span in collector.spans() {
        services.entry(span.trace).or_default().insert((span.service, span.name));
    }
    let created = ("dream-orchestrator".to_owned(), "reverie.dream.v1.DreamService/CreateDream".to_owned());
    let trace = services.values().find(|spans| spans.contains(&created)).context("the call has a span")?;
    let names: BTreeSet<&str> = trace.iter().map(|(service, _)| service.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["dream-orchestrator", "memory-store", "transcript-ingest"]), "{trace:#?}");
    let token = roles.admin.expose();
    assert!(collector.spans().iter().all(|s| !s.name.contains(token)), "no span carries a credential");
    Ok(())
}

#[tokio::test]
async fn beyond_loopback_memory_store_wants_a_token_that_somebody_chose() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("reverie.toml");
    let data = folder.path().join("data");
    std::fs::write(&file, format!("listen = \"0.0.0.0:0\"\ndata = {data:?}\n"))?;
    let refused = run(&["serve", "--role", "memory-store", "--config", argument(&file)], &[]).await?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("admin.token_file"), "{}", stderr(&refused));
    assert!(!data.exists(), "it refused before it made anything");
    Ok(())
}

#[tokio::test]
async fn a_configuration_with_an_unknown_key_is_refused_by_file_and_key() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n")?;
    let refused = run(&["serve", "--role", "memory-store", "--config", argument(&file)], &[]).await?;
    let said = stderr(&refused);
    assert!(!refused.status.success() && said.contains("lisen") && said.contains("mine.toml"), "{said}");
    Ok(())
}
