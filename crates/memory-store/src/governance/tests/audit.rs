//! What the audit trail promises, as tests.

use domain::governance::{AuditEvent, AuditFilter};
use domain::limits;
use domain::page::Page;
use domain::store::Change;

use super::*;

async fn events(world: &World, filter: &AuditFilter) -> Vec<AuditEvent> {
    let leave = principal("ana", Role::Admin).permit(Action::StoreAdminister).unwrap();
    let (mut events, mut page) = (Vec::new(), Page { size: 3, token: String::new() });
    loop {
        let found = world.service.list_audit_events(&leave, |_| true, filter, &page).await.unwrap();
        events.extend(found.items);
        if found.next_page_token.is_empty() {
            return events;
        }
        page.token = found.next_page_token;
    }
}

/// Waits until what was refused is recorded: that many, or more.
async fn refusals(world: &World, count: usize) -> Vec<AuditEvent> {
    let filter = AuditFilter { refused_only: true, ..AuditFilter::default() };
    for _ in 0..100_000 {
        let found = events(world, &filter).await;
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
    panic!("{count} refusals were not recorded");
}

#[tokio::test]
async fn what_is_done_and_what_is_refused_is_listed_newest_first_and_says_nothing_of_contents() {
    let world = World::new().await;
    world.commit(write("/secret.md", "4711\n")).await;
    world.service.change_store(&world.permit(), Change::Archive, "").await.unwrap();
    world.service.change_store(&world.permit(), Change::Unarchive, "").await.unwrap();
    world.redact(path("/secret.md")).await;
    world.service.refusals().record(&principal("bob", Role::Reader), Action::StoreDelete, Some(world.store));
    refusals(&world, 1).await;

    let world = world.reopened().await;
    let all = events(&world, &AuditFilter::default()).await;
    let words: Vec<_> = all.iter().map(|e| (e.actor.principal.as_str(), e.action.as_str(), e.allowed)).collect();
    assert_eq!(
        words,
        [
            ("bob", "StoreDelete", false),
            ("ana", "StoreRedact", true),
            ("ana", "StoreRedact", true),
            ("ana", "StoreAdminister", true),
            ("ana", "StoreAdminister", true),
            ("ana", "StoreCreate", true),
        ]
    );
    assert!(all.iter().all(|e| e.store == Some(world.store) && !e.description.contains("secret")));
    assert_eq!(all[0].description, "needs the role curator, has the role reader");
    let count = async |filter: AuditFilter| events(&world, &filter).await.len();
    assert_eq!(count(AuditFilter { principal: "bob".into(), ..AuditFilter::default() }).await, 1);
    assert_eq!(count(AuditFilter { action: "StoreRedact".into(), ..AuditFilter::default() }).await, 2);
    let elsewhere = Some(StoreId::from_bytes([3; 16]));
    assert_eq!(count(AuditFilter { store: elsewhere, ..AuditFilter::default() }).await, 0);
}

#[tokio::test]
async fn whoever_is_refused_all_the_time_does_not_fill_the_disk_and_is_counted() {
    let world = World::new().await;
    let burst = limits::AUDIT_REFUSALS_BURST as usize;
    let bob = principal("bob", Role::Reader);
    let refuse = async |count: usize| {
        for _ in 0..count {
            world.service.refusals().record(&bob, Action::StoreDelete, Some(world.store));
            tokio::task::yield_now().await;
        }
    };
    refuse(burst + 500).await;
    assert_eq!(refusals(&world, burst).await.len(), burst);
    // A minute later there is room for some more.
    let later = world.clock.now().checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    *world.clock.0.lock().unwrap() = later;
    refuse(1).await;
    let newest = refusals(&world, burst + 1).await;
    assert_eq!(newest.len(), burst + 1);
    assert!(newest[0].description.contains("(500 more refusals"), "{}", newest[0].description);

    world.days_later(limits::AUDIT_REFUSAL_DAYS + 1);
    assert_eq!(world.service.housekeep().await.unwrap().refusals, burst + 1);
    assert_eq!(events(&world, &AuditFilter::default()).await.len(), 1, "what was done is kept");
}
