//! TranscriptService: each handler converts, asks for a permit, calls.

use domain::access::Action;
use futures_util::stream::{BoxStream, StreamExt as _};
use proto::convert::page::to_page;
use proto::convert::session::to_session_id;
use proto::convert::transcript::{to_append, to_end, to_filter, to_import_part, to_new_session};
use proto::error::from_status;
use proto::transcript as pb;
use proto::transcript::transcript_service_server::TranscriptService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status, Streaming};

use crate::access::{self, Reach};
use crate::ingest::TranscriptIngest;

pub struct Transcripts(pub TranscriptIngest);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TranscriptService for Transcripts {
    async fn create_session(&self, request: Request<pb::CreateSessionRequest>) -> Answer<pb::CreateSessionResponse> {
        let principal = principal(&request)?;
        let mut new = to_new_session(request.into_inner()).map_err(refuse)?;
        let permit = access::to_create(&principal, &mut new).map_err(refuse)?;
        let session = self.0.create(&permit, new).await.map_err(refuse)?;
        Ok(Response::new(pb::CreateSessionResponse { session: Some(session.into()) }))
    }

    async fn append_events(&self, request: Request<pb::AppendEventsRequest>) -> Answer<pb::AppendEventsResponse> {
        let principal = principal(&request)?;
        let append = to_append(request.into_inner()).map_err(refuse)?;
        let permit = principal.permit_session(Action::SessionRecord, append.session).map_err(refuse)?;
        let durable_seq = self.0.append(&permit, append).await.map_err(refuse)?;
        Ok(Response::new(pb::AppendEventsResponse { durable_seq }))
    }

    async fn end_session(&self, request: Request<pb::EndSessionRequest>) -> Answer<pb::EndSessionResponse> {
        let principal = principal(&request)?;
        let end = to_end(request.into_inner()).map_err(refuse)?;
        let permit = principal.permit_session(Action::SessionRecord, end.session).map_err(refuse)?;
        let session = self.0.end(&permit, end).await.map_err(refuse)?;
        Ok(Response::new(pb::EndSessionResponse { session: Some(session.into()) }))
    }

    async fn get_session(&self, request: Request<pb::GetSessionRequest>) -> Answer<pb::GetSessionResponse> {
        let principal = principal(&request)?;
        let id = to_session_id("session", &request.into_inner().session).map_err(refuse)?;
        let permit = principal.permit_session(Action::SessionRead, id).map_err(refuse)?;
        let session = self.0.get(&permit, id).await.map_err(refuse)?;
        Ok(Response::new(pb::GetSessionResponse { session: Some(session.into()) }))
    }

    async fn list_sessions(&self, request: Request<pb::ListSessionsRequest>) -> Answer<pb::ListSessionsResponse> {
        let reach = Reach::new(&principal(&request)?).map_err(refuse)?;
        let request = request.into_inner();
        let page = to_page(request.page_size, request.page_token).map_err(refuse)?;
        let filter = to_filter(request.filter).map_err(refuse)?;
        let page = self.0.list(&reach, &filter, &page).await.map_err(refuse)?;
        let sessions = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token: page.next_page_token }))
    }

    type ReadEventsStream = BoxStream<'static, Result<pb::ReadEventsResponse, Status>>;

    async fn read_events(&self, request: Request<pb::ReadEventsRequest>) -> Answer<Self::ReadEventsStream> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let id = to_session_id("session", &request.session).map_err(refuse)?;
        let permit = principal.permit_session(Action::SessionRead, id).map_err(refuse)?;
        let pages = self.0.read(&permit, id, request.after_seq).await.map_err(refuse)?;
        let answer = |events: Vec<_>| pb::ReadEventsResponse { events: events.into_iter().map(Into::into).collect() };
        Ok(Response::new(pages.map(move |page| page.map(answer).map_err(refuse)).boxed()))
    }

    async fn import_transcripts(
        &self,
        request: Request<Streaming<pb::ImportTranscriptsRequest>>,
    ) -> Answer<pb::ImportTranscriptsResponse> {
        let permit = access::to_import(&principal(&request)?).map_err(refuse)?;
        let parts = request.into_inner().map(|part| part.map_err(|s| from_status(&s)).and_then(to_import_part));
        let report = self.0.import_parts(&permit, parts).await.map_err(refuse)?;
        Ok(Response::new(report.into()))
    }

    type WatchSessionsStream = BoxStream<'static, Result<pb::WatchSessionsResponse, Status>>;

    async fn watch_sessions(&self, request: Request<pb::WatchSessionsRequest>) -> Answer<Self::WatchSessionsStream> {
        let reach = Reach::new(&principal(&request)?).map_err(refuse)?;
        let notices = self.0.watch(reach, request.into_inner().after_cursor).await.map_err(refuse)?;
        Ok(Response::new(notices.map(|notice| notice.map(Into::into).map_err(refuse)).boxed()))
    }
}
