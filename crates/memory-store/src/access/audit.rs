//! The audit trail of refusals: who was refused what. Never the secret.

use domain::access::{Action, Principal};
use domain::{Kind, Result};

/// Logs a refusal on its way to the caller.
pub trait Audited {
    #[must_use]
    fn audited(self, principal: &Principal, action: Action) -> Self;
}

impl<T> Audited for Result<T> {
    fn audited(self, principal: &Principal, action: Action) -> Result<T> {
        if let Err(error) = &self
            && error.kind() == Kind::Denied
        {
            tracing::info!(
                workspace = %principal.workspace,
                subject = principal.subject,
                token = %principal.token,
                session = principal.session.map(|s| s.to_string()),
                action = ?action,
                why = error.message(),
                "access denied"
            );
        }
        self
    }
}
