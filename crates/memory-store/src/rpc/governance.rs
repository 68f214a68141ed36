//! GovernanceService.

use domain::access::Action;
use domain::store::StoreRef;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use proto::convert::store_ref::to_store_ref;
use proto::convert::{governance, portability};
use proto::error::from_status;
use proto::memory as pb;
use proto::memory::governance_service_server::GovernanceService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status, Streaming};

use super::permit;
use crate::MemoryStore;
use crate::access::audit::Audited;

pub struct GovernanceRpc(pub MemoryStore);

#[tonic::async_trait]
impl GovernanceService for GovernanceRpc {
    async fn redact(&self, request: Request<pb::RedactRequest>) -> Result<Response<pb::RedactResponse>, Status> {
        let principal = principal(&request)?;
        let (store, redact) = governance::to_redact(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRedact, &store).await.map_err(refuse)?;
        let redaction = self.0.redact(&permit, &redact).await;
        let redaction = redaction
            .audited(self.0.refusals(), &principal, Action::StoreRedact, Some(permit.store()))
            .map_err(refuse)?;
        Ok(Response::new(pb::RedactResponse { redaction: Some(redaction.into()) }))
    }

    async fn get_redaction(
        &self,
        request: Request<pb::GetRedactionRequest>,
    ) -> Result<Response<pb::GetRedactionResponse>, Status> {
        let principal = principal(&request)?;
        let id = governance::to_redaction_id("redaction", &request.into_inner().redaction).map_err(refuse)?;
        let store = self.0.redaction_store(principal.workspace, id).await.map_err(refuse)?;
        let store = StoreRef::Id(store);
        let permit = permit(&self.0, &principal, Action::StoreRedact, &store).await.map_err(refuse)?;
        let redaction = self.0.redaction(&permit, id).await.map_err(refuse)?;
        Ok(Response::new(pb::GetRedactionResponse { redaction: Some(redaction.into()) }))
    }

    async fn list_redactions(
        &self,
        request: Request<pb::ListRedactionsRequest>,
    ) -> Result<Response<pb::ListRedactionsResponse>, Status> {
        let principal = principal(&request)?;
        let (store, page) = governance::to_list_redactions(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRedact, &store).await.map_err(refuse)?;
        let page = self.0.list_redactions(&permit, &page).await.map_err(refuse)?;
        let redactions = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListRedactionsResponse { redactions, next_page_token: page.next_page_token }))
    }

    async fn verify_history(
        &self,
        request: Request<pb::VerifyHistoryRequest>,
    ) -> Result<Response<pb::VerifyHistoryResponse>, Status> {
        let principal = principal(&request)?;
        let store = to_store_ref("store", &request.into_inner().store).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let verification = self.0.verify_history(&permit).await.map_err(refuse)?;
        Ok(Response::new(verification.into()))
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        let principal = principal(&request)?;
        let (store, mut filter, page) = governance::to_list_audit_events(request.into_inner()).map_err(refuse)?;
        let leave = principal.permit(Action::StoreAdminister);
        let leave = leave.audited(self.0.refusals(), &principal, Action::StoreAdminister, None).map_err(refuse)?;
        filter.store = match store {
            Some(store) => Some(self.0.stores().resolve(principal.workspace, &store).await.map_err(refuse)?),
            None => None,
        };
        let sees = |store| principal.sees_store(store);
        let page = self.0.list_audit_events(&leave, sees, &filter, &page).await.map_err(refuse)?;
        let events = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { events, next_page_token: page.next_page_token }))
    }

    type ExportStoreStream = BoxStream<'static, Result<pb::ExportStoreResponse, Status>>;

    async fn export_store(
        &self,
        request: Request<pb::ExportStoreRequest>,
    ) -> Result<Response<Self::ExportStoreStream>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let export = portability::to_export(&request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let (revision, chunks) = self.0.export(&permit, &export).await.map_err(refuse)?;
        let answers = chunks.enumerate().map(move |(number, chunk)| {
            let read_revision = if number == 0 { revision } else { 0 };
            Ok(pb::ExportStoreResponse { chunk: chunk.map_err(refuse)?, read_revision })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn import_store(
        &self,
        request: Request<Streaming<pb::ImportStoreRequest>>,
    ) -> Result<Response<pb::ImportStoreResponse>, Status> {
        let principal = principal(&request)?;
        let permit = principal
            .permit(Action::StoreCreate)
            .audited(self.0.refusals(), &principal, Action::StoreCreate, None)
            .map_err(refuse)?;
        let parts = request
            .into_inner()
            .map(|part| part.map_err(|status| from_status(&status)).and_then(portability::to_import_part));
        let report = self.0.import_parts(&permit, parts).await.map_err(refuse)?;
        // Who makes a store may read and write it.
        self.0.access().grant(principal.workspace, principal.token, report.store.id).await.map_err(refuse)?;
        Ok(Response::new(report.into()))
    }
}
