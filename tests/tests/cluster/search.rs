//! Search through the real service: what is found, what is refused, and for whom.

use std::time::Duration;

use anyhow::Result;
use domain::Kind;
use domain::access::Secret;
use proto::memory as pb;
use tonic::{IntoRequest as _, Request};

use crate::cluster::{Running, answer, create_store, write};

fn request(stores: &[&str], query: &str) -> pb::SearchRequest {
    pb::SearchRequest {
        stores: stores.iter().map(|s| (*s).to_owned()).collect(),
        query: query.into(),
        ..Default::default()
    }
}

fn places(found: &pb::SearchResponse) -> Vec<String> {
    found.results.iter().map(|r| format!("{}:{}", r.store, r.path)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_over_stores_names_what_it_found_where_and_as_of_when() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    let team = create_store(&admin, "team").await?;
    create_store(&admin, "org").await?;
    write(&admin, "team", "/runbooks/disk-full.md", "# Disk full\n\nThe r\u{e9}plica took over.\n").await?;
    write(&admin, "team", "/notes.md", "Deploys on Fridays are not allowed.\n").await?;
    let last = write(&admin, "org", "/policy.md", "Deployments need a review. A disk does not.\n").await?;

    let found = admin.search(&request(&["team", "org"], "deploying disks")).await?;
    assert_eq!(places(&found)[0], "org:/policy.md", "both words");
    assert_eq!(places(&found).len(), 3);
    let searched: Vec<_> = found.searched.iter().map(|s| (s.store.as_str(), s.revision)).collect();
    assert_eq!(searched, [("team", 2), ("org", last.revision)]);
    assert_eq!(found.searched[0].store_id, team.id);

    let found = admin.search(&request(&[&team.id], "replica \"took over\"")).await?;
    let (result, line) = (&found.results[0], &found.results[0].lines[0]);
    assert_eq!(
        (result.store.as_str(), result.path.as_str(), result.revision),
        (team.id.as_str(), "/runbooks/disk-full.md", 1)
    );
    let marked: Vec<&str> = line.matches.iter().map(|m| &line.text[m.start as usize..m.end as usize]).collect();
    assert_eq!((line.number, marked), (3, vec!["r\u{e9}plica", "took", "over"]));
    assert!(result.memory_id.starts_with("mem_") && result.score > 0.0);

    let within = pb::SearchRequest {
        path_prefix: "/runbooks".into(),
        path_prefixes: [("org".to_owned(), String::new())].into(),
        ..request(&["team", "org"], "disk deploy")
    };
    assert_eq!(places(&admin.search(&within).await?), ["org:/policy.md", "team:/runbooks/disk-full.md"]);
    let one = pb::SearchRequest { limit: 1, ..request(&["team", "org"], "disk") };
    let found = admin.search(&one).await?;
    assert_eq!((found.results.len(), found.more), (1, true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_search_asks_wrongly_is_named_and_what_may_not_be_seen_is_absent() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    let team = create_store(&admin, "team").await?;
    create_store(&admin, "secret").await?;
    write(&admin, "team", "/open/a.md", "disk\n").await?;
    write(&admin, "team", "/closed/b.md", "disk\n").await?;

    let refused = admin.search(&request(&["team"], "disk \"full")).await.unwrap_err();
    let violation = &refused.details().violations[0];
    assert_eq!((refused.kind(), violation.field.as_str()), (Kind::Invalid, "query"));
    assert!(violation.description.contains("character 6"), "{}", violation.description);
    let twice = admin.search(&request(&["team", &team.id], "disk")).await.unwrap_err();
    assert_eq!((twice.kind(), twice.details().violations[0].field.as_str()), (Kind::Invalid, "stores[1]"));

    let attachment = pb::Attachment {
        store: "team".into(),
        access: pb::Access::ReadOnly.into(),
        path_prefix: "/open".into(),
        ..Default::default()
    };
    let attached = pb::AttachSessionRequest {
        session: "sesn_0000000000000000000000000a".into(),
        agent: "pager-a".into(),
        attachments: vec![attachment],
        ..Default::default()
    };
    let attached = answer(admin.access().attach_session(attached).await)?;
    let agent = cluster.client(Secret::new(attached.secret));
    assert_eq!(places(&agent.search(&request(&["team"], "disk")).await?), ["team:/open/a.md"]);
    assert_eq!(agent.search(&request(&["team", "secret"], "disk")).await.unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_waits_for_a_revision_until_its_deadline() -> Result<()> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    create_store(&admin, "team").await?;
    let least = |revision| pb::SearchRequest {
        min_revisions: [("team".to_owned(), revision)].into(),
        ..request(&["team"], "disk")
    };
    let mut impatient: Request<pb::SearchRequest> = least(2).into_request();
    impatient.set_timeout(Duration::from_millis(300));
    assert_eq!(answer(admin.memory().search(impatient).await).unwrap_err().kind(), Kind::Deadline);

    let request = least(2);
    let (found, written) = tokio::join!(admin.search(&request), async {
        write(&admin, "team", "/a.md", "disk\n").await?;
        write(&admin, "team", "/b.md", "disk\n").await
    });
    assert_eq!((found?.searched[0].revision, written?.revision), (2, 2));
    Ok(())
}
