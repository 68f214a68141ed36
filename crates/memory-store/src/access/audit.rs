//! The audit trail of refusals: who was refused what. Never the secret.

use domain::access::{Action, Principal};
use domain::id::StoreId;
use domain::{Kind, Result};

use crate::governance::audit::Refusals;

/// Records a refusal on its way to the caller.
pub trait Audited {
    #[must_use]
    fn audited(self, refusals: &Refusals, principal: &Principal, action: Action, store: Option<StoreId>) -> Self;
}

impl<T> Audited for Result<T> {
    fn audited(self, refusals: &Refusals, principal: &Principal, action: Action, store: Option<StoreId>) -> Result<T> {
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
            refusals.record(principal, action, store);
        }
        self
    }
}
