//! What `access` promises, as tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::access::{Action, AttachSession, Attachment, NewToken};
use domain::id::SessionId;
use domain::page::Page;

use super::*;
use crate::access::attach::Attached;
use crate::access::token::Issued;

const TEAM: StoreId = StoreId::from_bytes([1; 16]);
const HANDBOOK: StoreId = StoreId::from_bytes([2; 16]);
const SECRET: StoreId = StoreId::from_bytes([3; 16]);
const SESSION: SessionId = SessionId::from_bytes([7; 16]);
const OTHER_SESSION: SessionId = SessionId::from_bytes([8; 16]);
const DAY_S: u64 = 86_400;

struct Clocked(Mutex<Timestamp>);

impl Clock for Clocked {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn fresh(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        id
    }
}

struct Named(BTreeMap<&'static str, StoreId>);

#[async_trait::async_trait]
impl ResolveStore for Named {
    async fn resolve_store(&self, _: WorkspaceId, store: &StoreRef) -> Result<(StoreId, Handle)> {
        let found = self.0.iter().find(|(handle, id)| match store {
            StoreRef::Id(asked) => *id == asked,
            StoreRef::Handle(asked) => asked.as_str() == **handle,
        });
        let (handle, id) = found.ok_or_else(|| Error::not_found(format_args!("store {store}")))?;
        Ok((*id, handle.parse()?))
    }
}

struct World {
    vault: Vault,
    clock: Arc<Clocked>,
    ids: Arc<Counted>,
    access: Access,
    stores: Named,
    admin: Principal,
}

impl World {
    async fn new() -> World {
        let vault = storage::volatile_vault().await.unwrap();
        let clock = Arc::new(Clocked(Mutex::new("2026-11-01T00:00:00Z".parse().unwrap())));
        let ids = Arc::new(Counted::default());
        let access = Access::open(vault.clone(), clock.clone(), ids.clone());
        let secret = access.bootstrap_admin("root", None).await.unwrap().unwrap();
        let admin = access.authenticator().authenticate(&secret).await.unwrap();
        let stores = Named(BTreeMap::from([("team", TEAM), ("handbook", HANDBOOK), ("secret", SECRET)]));
        World { vault, clock, ids, access, stores, admin }
    }

    fn pass(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(Duration::from_secs(seconds)).unwrap();
    }

    /// The process starts again: nothing is in memory.
    fn restart(&mut self) {
        self.access = Access::open(self.vault.clone(), self.clock.clone(), self.ids.clone());
    }

    async fn who(&self, secret: &Secret) -> Result<Principal> {
        self.access.authenticator().authenticate(secret).await
    }

    async fn create(&self, by: &Principal, new: NewToken) -> Result<Issued> {
        self.access.create_token(by, new, &self.stores).await
    }

    async fn made(&self, by: &Principal, new: NewToken) -> Principal {
        let issued = self.create(by, new).await.unwrap();
        self.who(&issued.secret).await.unwrap()
    }

    async fn attach(&self, by: &Principal, request: AttachSession) -> Result<Attached> {
        self.access.attach_session(by, request, &self.stores).await
    }
}

fn grant(store: &str, access: Reach, prefix: &str) -> Grant<StoreRef> {
    Grant { store: store.parse().unwrap(), access, prefix: prefix.parse().unwrap() }
}

fn new(role: Role, grants: Vec<Grant<StoreRef>>) -> NewToken {
    NewToken {
        subject: String::new(),
        scope: Scope { role, grants: Grants::Only(grants) },
        ttl: None,
        agent: String::new(),
        dream: String::new(),
        request_id: String::new(),
    }
}

fn everything(role: Role) -> NewToken {
    NewToken { scope: Scope { role, grants: Grants::All }, ..new(role, vec![]) }
}

fn attachment(store: &str, access: Reach, prefix: &str) -> Attachment<StoreRef> {
    Attachment {
        store: store.parse().unwrap(),
        access,
        prefix: prefix.parse().unwrap(),
        instructions: String::new(),
        mount_path: String::new(),
    }
}

fn attaching(attachments: Vec<Attachment<StoreRef>>) -> AttachSession {
    AttachSession {
        session: SESSION,
        agent: "pager".into(),
        attachments,
        ttl: None,
        new_token: false,
        request_id: String::new(),
    }
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|e| e.kind())
}

