//! The service as clients reach it: over gRPC, with tokens.

use std::pin::Pin;

use domain::access::{Authenticator, Secret};
use domain::{Error, Kind};
use futures_util::StreamExt as _;
use proto::transcript as pb;
use proto::transcript::transcript_service_client::TranscriptServiceClient;
use runtime::server::Server;
use runtime::task::{Task, spawn};
use tonic::Code;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;

use super::*;

/// Tokens: `writer`, `reader`, and `sesn_...` for that session's own.
struct Tokens;

impl Authenticator for Tokens {
    fn authenticate<'a>(
        &'a self,
        secret: &'a Secret,
    ) -> Pin<Box<dyn Future<Output = domain::Result<Principal>> + Send + 'a>> {
        Box::pin(async move {
            let mut principal = principal(1);
            match secret.expose() {
                "writer" => {}
                "reader" => principal.scope.role = Role::Reader,
                session => {
                    let unknown = |_| Error::new(Kind::Unauthenticated, "UNAUTHENTICATED", "no such token");
                    principal.session = Some(session.parse().map_err(unknown)?);
                }
            }
            Ok(principal)
        })
    }
}

type Client = TranscriptServiceClient<InterceptedService<Channel, Bearer>>;

#[derive(Clone)]
struct Bearer(String);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.0).parse().unwrap());
        Ok(request)
    }
}

struct Served {
    bench: Bench,
    channel: Channel,
    _task: Task<std::io::Result<()>>,
}

impl Served {
    async fn new() -> Served {
        let bench = Bench::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let services = ["reverie.transcript.v1.TranscriptService"];
        let server =
            Server::new("transcript-ingest", bench.ingest.routes(), services, Arc::new(Tokens), bench.shutdown.clone());
        let task = spawn("server", server.run(listener));
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        Served { bench, channel, _task: task }
    }

    fn client(&self, token: impl ToString) -> Client {
        TranscriptServiceClient::with_interceptor(self.channel.clone(), Bearer(token.to_string()))
    }
}

fn event(text: &str) -> pb::Event {
    pb::Event {
        actor: pb::EventActor::User as i32,
        body: Some(pb::event::Body::Message(pb::Message { text: text.into() })),
        ..Default::default()
    }
}

fn append(session: &str, first_seq: u64, text: &str) -> pb::AppendEventsRequest {
    pb::AppendEventsRequest { session: session.into(), first_seq, events: vec![event(text)] }
}

