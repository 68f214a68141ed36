//! What a token reaches: attached stores, read-only or not, and nothing else.

use anyhow::Result;
use client::Client;
use domain::Kind;
use domain::access::Secret;
use proto::memory as pb;

use crate::cluster::{Running, answer, create_store, write};

async fn attach(admin: &Client, session: &str, attachments: Vec<pb::Attachment>) -> Result<pb::AttachSessionResponse> {
    let request = pb::AttachSessionRequest {
        session: session.into(),
        agent: "pager-a".into(),
        attachments,
        ..Default::default()
    };
    Ok(answer(admin.access().attach_session(request).await)?)
}

fn attachment(store: &str, access: pb::Access, path_prefix: &str) -> pb::Attachment {
    pb::Attachment { store: store.into(), access: access.into(), path_prefix: path_prefix.into(), ..Default::default() }
}

const SESSION: &str = "sesn_0000000000000000000000000a";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_token_reads_what_is_attached_and_writes_only_what_it_may() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    for store in ["handbook", "team", "secret"] {
        create_store(&admin, store).await?;
        write(&admin, store, "/a.md", "text\n").await?;
    }
    let attachments =
        vec![attachment("handbook", pb::Access::ReadOnly, ""), attachment("team", pb::Access::ReadWrite, "/notes")];
    let attached = attach(&admin, SESSION, attachments).await?;
    assert!(
        attached.prompt_note.contains("handbook") && attached.prompt_note.contains("team"),
        "{}",
        attached.prompt_note
    );
    let agent = cluster.client(Secret::new(attached.secret));

    assert_eq!(write(&agent, "handbook", "/a.md", "mine\n").await.unwrap_err().kind(), Kind::Denied);
    assert_eq!(write(&agent, "secret", "/a.md", "mine\n").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(
        write(&agent, "team", "/a.md", "mine\n").await.unwrap_err().kind(),
        Kind::NotFound,
        "outside its prefix"
    );
    write(&agent, "team", "/notes/a.md", "mine\n").await?;

    let listed = answer(agent.stores().list_stores(pb::ListStoresRequest::default()).await)?;
    assert_eq!(listed.stores.iter().map(|s| s.handle.as_str()).collect::<Vec<_>>(), ["handbook", "team"]);

    let me = answer(agent.access().who_am_i(pb::WhoAmIRequest {}).await)?;
    assert_eq!(me.token.unwrap_or_default().session, SESSION);
    let log = answer(
        admin.history().list_commits(pb::ListCommitsRequest { store: "team".into(), ..Default::default() }).await,
    )?;
    let actor = log.commits[0].actor.clone().unwrap_or_default();
    assert_eq!((actor.session.as_str(), actor.agent.as_str()), (SESSION, "pager-a"), "the server says who it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_change_under_a_live_token() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    create_store(&admin, "team").await?;
    let attached = attach(&admin, SESSION, vec![attachment("team", pb::Access::ReadOnly, "")]).await?;
    let agent = cluster.client(Secret::new(attached.secret));
    assert_eq!(write(&agent, "team", "/a.md", "x\n").await.unwrap_err().kind(), Kind::Denied);

    attach(&admin, SESSION, vec![attachment("team", pb::Access::ReadWrite, "")]).await?;
    write(&agent, "team", "/a.md", "x\n").await?;

    attach(&admin, SESSION, Vec::new()).await?;
    assert_eq!(write(&agent, "team", "/a.md", "y\n").await.unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_issues_more_than_they_have_and_a_revoked_token_is_dead() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    create_store(&admin, "team").await?;
    let grant =
        |access: pb::Access| pb::Grant { store: "team".into(), access: access.into(), path_prefix: String::new() };
    let scope =
        |role: pb::Role, access| Some(pb::Scope { role: role.into(), grants: vec![grant(access)], all_stores: false });
    let create = |scope| pb::CreateTokenRequest { scope, ..Default::default() };

    let made = answer(admin.access().create_token(create(scope(pb::Role::Writer, pb::Access::ReadOnly))).await)?;
    let reader = cluster.client(Secret::new(made.secret));
    let wider = answer(reader.access().create_token(create(scope(pb::Role::Writer, pb::Access::ReadWrite))).await);
    assert_eq!(wider.unwrap_err().kind(), Kind::Denied);
    let narrower = answer(reader.access().create_token(create(scope(pb::Role::Reader, pb::Access::ReadOnly))).await)?;
    let child = cluster.client(Secret::new(narrower.secret));
    let get = || pb::GetStoreRequest { store: "team".into() };
    answer(child.stores().get_store(get()).await)?;

    let token = made.token.unwrap_or_default().id;
    answer(admin.access().revoke_token(pb::RevokeTokenRequest { token }).await)?;
    for dead in [reader, child] {
        assert_eq!(answer(dead.stores().get_store(get()).await).unwrap_err().kind(), Kind::Unauthenticated);
    }
    Ok(())
}