#[tokio::test]
async fn a_token_lives_from_its_making_to_its_expiry_also_across_a_restart() {
    let mut world = World::new().await;
    let issued = world.create(&world.admin, everything(Role::Writer)).await.unwrap();
    world.restart();
    let principal = world.who(&issued.secret).await.unwrap();
    assert_eq!((principal.token, principal.subject.as_str()), (issued.token.id, "root"));
    world.pass(DAY_S - 1);
    world.who(&issued.secret).await.unwrap();
    world.pass(1);
    assert_eq!(kind(world.who(&issued.secret).await), Some(Kind::Unauthenticated));
}

#[tokio::test]
async fn nothing_but_a_secret_opens_and_all_that_does_not_is_refused_alike() {
    let world = World::new().await;
    let issued = world.create(&world.admin, everything(Role::Reader)).await.unwrap();
    let text = issued.secret.expose();
    assert!(text.starts_with("rv1_") && text.len() == 4 + 43, "256 bits as base64url");
    let long = format!("rv1_{}", "a".repeat(limits::TOKEN_BYTES_MAX));
    let id = issued.token.id.to_string();
    let mut messages = Vec::new();
    for wrong in ["", "rv1_", "rv2_x", &text[..46], &text.to_uppercase(), &long, &id] {
        let error = world.who(&Secret::new(wrong)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated, "{wrong}");
        messages.push(error.message().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
}

#[tokio::test]
async fn a_secret_is_nowhere_in_the_storage() {
    let world = World::new().await;
    let issued = world.create(&world.admin, everything(Role::Reader)).await.unwrap();
    let all = storage::engine::Range { start: std::ops::Bound::Unbounded, end: std::ops::Bound::Unbounded };
    let rows = world.vault.scan(all, 10_000, storage::engine::Direction::Ascending).await.unwrap();
    assert!(rows.len() > 3, "{} rows", rows.len());
    let secret = issued.secret.expose().as_bytes();
    let raw = URL_SAFE_NO_PAD.decode(&secret[4..]).unwrap();
    for (key, record) in rows {
        for bytes in [key.as_ref(), record.value().as_ref()] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret) && !bytes.windows(32).any(|w| w == raw));
        }
    }
}

#[tokio::test]
async fn revoking_ends_a_token_and_all_that_were_made_with_it_at_once() {
    let world = World::new().await;
    let top = world.create(&world.admin, everything(Role::Curator)).await.unwrap();
    let curator = world.who(&top.secret).await.unwrap();
    let child = world.create(&curator, everything(Role::Writer)).await.unwrap();
    let grandchild = world.create(&world.who(&child.secret).await.unwrap(), everything(Role::Reader)).await.unwrap();
    let sibling = world.create(&world.admin, everything(Role::Reader)).await.unwrap();
    world.who(&grandchild.secret).await.unwrap();

    let revoked = world.access.revoke_token(&world.admin, top.token.id).await.unwrap();
    assert_eq!(revoked.revoke_time, Some(world.clock.now()));
    for dead in [&top, &child, &grandchild] {
        assert_eq!(kind(world.who(&dead.secret).await), Some(Kind::Unauthenticated));
    }
    world.who(&sibling.secret).await.unwrap();
    world.pass(5);
    let again = world.access.revoke_token(&world.admin, top.token.id).await.unwrap();
    assert_eq!(again.revoke_time, revoked.revoke_time);
}

