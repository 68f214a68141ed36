//! What `access` promises, as tests.

use proptest::prelude::*;

use super::*;

const STORE: StoreId = StoreId::from_bytes([1; 16]);
const OTHER: StoreId = StoreId::from_bytes([2; 16]);

fn principal(role: Role, grants: Grants) -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([0; 16]),
        token: TokenId::from_bytes([0; 16]),
        subject: "ana".into(),
        scope: Scope { role, grants },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}

fn grant(store: StoreId, access: Access, prefix: &str) -> Grant {
    Grant { store, access, prefix: prefix.parse().unwrap() }
}

#[test]
fn a_store_without_a_grant_is_absent_and_one_read_only_is_denied() {
    let p = principal(Role::Writer, Grants::Only(vec![grant(STORE, Access::ReadOnly, "")]));
    assert_eq!(p.permit_store(Action::StoreRead, OTHER).unwrap_err().kind(), crate::Kind::NotFound);
    assert_eq!(p.permit_store(Action::StoreWrite, STORE).unwrap_err().kind(), crate::Kind::Denied);
    assert!(p.permit_store(Action::StoreRead, STORE).is_ok());
}

#[test]
fn a_prefix_limits_reads_and_writes() {
    let p = principal(
        Role::Writer,
        Grants::Only(vec![grant(STORE, Access::ReadOnly, ""), grant(STORE, Access::ReadWrite, "/team")]),
    );
    let permit = p.permit_store(Action::StoreWrite, STORE).unwrap();
    assert!(permit.check_write(&"/team/a".parse().unwrap()).is_ok());
    assert_eq!(permit.check_write(&"/other".parse().unwrap()).unwrap_err().kind(), crate::Kind::Denied);
    assert!(permit.reads_all() && permit.check_writes_all().is_err());
}

#[test]
fn a_scope_covers_only_what_is_narrower() {
    let wide = Scope { role: Role::Writer, grants: Grants::Only(vec![grant(STORE, Access::ReadWrite, "/a")]) };
    let narrow = Scope { role: Role::Reader, grants: Grants::Only(vec![grant(STORE, Access::ReadOnly, "/a/b")]) };
    assert!(wide.covers(&narrow) && !narrow.covers(&wide));
    assert!(!wide.covers(&Scope { role: Role::Reader, grants: Grants::All }));
    assert!(
        !wide.covers(&Scope { role: Role::Reader, grants: Grants::Only(vec![grant(STORE, Access::ReadOnly, "/ab")]) })
    );
}

#[test]
fn a_session_token_reaches_its_own_session_only() {
    let mut p = principal(Role::Writer, Grants::All);
    p.session = Some(SessionId::from_bytes([7; 16]));
    assert!(p.permit_session(Action::SessionRecord, SessionId::from_bytes([7; 16])).is_ok());
    assert_eq!(
        p.permit_session(Action::SessionRead, SessionId::from_bytes([8; 16])).unwrap_err().kind(),
        crate::Kind::NotFound
    );
}

/// Scopes over two stores and nested prefixes.
fn scopes() -> impl Strategy<Value = Scope> {
    let grant = (prop::bool::ANY, prop::bool::ANY, 0usize..4).prop_map(|(store, write, prefix)| {
        let access = if write { Access::ReadWrite } else { Access::ReadOnly };
        grant(if store { STORE } else { OTHER }, access, ["", "/a", "/a/b", "/ab"][prefix])
    });
    let grants = prop::option::of(prop::collection::vec(grant, 0..5)).prop_map(|g| g.map_or(Grants::All, Grants::Only));
    (0usize..4, grants).prop_map(|(role, grants)| Scope { role: Role::ALL[role], grants })
}

fn allows(scope: &Scope, action: Action, store: StoreId, path: &str) -> (bool, bool) {
    match principal(scope.role, scope.grants.clone()).permit_store(action, store) {
        Ok(permit) => (permit.may_read(path), permit.may_write(path)),
        Err(_) => (false, false),
    }
}

proptest! {
    #[test]
    fn what_two_scopes_share_is_what_both_allow(a in scopes(), b in scopes()) {
        let meet = a.meet(&b);
        prop_assert!(a.covers(&meet) && b.covers(&meet));
        for store in [STORE, OTHER] {
            for path in ["/a", "/a/b/c", "/ab", "/z"] {
                let (x, y) = (allows(&a, Action::StoreRead, store, path), allows(&b, Action::StoreRead, store, path));
                prop_assert_eq!(allows(&meet, Action::StoreRead, store, path), (x.0 && y.0, x.1 && y.1), "{} {}", store, path);
            }
        }
    }

    #[test]
    fn a_covering_scope_allows_all_that_the_other_does(a in scopes(), b in scopes()) {
        prop_assume!(a.covers(&b));
        for action in Action::ALL {
            for path in ["/a", "/a/b/c", "/ab", "/z"] {
                let (wide, narrow) = (allows(&a, action, STORE, path), allows(&b, action, STORE, path));
                prop_assert!(wide >= narrow || (wide.0 >= narrow.0 && wide.1 >= narrow.1), "{:?} {}", action, path);
            }
        }
    }
}
