//! The whole way: sessions in, a dream, its evidence, review, adoption, and back to the events.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use client::Client;
use domain::Kind;
use proto::dream as dpb;
use proto::memory as pb;
use scenario::oncall::{self, Plan};

use crate::calls::{changes, dream, import, memories, open_evidence};
use crate::cluster::{Running, answer, create_store, write};

async fn oncall_cluster(planted: bool) -> Result<(Running, Client)> {
    let cluster = Running::start().await?;
    let admin = cluster.admin();
    create_store(&admin, "team-sre").await?;
    write(
        &admin,
        "team-sre",
        "/checkout-db.md",
        "# checkout-db\n\ncheckout-db primary: db-1.prod\ncheckout-db replicas: 2\n",
    )
    .await?;
    let plan = Plan { seed: 7, sessions: 24, planted };
    for session in &oncall::generate(&plan).sessions {
        let done = import(&admin, session.to_jsonl().into_bytes(), &session.id, &session.agent, "team-sre").await?;
        assert_eq!((done.sessions.len(), done.problems.len()), (1, 0), "{done:?}");
    }
    Ok((cluster, admin))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dream_finds_what_was_planted_and_a_person_adopts_it() -> Result<()> {
    let (_cluster, admin) = oncall_cluster(true).await?;
    let dreamt = dream(&admin, "team-sre").await?;
    assert!(matches!(dreamt.state(), dpb::DreamState::Succeeded | dpb::DreamState::NeedsReview), "{dreamt:?}");
    let changes = changes(&admin, &dreamt.id).await?;
    assert!(open_evidence(&admin, &dreamt.id, &changes).await? > 0);
    let text = changes.iter().map(|c| format!("{}\n{}\n", c.summary, c.diff)).collect::<String>();
    for planted in ["cpu_spike", "CheckoutLatencyHigh", "namespace", "4812", "db-3.prod", "platform team"] {
        assert!(text.contains(planted), "{planted} was planted and not found in:\n{text}");
    }
    assert_eq!(memories(&admin, "team-sre").await?.len(), 1, "a dream never writes its input");

    write(&admin, "team-sre", "/meanwhile.md", "written while the dream waited\n").await?;
    let adopt = dpb::AdoptDreamRequest { dream: dreamt.id.clone(), ..Default::default() };
    let adopted = answer(admin.dreams().adopt_dream(adopt.clone()).await)?;
    let after = memories(&admin, "team-sre").await?;
    assert_eq!(after["/meanwhile.md"], "written while the dream waited\n");
    assert!(after["/checkout-db.md"].contains("db-3.prod") && after.contains_key("/INDEX.md"), "{:?}", after.keys());
    assert_eq!(
        answer(admin.dreams().adopt_dream(adopt).await)?.revision,
        adopted.revision,
        "adopting twice is adopting once"
    );

    // From a line back to the change, and by that to its events.
    let blame = pb::BlameRequest { store: "team-sre".into(), path: "/checkout-db.md".into(), revision: 0 };
    let blame = answer(admin.history().blame(blame).await)?;
    let line =
        blame.ranges.iter().find(|r| r.lines.iter().any(|l| l.contains("db-3.prod"))).context("the line is blamed")?;
    let source = line.sources.first().context("and has a source")?;
    let id = source.rsplit('/').next().unwrap_or_default();
    assert!(changes.iter().any(|c| c.id == id), "{source}");
    assert_eq!(line.actor.clone().unwrap_or_default().dream, dreamt.id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_null_twin_nothing_is_found() -> Result<()> {
    let (_cluster, admin) = oncall_cluster(false).await?;
    let dreamt = dream(&admin, "team-sre").await?;
    let changes = changes(&admin, &dreamt.id).await?;
    let found: Vec<_> = changes.iter().filter(|c| c.reason != "index").map(|c| (&c.reason, &c.summary)).collect();
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

/// Real sessions: the whole set beside the project where it is there, else the trimmed one in it.
fn airline_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let whole = root.join("../../shared/data/tau_bench_airline/gpt-4o-airline.jsonl");
    if whole.exists() {
        return vec![whole];
    }
    println!("the whole airline set is not there: using the trimmed fixtures");
    let fixtures = std::fs::read_dir(root.join("fixtures/tau_bench")).into_iter().flatten().flatten();
    fixtures.map(|f| f.path()).filter(|f| f.extension().is_some_and(|e| e == "jsonl" || e == "json")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_dreams_of_the_same_real_sessions_are_the_same_bytes_and_all_evidence_resolves() -> Result<()> {
    let mut outputs = Vec::new();
    for reverse in [false, true] {
        let cluster = Running::start().await?;
        let admin = cluster.admin();
        create_store(&admin, "airline-desk").await?;
        for file in airline_files() {
            let mut lines: Vec<String> = std::fs::read_to_string(&file)?.lines().map(|l| format!("{l}\n")).collect();
            if reverse {
                lines.reverse();
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let done = import(&admin, lines.concat().into_bytes(), &name, "gpt-4o", "airline-desk").await?;
            assert_eq!((done.sessions.len(), done.problems.len()), (lines.len(), 0), "{:?}", done.problems);
            let again = import(&admin, lines.concat().into_bytes(), &name, "gpt-4o", "airline-desk").await?;
            assert!(again.sessions.iter().all(|s| s.deduplicated), "an import twice adds nothing");
        }
        let dreamt = dream(&admin, "airline-desk").await?;
        assert!(matches!(dreamt.state(), dpb::DreamState::Succeeded | dpb::DreamState::NeedsReview), "{dreamt:?}");
        let changes = changes(&admin, &dreamt.id).await?;
        let opened = open_evidence(&admin, &dreamt.id, &changes).await?;
        println!(
            "{} sessions, {} changes, {opened} pieces of evidence opened",
            dreamt.input.clone().unwrap_or_default().sessions.len(),
            changes.len()
        );
        assert!(changes.iter().all(|c| c.reason == "index" || !c.evidence.is_empty()), "a change without evidence");
        outputs.push((memories(&admin, &dreamt.output_store).await?, dreamt.report.unwrap_or_default().output_digest));
    }
    assert!(!outputs[0].0.is_empty());
    assert_eq!(outputs[0], outputs[1], "the order of the sessions changed the dream");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_change_stays_out_and_a_discarded_dream_cannot_be_adopted() -> Result<()> {
    let (_cluster, admin) = oncall_cluster(true).await?;
    let dreamt = dream(&admin, "team-sre").await?;
    let all = changes(&admin, &dreamt.id).await?;
    let rejected = all.iter().find(|c| c.diff.contains("db-3.prod")).context("the outdated line is corrected")?;
    let review = dpb::ReviewChangeRequest {
        dream: dreamt.id.clone(),
        change: rejected.id.clone(),
        decision: dpb::ReviewDecision::Reject.into(),
        note: "the runbook is right".into(),
    };
    answer(admin.dreams().review_change(review).await)?;
    let adopt = dpb::AdoptDreamRequest { dream: dreamt.id.clone(), ..Default::default() };
    let adopted = answer(admin.dreams().adopt_dream(adopt).await)?;
    assert!(!adopted.adopted_changes.contains(&rejected.id));
    let after = memories(&admin, "team-sre").await?;
    assert!(after["/checkout-db.md"].contains("primary: db-1.prod"), "{}", after["/checkout-db.md"]);

    let second = dream(&admin, "team-sre").await?;
    answer(admin.dreams().discard_dream(dpb::DiscardDreamRequest { dream: second.id.clone() }).await)?;
    let adopt = dpb::AdoptDreamRequest { dream: second.id, ..Default::default() };
    assert_eq!(answer(admin.dreams().adopt_dream(adopt).await).unwrap_err().kind(), Kind::Precondition);
    Ok(())
}