#[tokio::test]
async fn only_an_admin_or_a_maker_ends_a_token_and_to_others_it_is_absent() {
    let world = World::new().await;
    let one = world.made(&world.admin, everything(Role::Curator)).await;
    let other = world.made(&world.admin, everything(Role::Curator)).await;
    let child = world.made(&one, everything(Role::Reader)).await;
    assert_eq!(kind(world.access.revoke_token(&other, child.token).await), Some(Kind::NotFound));
    assert_eq!(kind(world.access.revoke_token(&child, one.token).await), Some(Kind::NotFound));
    assert_eq!(kind(world.access.revoke_token(&world.admin, TokenId::from_bytes([9; 16])).await), Some(Kind::NotFound));
    assert!(world.access.revoke_token(&one, child.token).await.is_ok());
}

#[tokio::test]
async fn nobody_issues_more_than_they_have() {
    let world = World::new().await;
    let scope = vec![grant("team", Reach::ReadWrite, "/notes"), grant("handbook", Reach::ReadOnly, "")];
    let curator = world.made(&world.admin, new(Role::Curator, scope)).await;
    for refused in [
        everything(Role::Reader),
        new(Role::Admin, vec![]),
        new(Role::Reader, vec![grant("team", Reach::ReadOnly, "")]),
        new(Role::Reader, vec![grant("handbook", Reach::ReadWrite, "/x")]),
    ] {
        assert_eq!(kind(world.create(&curator, refused.clone()).await), Some(Kind::Denied), "{refused:?}");
    }
    let narrow = vec![grant("team", Reach::ReadOnly, "/notes/a"), grant("handbook", Reach::ReadOnly, "/x")];
    let child = world.made(&curator, new(Role::Reader, narrow)).await;
    assert_eq!(child.scope.role, Role::Reader);
    let permit = child.permit_store(Action::StoreRead, TEAM).unwrap();
    assert!(permit.may_read("/notes/a/x") && !permit.may_read("/notes/b") && !permit.may_write("/notes/a"));
}

#[tokio::test]
async fn a_store_that_the_caller_may_not_see_is_absent_in_the_same_words() {
    let world = World::new().await;
    let writer = world.made(&world.admin, new(Role::Writer, vec![grant("team", Reach::ReadOnly, "")])).await;
    let hidden =
        world.create(&writer, new(Role::Reader, vec![grant("secret", Reach::ReadOnly, "")])).await.unwrap_err();
    let absent =
        world.create(&writer, new(Role::Reader, vec![grant("absent", Reach::ReadOnly, "")])).await.unwrap_err();
    assert_eq!((hidden.kind(), absent.kind()), (Kind::NotFound, Kind::NotFound));
    assert_eq!(hidden.message().replace("secret", "absent"), absent.message());
}

#[tokio::test]
async fn another_subject_needs_an_admin_and_a_dream_cannot_pass_for_another() {
    let world = World::new().await;
    let named = |subject: &str| NewToken { subject: subject.into(), ..everything(Role::Curator) };
    let ana = world.made(&world.admin, named("ana")).await;
    assert_eq!(ana.subject, "ana");
    assert_eq!(kind(world.create(&ana, named("root")).await), Some(Kind::Denied));
    assert_eq!(world.made(&ana, named("ana")).await.subject, "ana");
    assert_eq!(world.made(&ana, named("")).await.subject, "ana");

    let of = |dream: &str| NewToken { dream: dream.into(), ..everything(Role::Writer) };
    let dreaming = world.made(&ana, of("drm_1")).await;
    assert_eq!(kind(world.create(&dreaming, of("drm_2")).await), Some(Kind::Denied));
    assert_eq!(world.made(&dreaming, of("")).await.dream, "drm_1");
}

