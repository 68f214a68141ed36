//! The gRPC handlers: convert, ask for a permit, call.

use domain::access::Action;
use domain::limits;
use futures_util::{Stream, StreamExt as _};
use proto::convert::{change, dream as convert};
use proto::dream as pb;
use proto::dream::dream_service_server::{DreamService, DreamServiceServer};
use runtime::auth::{principal, secret};
use runtime::refusal::refuse;
use std::pin::Pin;
use tonic::{Request, Response, Status};

use crate::DreamOrchestrator;
use crate::adopt::Adopt;
use crate::caller::Caller;

mod answers;

use self::answers::{change_answer, dream_answer, event_answer, sessions_of};

pub fn routes(orchestrator: &DreamOrchestrator) -> tonic::service::Routes {
    let service = DreamServiceServer::new(orchestrator.clone())
        .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX);
    tonic::service::Routes::new(service)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl DreamService for DreamOrchestrator {
    async fn create_dream(&self, request: Request<pb::CreateDreamRequest>) -> Answer<pb::CreateDreamResponse> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let new = convert::to_new_dream(request.into_inner()).map_err(refuse)?;
        let caller = Caller::new(&principal, secret, Action::DreamStart).map_err(refuse)?;
        let dream = self.create(&caller, new).await.map_err(refuse)?;
        Ok(Response::new(pb::CreateDreamResponse { dream: Some(dream_answer(dream)) }))
    }

    async fn get_dream(&self, request: Request<pb::GetDreamRequest>) -> Answer<pb::GetDreamResponse> {
        let permit = principal(&request)?.permit(Action::DreamRead).map_err(refuse)?;
        let id = convert::to_dream_id(&request.get_ref().dream).map_err(refuse)?;
        let dream = self.dream(&permit, id).await.map_err(refuse)?;
        Ok(Response::new(pb::GetDreamResponse { dream: Some(dream_answer(dream)) }))
    }

    async fn list_dreams(&self, request: Request<pb::ListDreamsRequest>) -> Answer<pb::ListDreamsResponse> {
        let permit = principal(&request)?.permit(Action::DreamRead).map_err(refuse)?;
        let list = convert::to_list_dreams(request.into_inner()).map_err(refuse)?;
        let dreams = self.dreams(&permit, &list.states, &list.store, list.before, list.limit).await.map_err(refuse)?;
        let next_page_token =
            dreams.last().filter(|_| dreams.len() == list.limit).map(|d| d.id.to_string()).unwrap_or_default();
        let dreams = dreams.into_iter().map(dream_answer).collect();
        Ok(Response::new(pb::ListDreamsResponse { dreams, next_page_token }))
    }

    async fn cancel_dream(&self, request: Request<pb::CancelDreamRequest>) -> Answer<pb::CancelDreamResponse> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let caller = Caller::new(&principal, secret, Action::DreamStart).map_err(refuse)?;
        let id = convert::to_dream_id(&request.get_ref().dream).map_err(refuse)?;
        let dream = self.cancel(&caller, id).await.map_err(refuse)?;
        Ok(Response::new(pb::CancelDreamResponse { dream: Some(dream_answer(dream)) }))
    }

    type WatchDreamStream = Pin<Box<dyn Stream<Item = Result<pb::WatchDreamResponse, Status>> + Send>>;

    async fn watch_dream(&self, request: Request<pb::WatchDreamRequest>) -> Answer<Self::WatchDreamStream> {
        let permit = principal(&request)?.permit(Action::DreamRead).map_err(refuse)?;
        let id = convert::to_dream_id(&request.get_ref().dream).map_err(refuse)?;
        let dreams = self.watch(&permit, id).await.map_err(refuse)?;
        let answer = |dream| pb::WatchDreamResponse { dream: Some(dream_answer(dream)) };
        Ok(Response::new(Box::pin(dreams.map(move |dream| dream.map(answer).map_err(refuse)))))
    }

    async fn list_changes(&self, request: Request<pb::ListChangesRequest>) -> Answer<pb::ListChangesResponse> {
        let permit = principal(&request)?.permit(Action::DreamRead).map_err(refuse)?;
        let list = convert::to_list_changes(request.into_inner()).map_err(refuse)?;
        let (dream, rows) = self.changes(&permit, list.dream).await.map_err(refuse)?;
        let sessions = sessions_of(&dream);
        let more = rows.len() > list.skip + list.limit;
        let page = rows.into_iter().skip(list.skip).take(list.limit);
        let changes = page.map(|(row, review)| change_answer(row, review, &sessions)).collect();
        let next_page_token = if more { (list.skip + list.limit).to_string() } else { String::new() };
        Ok(Response::new(pb::ListChangesResponse { changes, next_page_token }))
    }

    async fn get_evidence(&self, request: Request<pb::GetEvidenceRequest>) -> Answer<pb::GetEvidenceResponse> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let request = request.into_inner();
        let id = convert::to_dream_id(&request.dream).map_err(refuse)?;
        let permit = principal.permit(Action::DreamRead).map_err(refuse)?;
        let evidence = request.evidence.unwrap_or_default();
        let parse = |dream: &crate::record::Dream| change::to_evidence("evidence", evidence, &sessions_of(dream));
        let opened = self.evidence(&permit, &secret, id, parse).await.map_err(refuse)?;
        let events = opened.events.iter().map(|e| event_answer(e, opened.quoted_seq)).collect();
        let answer =
            pb::GetEvidenceResponse { quote: opened.quote, events, agent: opened.agent, task_key: opened.task_key };
        Ok(Response::new(answer))
    }

    async fn review_change(&self, request: Request<pb::ReviewChangeRequest>) -> Answer<pb::ReviewChangeResponse> {
        let permit = principal(&request)?.permit(Action::DreamReview).map_err(refuse)?;
        let (id, change, decision, note) = convert::to_review(request.into_inner()).map_err(refuse)?;
        let (dream, row, review) = self.review(&permit, id, &change, decision, note).await.map_err(refuse)?;
        let change = change_answer(row, Some(review), &sessions_of(&dream));
        Ok(Response::new(pb::ReviewChangeResponse { change: Some(change) }))
    }

    async fn adopt_dream(&self, request: Request<pb::AdoptDreamRequest>) -> Answer<pb::AdoptDreamResponse> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let caller = Caller::new(&principal, secret, Action::DreamAdopt).map_err(refuse)?;
        let request = request.into_inner();
        let adopt = Adopt {
            dream: convert::to_dream_id(&request.dream).map_err(refuse)?,
            selection: convert::to_selection(request.changes).map_err(refuse)?,
            expected_target_revision: request.expected_target_revision,
            dry_run: request.dry_run,
            message: request.message,
            request_id: request.request_id,
        };
        let done = self.adopt(&caller, adopt).await.map_err(refuse)?;
        Ok(Response::new(pb::AdoptDreamResponse {
            dream: Some(dream_answer(done.dream)),
            revision: done.revision,
            adopted_changes: done.changes,
            no_op: done.no_op,
        }))
    }

    async fn discard_dream(&self, request: Request<pb::DiscardDreamRequest>) -> Answer<pb::DiscardDreamResponse> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let caller = Caller::new(&principal, secret, Action::DreamAdopt).map_err(refuse)?;
        let id = convert::to_dream_id(&request.get_ref().dream).map_err(refuse)?;
        let dream = self.discard(&caller, id).await.map_err(refuse)?;
        Ok(Response::new(pb::DiscardDreamResponse { dream: Some(dream_answer(dream)) }))
    }
}
