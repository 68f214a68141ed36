//! AccessService.

use domain::access::Action;
use proto::convert::{access, page};
use proto::memory as pb;
use proto::memory::access_service_server::AccessService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status};

use crate::MemoryStore;
use crate::access::attach::Attached;
use crate::access::audit::Audited;

pub struct AccessRpc(pub MemoryStore);

#[tonic::async_trait]
impl AccessService for AccessRpc {
    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let principal = principal(&request)?;
        let new = access::to_new_token(request.into_inner()).map_err(refuse)?;
        let issued = self.0.access().create_token(&principal, new, &self.0).await;
        let issued = issued.audited(self.0.refusals(), &principal, Action::TokenCreate, None).map_err(refuse)?;
        let (token, secret) = (Some(issued.token.into()), issued.secret.expose().to_owned());
        Ok(Response::new(pb::CreateTokenResponse { token, secret }))
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let page = page::to_page(request.page_size, request.page_token).map_err(refuse)?;
        let page = self.0.access().list_tokens(&principal, page, request.include_ended).await;
        let page = page.audited(self.0.refusals(), &principal, Action::TokenCreate, None).map_err(refuse)?;
        let tokens = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTokensResponse { tokens, next_page_token: page.next_page_token }))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let principal = principal(&request)?;
        let token = access::to_token_id("token", &request.into_inner().token).map_err(refuse)?;
        let token = self.0.access().revoke_token(&principal, token).await;
        let token = token.audited(self.0.refusals(), &principal, Action::TokenCreate, None).map_err(refuse)?;
        Ok(Response::new(pb::RevokeTokenResponse { token: Some(token.into()) }))
    }

    async fn attach_session(
        &self,
        request: Request<pb::AttachSessionRequest>,
    ) -> Result<Response<pb::AttachSessionResponse>, Status> {
        let principal = principal(&request)?;
        let attach = access::to_attach_session(request.into_inner()).map_err(refuse)?;
        let attached = self.0.access().attach_session(&principal, attach, &self.0).await;
        let attached = attached.audited(self.0.refusals(), &principal, Action::SessionAttach, None).map_err(refuse)?;
        Ok(Response::new(pb::AttachSessionResponse {
            secret: attached.secret.as_ref().map(|s| s.expose().to_owned()).unwrap_or_default(),
            token: attached.token.clone().map(Into::into),
            prompt_note: attached.prompt_note.clone(),
            attachments: listed(attached),
        }))
    }

    async fn get_attachments(
        &self,
        request: Request<pb::GetAttachmentsRequest>,
    ) -> Result<Response<pb::GetAttachmentsResponse>, Status> {
        let principal = principal(&request)?;
        let session = access::to_optional_session("session", &request.into_inner().session).map_err(refuse)?;
        let attached = self.0.access().attachments(&principal, session, &self.0).await;
        let attached = attached.audited(self.0.refusals(), &principal, Action::SessionRead, None).map_err(refuse)?;
        let prompt_note = attached.prompt_note.clone();
        Ok(Response::new(pb::GetAttachmentsResponse { attachments: listed(attached), prompt_note }))
    }

    async fn who_am_i(&self, request: Request<pb::WhoAmIRequest>) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let principal = principal(&request)?;
        let token = self.0.access().who_am_i(&principal).await.map_err(refuse)?;
        Ok(Response::new(pb::WhoAmIResponse {
            workspace: principal.workspace.to_string(),
            token: Some(token.into()),
            effective_scope: Some(principal.scope.into()),
        }))
    }
}

fn listed(attached: Attached) -> Vec<pb::Attachment> {
    let attachments = attached.attachments.into_iter();
    attachments.map(|(attachment, handle)| access::from_attachment(attachment, handle.as_str())).collect()
}