#[tokio::test]
async fn a_token_never_outlives_its_maker() {
    let world = World::new().await;
    let lasting = |s: Option<u64>| NewToken { ttl: s.map(Duration::from_secs), ..everything(Role::Reader) };
    let short = world.made(&world.admin, lasting(Some(3_600))).await;
    assert_eq!(kind(world.create(&short, lasting(Some(3_601))).await), Some(Kind::Denied));
    assert_eq!(world.made(&short, lasting(None)).await.expire_time, short.expire_time, "cut");
    assert_eq!(world.made(&short, lasting(Some(60))).await.expire_time, world.clock.now() + Duration::from_secs(60));
    let unset = world.made(&world.admin, lasting(None)).await;
    assert_eq!(unset.expire_time, world.clock.now() + Duration::from_secs(DAY_S));
    assert_eq!(kind(world.create(&world.admin, lasting(Some(366 * DAY_S))).await), Some(Kind::Invalid));
}

#[tokio::test]
async fn tokens_are_made_with_tokens_only_so_deep() {
    let world = World::new().await;
    let mut maker = world.admin.clone();
    for _ in 0..limits::TOKEN_DEPTH_MAX {
        maker = world.made(&maker, everything(Role::Reader)).await;
    }
    assert_eq!(kind(world.create(&maker, everything(Role::Reader)).await), Some(Kind::Precondition));
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_token_and_its_last_secret_counts() {
    let world = World::new().await;
    let request = NewToken { request_id: "r1".into(), ..everything(Role::Reader) };
    let first = world.create(&world.admin, request.clone()).await.unwrap();
    world.who(&first.secret).await.unwrap();
    let second = world.create(&world.admin, request.clone()).await.unwrap();
    assert_eq!(first.token, second.token);
    assert_eq!(kind(world.who(&first.secret).await), Some(Kind::Unauthenticated));
    assert_eq!(world.who(&second.secret).await.unwrap().token, first.token.id);

    let other = NewToken { scope: everything(Role::Writer).scope, ..request.clone() };
    assert_eq!(world.create(&world.admin, other).await.unwrap_err().reason(), "REQUEST_ID_REUSED");
    let ana = world.made(&world.admin, everything(Role::Curator)).await;
    assert_ne!(world.create(&ana, request.clone()).await.unwrap().token.id, first.token.id, "another caller's id");

    world.access.revoke_token(&world.admin, first.token.id).await.unwrap();
    assert_eq!(world.create(&world.admin, request.clone()).await.unwrap_err().reason(), "TOKEN_ENDED");
    world.pass(DAY_S);
    assert_ne!(world.create(&world.admin, request).await.unwrap().token.id, first.token.id);
}

#[tokio::test]
async fn the_admin_token_is_made_once_and_again_only_when_it_has_ended() {
    let mut world = World::new().await;
    assert!(world.access.bootstrap_admin("root", None).await.unwrap().is_none());
    world.restart();
    assert!(world.access.bootstrap_admin("root", None).await.unwrap().is_none());
    world.pass(365 * DAY_S);
    let secret = world.access.bootstrap_admin("root", None).await.unwrap().unwrap();
    let next = world.who(&secret).await.unwrap();
    assert_eq!((next.workspace, next.scope.role), (world.admin.workspace, Role::Admin));
    assert_ne!(next.token, world.admin.token);
}

#[tokio::test]
async fn who_changes_the_admins_secret_shuts_the_old_one_out_and_keeps_what_was_made_with_it() {
    let world = World::new().await;
    let given = |letter: &str| Secret::new(format!("rv1_{}", letter.repeat(43)));
    let first = world.access.bootstrap_admin("root", Some(given("a"))).await.unwrap().unwrap();
    let admin = world.who(&first).await.unwrap();
    assert_eq!((admin.token, &first), (world.admin.token, &given("a")));
    let reader = world.create(&admin, new(Role::Reader, vec![grant("team", Reach::ReadOnly, "")])).await.unwrap();

    assert!(world.access.bootstrap_admin("root", Some(given("a"))).await.unwrap().is_none(), "nothing changed");
    world.access.bootstrap_admin("root", Some(given("b"))).await.unwrap().unwrap();
    assert_eq!(kind(world.who(&first).await), Some(Kind::Unauthenticated));
    assert_eq!(world.who(&given("b")).await.unwrap().token, admin.token);
    world.who(&reader.secret).await.unwrap();
}

#[tokio::test]
async fn a_given_secret_that_is_short_or_was_revoked_opens_nothing() {
    let world = World::new().await;
    for weak in ["", "rv1_", "rv1_short", &"x".repeat(64), &format!("rv1_{}", " ".repeat(43))] {
        let refused = world.access.bootstrap_admin("root", Some(Secret::new(weak))).await;
        assert_eq!(kind(refused), Some(Kind::Invalid), "{weak:?}");
    }
    let given = Secret::new(format!("rv1_{}", "a".repeat(43)));
    world.access.bootstrap_admin("root", Some(given.clone())).await.unwrap();
    world.access.revoke_token(&world.who(&given).await.unwrap(), world.admin.token).await.unwrap();
    let again = world.access.bootstrap_admin("root", Some(given.clone())).await;
    assert_eq!(kind(again), Some(Kind::Precondition));
    assert_eq!(kind(world.who(&given).await), Some(Kind::Unauthenticated));
    let made = world.access.bootstrap_admin("root", None).await.unwrap().unwrap();
    assert_eq!(world.who(&made).await.unwrap().scope.role, Role::Admin, "but nobody is locked out");
}

#[tokio::test]
async fn a_session_token_reaches_what_is_attached_and_follows_changes() {
    let mut world = World::new().await;
    let wanted = vec![attachment("handbook", Reach::ReadOnly, ""), attachment("team", Reach::ReadWrite, "/notes")];
    let attached = world.attach(&world.admin, attaching(wanted)).await.unwrap();
    let secret = attached.secret.unwrap();
    let agent = world.who(&secret).await.unwrap();
    assert_eq!((agent.session, agent.agent.as_str(), agent.scope.role), (Some(SESSION), "pager", Role::Writer));
    assert!(agent.permit_store(Action::StoreWrite, HANDBOOK).is_err() && !agent.sees_store(SECRET));
    let permit = agent.permit_store(Action::StoreWrite, TEAM).unwrap();
    assert!(permit.may_write("/notes/a") && !permit.may_read("/a"));

    let again = world.attach(&world.admin, attaching(vec![attachment("team", Reach::ReadOnly, "")])).await.unwrap();
    assert!(again.secret.is_none(), "the session has a token");
    assert_eq!(again.token.unwrap().id, agent.token);
    for _ in 0..2 {
        let agent = world.who(&secret).await.unwrap();
        assert!(!agent.sees_store(HANDBOOK) && agent.permit_store(Action::StoreWrite, TEAM).is_err());
        assert!(agent.permit_store(Action::StoreRead, TEAM).unwrap().reads_all());
        world.restart();
    }
    world.attach(&world.admin, attaching(vec![])).await.unwrap();
    assert_eq!(world.who(&secret).await.unwrap().scope.grants, Grants::Only(vec![]));
}

#[tokio::test]
async fn a_further_token_is_issued_when_asked_for_or_when_none_lives() {
    let world = World::new().await;
    let first = world.attach(&world.admin, attaching(vec![])).await.unwrap();
    let asked = world.attach(&world.admin, AttachSession { new_token: true, ..attaching(vec![]) }).await.unwrap();
    world.who(first.secret.as_ref().unwrap()).await.unwrap();
    world.who(asked.secret.as_ref().unwrap()).await.unwrap();
    for token in [first.token, asked.token] {
        world.access.revoke_token(&world.admin, token.unwrap().id).await.unwrap();
    }
    assert!(world.attach(&world.admin, attaching(vec![])).await.unwrap().secret.is_some());
}

#[tokio::test]
async fn an_attachment_is_never_wider_than_who_attaches() {
    let world = World::new().await;
    let scope = vec![grant("team", Reach::ReadWrite, "/notes"), grant("handbook", Reach::ReadOnly, "")];
    let curator = world.made(&world.admin, new(Role::Curator, scope.clone())).await;
    for (refused, why) in [
        (attachment("handbook", Reach::ReadWrite, ""), Kind::Denied),
        (attachment("team", Reach::ReadWrite, ""), Kind::Denied),
        (attachment("team", Reach::ReadOnly, ""), Kind::Denied),
        (attachment("secret", Reach::ReadOnly, ""), Kind::NotFound),
    ] {
        assert_eq!(kind(world.attach(&curator, attaching(vec![refused.clone()])).await), Some(why), "{refused:?}");
    }
    let writer = world.made(&world.admin, new(Role::Writer, scope)).await;
    assert_eq!(kind(world.attach(&writer, attaching(vec![])).await), Some(Kind::Denied), "a writer attaches nothing");

    let made = world.attach(&curator, attaching(vec![attachment("team", Reach::ReadWrite, "/notes")])).await.unwrap();
    world.attach(&world.admin, attaching(vec![attachment("secret", Reach::ReadWrite, "")])).await.unwrap();
    let agent = world.who(&made.secret.unwrap()).await.unwrap();
    assert!(!agent.sees_store(SECRET), "what another attaches later does not widen the maker's token");
}

#[tokio::test]
async fn one_store_is_not_attached_twice_at_one_prefix() {
    let world = World::new().await;
    let twice = vec![attachment("team", Reach::ReadOnly, ""), attachment("team", Reach::ReadWrite, "/")];
    let error = world.attach(&world.admin, attaching(twice)).await.unwrap_err();
    assert_eq!(error.details().violations[0].field, "attachments[1].store");
}

#[tokio::test]
async fn what_a_session_token_makes_stays_within_the_session() {
    let world = World::new().await;
    let attached = world.attach(&world.admin, attaching(vec![attachment("team", Reach::ReadWrite, "")])).await.unwrap();
    let agent = world.who(&attached.secret.unwrap()).await.unwrap();
    let beyond = new(Role::Reader, vec![grant("handbook", Reach::ReadOnly, "")]);
    assert_eq!(kind(world.create(&agent, beyond).await), Some(Kind::NotFound));
    let issued = world.create(&agent, new(Role::Reader, vec![grant("team", Reach::ReadOnly, "/a")])).await.unwrap();
    let helper = world.who(&issued.secret).await.unwrap();
    assert_eq!(helper.session, Some(SESSION));
    assert_eq!(kind(helper.permit_session(Action::SessionRead, OTHER_SESSION)), Some(Kind::NotFound));
    assert!(helper.permit_store(Action::StoreRead, TEAM).unwrap().may_read("/a/b"));

    world.attach(&world.admin, attaching(vec![attachment("handbook", Reach::ReadWrite, "")])).await.unwrap();
    let helper = world.who(&issued.secret).await.unwrap();
    assert_eq!(helper.scope.grants, Grants::Only(vec![]), "detached from its maker, and never given the handbook");
}

#[tokio::test]
async fn attachments_are_shown_with_handles_and_only_those_that_the_caller_sees() {
    let world = World::new().await;
    let wanted = vec![attachment("team", Reach::ReadWrite, ""), attachment("secret", Reach::ReadOnly, "")];
    let attached = world.attach(&world.admin, attaching(wanted)).await.unwrap();
    let agent = world.who(attached.secret.as_ref().unwrap()).await.unwrap();
    let names = |a: &Attached| -> Vec<(String, String)> {
        a.attachments.iter().map(|(a, handle)| (handle.to_string(), a.mount_path.clone())).collect()
    };
    let own = world.access.attachments(&agent, None, &world.stores).await.unwrap();
    let both = [("team", "team"), ("secret", "secret")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!((names(&own), names(&attached)), (both.to_vec(), both.to_vec()));
    assert!(own.prompt_note.contains("- team (read and write)") && own.prompt_note == attached.prompt_note);

    let reader = world.made(&world.admin, new(Role::Reader, vec![grant("team", Reach::ReadOnly, "")])).await;
    let seen = world.access.attachments(&reader, Some(SESSION), &world.stores).await.unwrap();
    assert_eq!(names(&seen), both[..1]);
    assert_eq!(kind(world.access.attachments(&reader, None, &world.stores).await), Some(Kind::Invalid));
    assert_eq!(kind(world.access.attachments(&agent, Some(OTHER_SESSION), &world.stores).await), Some(Kind::NotFound));
}

#[tokio::test]
async fn who_makes_a_store_may_use_it_and_so_may_the_tokens_above() {
    let mut world = World::new().await;
    let curator =
        world.create(&world.admin, new(Role::Curator, vec![grant("team", Reach::ReadOnly, "")])).await.unwrap();
    let maker = world.who(&curator.secret).await.unwrap();
    let helper = world.create(&maker, new(Role::Writer, vec![grant("team", Reach::ReadOnly, "")])).await.unwrap();
    let sibling = world.create(&maker, new(Role::Writer, vec![])).await.unwrap();
    let fork = StoreId::from_bytes([9; 16]);
    let token = world.who(&helper.secret).await.unwrap().token;
    world.access.grant(maker.workspace, token, fork).await.unwrap();
    world.access.grant(maker.workspace, token, fork).await.unwrap();
    world.access.grant(maker.workspace, world.admin.token, fork).await.unwrap();
    for _ in 0..2 {
        for secret in [&curator.secret, &helper.secret] {
            let principal = world.who(secret).await.unwrap();
            assert!(principal.permit_store(Action::StoreWrite, fork).unwrap().check_writes_all().is_ok());
        }
        assert!(!world.who(&sibling.secret).await.unwrap().sees_store(fork));
        world.restart();
    }
}

#[tokio::test]
async fn a_listing_pages_through_all_for_an_admin_and_through_ones_own_for_others() {
    let world = World::new().await;
    let curator = world.made(&world.admin, everything(Role::Curator)).await;
    let mut own = vec![curator.token];
    for _ in 0..5 {
        own.push(world.made(&curator, everything(Role::Reader)).await.token);
        world.made(&world.admin, everything(Role::Reader)).await;
    }
    world.access.revoke_token(&curator, own[2]).await.unwrap();
    let list = async |by: &Principal, size: usize, ended: bool| {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = world.access.list_tokens(by, Page { size, token }, ended).await.unwrap();
            assert!(page.items.len() <= size);
            found.extend(page.items.iter().map(|t| t.id));
            token = page.next_page_token;
            if token.is_empty() {
                return found;
            }
        }
    };
    assert_eq!(list(&curator, 2, true).await, own);
    assert_eq!(list(&curator, 100, false).await.len(), own.len() - 1);
    let all = list(&world.admin, 3, true).await;
    assert_eq!(all.len(), 12);
    assert!(all.is_sorted());
    let bad = Page { size: 1, token: "x".into() };
    assert_eq!(kind(world.access.list_tokens(&curator, bad, true).await), Some(Kind::Invalid));
}

#[test]
fn whoever_asks_after_a_token_was_revoked_is_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let world = runtime.block_on(World::new());
    for _ in 0..50 {
        let issued = runtime.block_on(world.create(&world.admin, everything(Role::Reader))).unwrap();
        let revoked = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let before = revoked.load(Ordering::SeqCst);
                        let admitted = runtime.block_on(world.who(&issued.secret)).is_ok();
                        assert!(!(before && admitted), "a revoked token was let in");
                        if before {
                            break;
                        }
                    }
                });
            }
            runtime.block_on(world.access.revoke_token(&world.admin, issued.token.id)).unwrap();
            revoked.store(true, Ordering::SeqCst);
        });
    }
}
