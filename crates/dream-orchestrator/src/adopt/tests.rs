//! Which changes are adopted.

use domain::Timestamp;
use domain::dream::{Operation, Support, Tier, Verdict};

use super::*;

fn row(id: &str, depends_on: &[&str], decision: Option<Decision>) -> (ChangeRow, Option<Review>) {
    let change = Change {
        id: id.into(),
        operation: Operation::Edit,
        edits: Vec::new(),
        depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
        reason: String::new(),
        summary: String::new(),
        tier: Tier::Seen,
        support: Support::default(),
        evidence: Vec::new(),
        author: String::new(),
        verdict: Verdict::default(),
    };
    let review = decision.map(|decision| Review {
        decision,
        note: String::new(),
        principal: "ana".into(),
        time: Timestamp::UNIX_EPOCH,
    });
    (ChangeRow { change, diff: String::new() }, review)
}

fn ids(rows: &[(ChangeRow, Option<Review>)], selection: Selection) -> Vec<String> {
    accepted(rows, selection).into_iter().map(|c| c.id).collect()
}

#[test]
fn what_is_accepted_brings_what_it_depends_on() {
    let rows =
        [row("a", &[], None), row("b", &["a"], None), row("c", &["b"], Some(Decision::Accept)), row("d", &[], None)];
    assert_eq!(ids(&rows, Selection::Accepted), ["a", "b", "c"]);
    assert_eq!(ids(&rows, Selection::NotRejected), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_rejected_stays_out_with_all_that_depends_on_it() {
    let rows = [
        row("a", &[], Some(Decision::Reject)),
        row("b", &["a"], None),
        row("c", &["b"], Some(Decision::Accept)),
        row("d", &[], Some(Decision::Accept)),
    ];
    assert_eq!(ids(&rows, Selection::Accepted), ["d"]);
    assert_eq!(ids(&rows, Selection::NotRejected), ["d"]);
}
