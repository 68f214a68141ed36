//! What access writes to disk, encoded as all of memory-store's records are.

use domain::access::{Attachment, Grant, Scope};
use domain::id::{SessionId, TokenId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::record::Time;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    pub subject: String,
    pub scope: Scope,
    pub session: Option<SessionId>,
    /// Its grants are the session's attachments, as they are at each check.
    pub attached: bool,
    pub agent: String,
    pub dream: String,
    pub create_time: Time,
    pub expire_time: Time,
    pub revoke_time: Option<Time>,
    /// The token that it was made with, and ends with. None for a workspace's first.
    pub parent: Option<TokenId>,
    /// Tokens above it.
    pub depth: u8,
    /// Keyed hash of the secret.
    pub secret: [u8; 32],
}

/// Whom a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRow {
    pub workspace: WorkspaceId,
    pub token: TokenId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachmentsRow {
    pub attachments: Vec<Attachment>,
    /// With which token they were made.
    pub by: TokenId,
    pub time: Time,
}

/// What the holder of a token may do with a store that it made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeRow {
    pub grant: Grant,
}

/// Its key says all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionTokenRow {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Keyed hash of the request's body.
    pub digest: [u8; 32],
    pub time: Time,
    /// The token that it made, if it made one.
    pub token: Option<TokenId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceRow {
    pub workspace: WorkspaceId,
    /// The token that was made with it, or the one that replaced it when it had ended.
    pub admin: TokenId,
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use domain::access::{Access, Grants, Role};
    use domain::id::StoreId;
    use proto::convert::hex;

    use super::*;
    use crate::record;

    #[test]
    fn records_are_the_golden_bytes() {
        let time = |s| Time::from(Timestamp::new(s, 0).unwrap());
        let store = StoreId::from_bytes([0x33; 16]);
        let grant = Grant { store, access: Access::ReadWrite, prefix: "/a".parse().unwrap() };
        let row = TokenRow {
            subject: "ana".into(),
            scope: Scope { role: Role::Curator, grants: Grants::Only(vec![grant.clone()]) },
            session: Some(SessionId::from_bytes([0x22; 16])),
            attached: true,
            agent: "x".into(),
            dream: String::new(),
            create_time: time(1),
            expire_time: time(2),
            revoke_time: None,
            parent: Some(TokenId::from_bytes([0x11; 16])),
            depth: 1,
            secret: [0x44; 32],
        };
        let attachments = AttachmentsRow {
            attachments: vec![Attachment {
                store,
                access: Access::ReadOnly,
                prefix: "".parse().unwrap(),
                instructions: "i".into(),
                mount_path: "m".into(),
            }],
            by: TokenId::from_bytes([0x11; 16]),
            time: time(1),
        };
        let (x11, x22, x33, x44) = ("11".repeat(16), "22".repeat(16), "33".repeat(16), "44".repeat(32));
        let grant_hex = format!("{x33}01022f61");
        let token_hex = format!("0303616e61020101{grant_hex}01{x22}01017800{T1}{T2}0001{x11}01{x44}");
        assert_eq!(hex::encode(&record::encode(&row).unwrap()), token_hex);
        assert_eq!(record::decode::<TokenRow>(&record::encode(&row).unwrap()).unwrap(), row);
        let made = record::encode(&MadeRow { grant }).unwrap();
        assert_eq!(hex::encode(&made), format!("03{grant_hex}"));
        let attached = record::encode(&attachments).unwrap();
        assert_eq!(hex::encode(&attached), format!("0301{x33}00000169016d{x11}{T1}"));
    }

    /// One and two seconds as zigzag varints of nanoseconds.
    const T1: &str = "80a8d6b907";
    const T2: &str = "80d0acf30e";
}
