//! The process: what it says of itself, whom it lets in, how it stops and starts again.

use std::time::Duration;

use anyhow::Result;
use client::Client;
use domain::Kind;
use domain::access::Secret;
use proto::memory as pb;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::cluster::{Running, answer, create_store, write};

/// Every service of the contract, by its full name, as the protos say.
fn services() -> Result<Vec<String>> {
    let service = regex::Regex::new(r"(?m)^service (\w+) ")?;
    let mut services = Vec::new();
    for package in ["memory", "transcript", "dream"] {
        let folder = format!("{}/../proto/reverie/{package}/v1", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder)? {
            let text = std::fs::read_to_string(file?.path())?;
            services.extend(service.captures_iter(&text).map(|c| format!("reverie.{package}.v1.{}", &c[1])));
        }
    }
    assert!(services.len() >= 7, "{services:?}");
    Ok(services)
}

/// A drain with only watches open takes far less; one that waits for them to end takes DRAIN_S.
const DRAINED: Duration = Duration::from_secs(domain::limits::DRAIN_S / 2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_serves_every_service_and_says_so_to_anybody() -> Result<()> {
    let cluster = Running::start().await?;
    let channel = tonic::transport::Endpoint::from_shared(cluster.cluster.url())?.connect().await?;
    for service in services()? {
        let request = HealthCheckRequest { service: service.clone() };
        let health = HealthClient::new(channel.clone()).check(request).await?.into_inner();
        assert_eq!(health.status, 1, "{service} serves");
    }
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers =
        ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::iter([ask])).await?.into_inner();
    let listed = match answers.message().await?.and_then(|a| a.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => {
            list.service.into_iter().map(|s| s.name).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    for service in services()? {
        assert!(listed.contains(&service), "{service} is not among {listed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_a_credential_at_any_service() -> Result<()> {
    let cluster = Running::start().await?;
    for secret in ["", "rv1_made-up"] {
        let nobody = cluster.client(Secret::new(secret));
        let refusals = [
            answer(nobody.stores().list_stores(pb::ListStoresRequest::default()).await).unwrap_err(),
            answer(nobody.transcripts().list_sessions(proto::transcript::ListSessionsRequest::default()).await)
                .unwrap_err(),
            answer(nobody.dreams().list_dreams(proto::dream::ListDreamsRequest::default()).await).unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.kind(), Kind::Unauthenticated, "{refusal}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_open_watches_and_what_was_written_is_there_afterwards() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    create_store(&admin, "team").await?;
    write(&admin, "team", "/a.md", "kept\n").await?;
    let watch = pb::WatchStoreRequest { store: "team".into(), after_revision: Some(0), path_glob: String::new() };
    let mut events = answer(admin.memory().watch_store(watch).await)?;
    let first = answer(events.message().await.map(tonic::Response::new))?;
    assert!(first.is_some());

    let stopping = tokio::time::timeout(DRAINED, cluster.stop());
    let watching = async {
        loop {
            match events.message().await {
                Ok(Some(_)) => {}
                ended => return ended,
            }
        }
    };
    let began = std::time::Instant::now();
    let (folder, ended) = tokio::join!(stopping, watching);
    println!("drained in {} ms", began.elapsed().as_millis());
    assert_eq!(ended.unwrap_err().code(), tonic::Code::Unavailable);

    let cluster = Running::start_in(folder??).await?;
    let memory = Some(pb::get_memory_request::Memory::Path("/a.md".into()));
    let request = pb::GetMemoryRequest { store: "team".into(), memory, revision: 0 };
    let found = answer(cluster.admin().memory().get_memory(request).await)?.memory.unwrap_or_default();
    assert_eq!(found.content, "kept\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_is_told_each_wrong_field_by_its_name() -> Result<()> {
    let cluster = Running::start().await?;
    let admin: Client = cluster.admin();
    create_store(&admin, "team").await?;
    let refused = write(&admin, "team", "no-slash", "text\n").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(refused.details().violations[0].field, "operations[0].write.path");
    let refused = answer(admin.dreams().create_dream(proto::dream::CreateDreamRequest::default()).await).unwrap_err();
    assert_eq!(refused.details().violations[0].field, "store");
    Ok(())
}
