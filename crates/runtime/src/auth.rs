//! Authentication: from the credential of a request to the principal that the handler sees.

use std::sync::Arc;

use domain::access::{Authenticator, Principal, Secret};
use domain::{Clock, Error, Kind, limits};
use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;

use crate::layer::{Around, Next, refuse, run};
use crate::{refusal, rpc};

/// Who calls. INTERNAL where the server was put together without authentication.
pub fn principal<T>(request: &tonic::Request<T>) -> Result<Principal, Status> {
    extension(request)
}

/// The caller's own credential, to act on the caller's behalf.
pub fn secret<T>(request: &tonic::Request<T>) -> Result<Secret, Status> {
    extension(request)
}

fn extension<T, E: Clone + Send + Sync + 'static>(request: &tonic::Request<T>) -> Result<E, Status> {
    let found = request.extensions().get::<E>().cloned();
    found.ok_or_else(|| refusal::refuse(Error::internal("a handler runs without the authentication layer")))
}

#[derive(Clone)]
pub(crate) struct Authenticate {
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn Clock>,
}

impl Around for Authenticate {
    async fn around(self, mut request: Request<Body>, next: Next) -> Response<Body> {
        if rpc::is_public(request.uri().path()) {
            return run(next, request).await;
        }
        match self.check(request.headers()).await {
            Ok((principal, secret)) => {
                tracing::Span::current().record("workspace", tracing::field::display(principal.workspace));
                tracing::Span::current().record("subject", principal.subject.as_str());
                request.extensions_mut().insert(principal);
                request.extensions_mut().insert(secret);
                run(next, request).await
            }
            Err(error) => refuse(error),
        }
    }
}

impl Authenticate {
    async fn check(&self, headers: &HeaderMap) -> domain::Result<(Principal, Secret)> {
        let secret = credential(headers)?;
        let principal = self.authenticator.authenticate(&secret).await?;
        if principal.expire_time <= self.clock.now() {
            return Err(unauthenticated("the token has expired: get another"));
        }
        Ok((principal, secret))
    }
}

/// `authorization: Bearer TOKEN`, or `x-api-key: TOKEN`.
fn credential(headers: &HeaderMap) -> domain::Result<Secret> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = text("authorization")
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = bearer.map(|(_, token)| token.trim()).or(text("x-api-key")).unwrap_or_default();
    match token.len() {
        0 => Err(unauthenticated("send the metadata `authorization: Bearer TOKEN`")),
        1..=limits::TOKEN_BYTES_MAX => Ok(Secret::new(token)),
        _ => Err(unauthenticated("the token is longer than any of ours")),
    }
}

fn unauthenticated(message: &str) -> Error {
    Error::new(Kind::Unauthenticated, "UNAUTHENTICATED", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_credential_is_a_bearer_token_or_an_api_key() {
        assert_eq!(credential(&headers("authorization", "bearer rv1_x")).unwrap().expose(), "rv1_x");
        assert_eq!(credential(&headers("x-api-key", "rv1_x")).unwrap().expose(), "rv1_x");
    }

    #[test]
    fn none_another_scheme_and_an_endless_one_are_refused() {
        let endless = format!("Bearer {}", "x".repeat(limits::TOKEN_BYTES_MAX + 1));
        for bad in [
            HeaderMap::new(),
            headers("authorization", "Basic eDp5"),
            headers("authorization", "Bearer "),
            headers("authorization", &endless),
        ] {
            assert_eq!(credential(&bad).unwrap_err().kind(), Kind::Unauthenticated);
        }
    }
}
