//! What `access` promises, as tests.

use domain::Timestamp;
use domain::id::{StoreId, WorkspaceId};

use super::*;

fn fields(error: &Error) -> Vec<&str> {
    error.details().violations.iter().map(|v| v.field.as_str()).collect()
}

fn grant(store: StoreId, access: Access, prefix: &str) -> Grant {
    Grant { store, access, prefix: prefix.parse().unwrap() }
}

fn token(scope: Scope) -> Token {
    Token {
        id: TokenId::from_bytes([1; 16]),
        subject: "ana".into(),
        scope,
        session: Some(SessionId::from_bytes([2; 16])),
        agent: "triage".into(),
        dream: String::new(),
        create_time: Timestamp::new(1_700_000_000, 0).unwrap(),
        expire_time: Timestamp::new(1_700_003_600, 0).unwrap(),
        revoke_time: None,
    }
}

#[test]
fn a_token_comes_back_as_it_went() {
    let store = StoreId::from_bytes([7; 16]);
    let grants = vec![grant(store, Access::ReadOnly, ""), grant(store, Access::ReadWrite, "/a/b")];
    for grants in [Grants::All, Grants::Only(vec![]), Grants::Only(grants)] {
        for role in Role::ALL {
            let token = token(Scope { role, grants: grants.clone() });
            assert_eq!(to_token("token", Some(token.clone().into())).unwrap(), token);
        }
    }
}

#[test]
fn a_principal_has_the_scope_in_force_and_not_the_tokens_own() {
    let token = token(Scope { role: Role::Writer, grants: Grants::Only(vec![]) });
    let effective = Scope {
        role: Role::Writer,
        grants: Grants::Only(vec![grant(StoreId::from_bytes([7; 16]), Access::ReadOnly, "")]),
    };
    let workspace = WorkspaceId::from_bytes([3; 16]);
    let answer = pb::WhoAmIResponse {
        workspace: workspace.to_string(),
        token: Some(token.clone().into()),
        effective_scope: Some(effective.clone().into()),
    };
    let principal = to_principal(answer).unwrap();
    assert_eq!((principal.scope, principal.workspace, principal.session), (effective, workspace, token.session));
}

#[test]
fn every_wrong_field_of_a_new_token_is_named() {
    let request = pb::CreateTokenRequest {
        subject: "a\nb".into(),
        scope: Some(pb::Scope {
            role: 0,
            all_stores: true,
            grants: vec![pb::Grant { store: String::new(), access: 9, path_prefix: "a".into() }],
        }),
        ttl: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        agent: "x".repeat(300),
        dream: "drm_1".into(),
        request_id: "\u{7}".into(),
    };
    let error = to_new_token(request).unwrap_err();
    assert_eq!(
        fields(&error),
        [
            "subject",
            "scope.role",
            "scope.grants",
            "scope.grants[0].store",
            "scope.grants[0].access",
            "scope.grants[0].path_prefix",
            "ttl",
            "agent",
            "dream",
            "request_id"
        ]
    );
}

#[test]
fn a_new_token_without_scope_and_one_that_lives_for_no_time_are_refused() {
    let request = pb::CreateTokenRequest { ttl: Some(prost_types::Duration::default()), ..Default::default() };
    assert_eq!(fields(&to_new_token(request).unwrap_err()), ["scope", "ttl"]);
}

#[test]
fn every_wrong_field_of_an_attachment_is_named_and_nine_are_too_many() {
    let bad = pb::Attachment { mount_path: "\n".into(), ..Default::default() };
    let good = pb::Attachment { store: "team-sre".into(), access: 1, ..Default::default() };
    let mut attachments = vec![good; 8];
    attachments.insert(0, bad);
    let request = pb::AttachSessionRequest { session: "x".into(), attachments, ..Default::default() };
    assert_eq!(
        fields(&to_attach_session(request).unwrap_err()),
        ["session", "attachments", "attachments[0].store", "attachments[0].access", "attachments[0].mount_path"]
    );
}

#[test]
fn an_attachment_comes_back_as_it_went() {
    let attachment = Attachment {
        store: StoreId::from_bytes([1; 16]),
        access: Access::ReadWrite,
        prefix: "/notes".parse().unwrap(),
        instructions: "Read INDEX.md first.\n".into(),
        mount_path: "team".into(),
    };
    let wire = from_attachment(attachment.clone(), "team-sre");
    assert_eq!(wire.store_handle, "team-sre");
    assert_eq!(to_attachment_answer("attachments[0]", wire).unwrap(), attachment);
}
