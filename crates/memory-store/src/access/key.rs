//! The keys of access: kinds 0x40 to 0x4f of the registry in `crate::key`.

use bytes::Bytes;
use domain::id::{SessionId, StoreId, TokenId, WorkspaceId};

/// (workspace, token): what the token is. Ids sort by the time they were made.
pub const TOKEN: u8 = 0x40;
/// (keyed hash of a secret): the token that it opens.
pub const SECRET: u8 = 0x41;
/// (workspace, session): its attachments.
pub const ATTACHMENTS: u8 = 0x42;
/// (workspace, token, store): a store or fork that the token's holder made.
pub const MADE: u8 = 0x43;
/// (workspace, session, token): a token that was issued to the session.
pub const SESSION_TOKEN: u8 = 0x44;
/// (keyed hash of workspace, token and request id): what a request came to.
pub const OUTCOME: u8 = 0x45;
/// (keyed hash of the name): the workspace that has it.
pub const WORKSPACE: u8 = 0x46;

pub fn token(workspace: WorkspaceId, token: TokenId) -> Bytes {
    join(TOKEN, &[workspace.as_bytes(), token.as_bytes()])
}

/// What every token of the workspace begins with.
pub fn tokens(workspace: WorkspaceId) -> Bytes {
    join(TOKEN, &[workspace.as_bytes()])
}

/// The token at the end of a key made by `token` or `session_token`.
pub fn token_of(key: &[u8]) -> Option<TokenId> {
    Some(TokenId::from_bytes(*key.last_chunk()?))
}

pub fn secret(hash: &[u8; 32]) -> Bytes {
    join(SECRET, &[hash])
}

pub fn attachments(workspace: WorkspaceId, session: SessionId) -> Bytes {
    join(ATTACHMENTS, &[workspace.as_bytes(), session.as_bytes()])
}

pub fn made(workspace: WorkspaceId, token: TokenId, store: StoreId) -> Bytes {
    join(MADE, &[workspace.as_bytes(), token.as_bytes(), store.as_bytes()])
}

/// What every store that a token's holder made begins with.
pub fn all_made(workspace: WorkspaceId, token: TokenId) -> Bytes {
    join(MADE, &[workspace.as_bytes(), token.as_bytes()])
}

pub fn session_token(workspace: WorkspaceId, session: SessionId, token: TokenId) -> Bytes {
    join(SESSION_TOKEN, &[workspace.as_bytes(), session.as_bytes(), token.as_bytes()])
}

/// What every token of a session begins with.
pub fn session_tokens(workspace: WorkspaceId, session: SessionId) -> Bytes {
    join(SESSION_TOKEN, &[workspace.as_bytes(), session.as_bytes()])
}

pub fn outcome(hash: &[u8; 32]) -> Bytes {
    join(OUTCOME, &[hash])
}

pub fn workspace(hash: &[u8; 32]) -> Bytes {
    join(WORKSPACE, &[hash])
}

fn join(kind: u8, parts: &[&[u8]]) -> Bytes {
    let mut bytes = vec![kind];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_golden_bytes() {
        let w = WorkspaceId::from_bytes([0xaa; 16]);
        let t = TokenId::from_bytes([0x11; 16]);
        let s = SessionId::from_bytes([0x22; 16]);
        let store = StoreId::from_bytes([0x33; 16]);
        let hash = [0x44; 32];
        let (aa, x11, x22, x33) = ("aa".repeat(16), "11".repeat(16), "22".repeat(16), "33".repeat(16));
        let x44 = "44".repeat(32);
        let golden = [
            (token(w, t), format!("40{aa}{x11}")),
            (tokens(w), format!("40{aa}")),
            (secret(&hash), format!("41{x44}")),
            (attachments(w, s), format!("42{aa}{x22}")),
            (made(w, t, store), format!("43{aa}{x11}{x33}")),
            (all_made(w, t), format!("43{aa}{x11}")),
            (session_token(w, s, t), format!("44{aa}{x22}{x11}")),
            (session_tokens(w, s), format!("44{aa}{x22}")),
            (outcome(&hash), format!("45{x44}")),
            (workspace(&hash), format!("46{x44}")),
        ];
        for (key, hex) in golden {
            assert_eq!(proto::convert::hex::encode(&key), hex);
        }
        assert_eq!((token_of(&token(w, t)), token_of(&session_token(w, s, t))), (Some(t), Some(t)));
    }
}