#[tokio::test]
async fn a_run_is_recorded_read_and_watched_over_the_wire() {
    let served = Served::new().await;
    let mut client = served.client("writer");
    let session =
        client.create_session(pb::CreateSessionRequest::default()).await.unwrap().into_inner().session.unwrap();
    let durable = client.append_events(append(&session.id, 1, "hello")).await.unwrap().into_inner().durable_seq;
    let outcome = Some(pb::Outcome { value: 1.0, label: String::new(), source: pb::OutcomeSource::User as i32 });
    let end = pb::EndSessionRequest { session: session.id.clone(), outcome, last_seq: Some(1) };
    let ended = client.end_session(end).await.unwrap().into_inner().session.unwrap();
    assert_eq!((durable, ended.state(), ended.last_seq), (1, pb::SessionState::Ended, 1));

    let read = pb::ReadEventsRequest { session: session.id.clone(), after_seq: 0 };
    let pages: Vec<_> = client.read_events(read).await.unwrap().into_inner().map(|p| p.unwrap().events).collect().await;
    assert_eq!(pages.concat(), [pb::Event { seq: 1, ..event("hello") }]);

    let mut watch =
        client.watch_sessions(pb::WatchSessionsRequest { after_cursor: Some(1) }).await.unwrap().into_inner();
    let notice = watch.next().await.unwrap().unwrap();
    assert_eq!((notice.cursor, notice.kind(), notice.session), (2, pb::SessionEventKind::Ended, session.id));
    served.bench.shutdown.cancel();
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn refusals_carry_their_reasons_over_the_wire() {
    let served = Served::new().await;
    let mut client = served.client("writer");
    let session =
        client.create_session(pb::CreateSessionRequest::default()).await.unwrap().into_inner().session.unwrap();
    let status = client.append_events(append(&session.id, 5, "x")).await.unwrap_err();
    let error = proto::error::from_status(&status);
    assert_eq!((status.code(), error.reason()), (Code::FailedPrecondition, "SEQ_GAP"));
    assert_eq!(error.details().metadata, [("expected_seq", "1".to_owned())]);
    let status = client.append_events(append("nonsense", 0, "x")).await.unwrap_err();
    let fields: Vec<_> =
        proto::error::from_status(&status).details().violations.iter().map(|v| v.field.clone()).collect();
    assert_eq!((status.code(), fields), (Code::InvalidArgument, vec!["session".to_owned(), "first_seq".to_owned()]));
}

#[tokio::test]
async fn tokens_reach_what_they_may_and_no_more() {
    let served = Served::new().await;
    let own = SessionId::from_bytes([5; 16]);
    let other = served.bench.session().await.id.to_string();
    let mut agent = served.client(own);
    let made = agent.create_session(pb::CreateSessionRequest::default()).await.unwrap().into_inner().session.unwrap();
    assert_eq!(made.id, own.to_string(), "a session token begins its own session");
    agent.append_events(append(&made.id, 1, "x")).await.unwrap();
    for status in [
        agent.append_events(append(&other, 1, "x")).await.err(),
        agent.get_session(pb::GetSessionRequest { session: other.clone() }).await.err(),
        agent.read_events(pb::ReadEventsRequest { session: other.clone(), after_seq: 0 }).await.err(),
        agent.end_session(pb::EndSessionRequest { session: other.clone(), ..Default::default() }).await.err(),
        agent.create_session(pb::CreateSessionRequest { session: other.clone(), ..Default::default() }).await.err(),
    ] {
        assert_eq!(status.unwrap().code(), Code::NotFound);
    }
    let no_parts = tokio_stream::iter(Vec::<pb::ImportTranscriptsRequest>::new());
    assert_eq!(agent.import_transcripts(no_parts).await.unwrap_err().code(), Code::PermissionDenied);

    let mut reader = served.client("reader");
    assert!(reader.get_session(pb::GetSessionRequest { session: other.clone() }).await.is_ok());
    assert_eq!(reader.append_events(append(&other, 1, "x")).await.unwrap_err().code(), Code::PermissionDenied);
    let status = served.client("nobody").get_session(pb::GetSessionRequest { session: other }).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_file_is_imported_over_the_wire_and_listed_in_pages() {
    use pb::import_transcripts_request::Part;

    let served = Served::new().await;
    let mut client = served.client("writer");
    let file = fixture("tau_bench/gpt-4o-airline.json");
    let part = |part| pb::ImportTranscriptsRequest { part: Some(part) };
    let header = part(Part::Header(pb::ImportHeader { source_name: "airline.json".into(), ..Default::default() }));
    let chunks = file.chunks(50_000).map(|c| part(Part::Chunk(bytes::Bytes::copy_from_slice(c))));
    let parts: Vec<_> = [header].into_iter().chain(chunks).collect();
    let report = client.import_transcripts(tokio_stream::iter(parts)).await.unwrap().into_inner();
    assert_eq!((report.sessions.len(), report.format()), (28, pb::TranscriptFormat::TauBench));

    let filter = Some(pb::SessionFilter { outcome: "success".into(), ..Default::default() });
    let request = |page_token| pb::ListSessionsRequest { filter: filter.clone(), page_size: 4, page_token };
    let (mut token, mut sizes) = (String::new(), Vec::new());
    loop {
        let page = client.list_sessions(request(token)).await.unwrap().into_inner();
        sizes.push(page.sessions.len());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes.iter().sum::<usize>(), 10, "{sizes:?}");
}
