//! The reduce step: what many sessions show together.

use rayon::prelude::*;

use crate::analyse::Analysis;
use crate::candidate::Candidate;
use crate::config::Config;
use crate::miners;
use crate::pool::Pool;

/// Runs every miner over all sessions. The same sessions in any order, and a session given twice, give the same
/// candidates. A (reason, key) comes once, but for facts, where it comes once for each value asserted.
pub fn reduce(analyses: &[Analysis], config: &Config) -> Vec<Candidate> {
    let pool = Pool::new(analyses, config);
    let miners: [Miner; 7] = [
        miners::error::mine,
        miners::sibling_diff::mine,
        miners::repeated_call::mine,
        miners::time_lag::mine,
        miners::correction::mine,
        miners::fact::mine,
        miners::recurring_note::mine,
    ];
    let mut candidates: Vec<Candidate> = miners.par_iter().flat_map_iter(|mine| mine(&pool, config)).collect();
    candidates.sort_by(|a, b| (a.kind, &a.reason, &a.key, &a.claim).cmp(&(b.kind, &b.reason, &b.key, &b.claim)));
    candidates
}

type Miner = fn(&Pool<'_>, &Config) -> Vec<Candidate>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, session};

    fn mine_all(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
        let analyses: Vec<Analysis> = pool.sessions.iter().map(|a| (*a).clone()).collect();
        reduce(&analyses, config)
    }

    fn run(i: usize) -> Script {
        session(["a", "b"][i % 2])
            .task(&format!("t{}", i / 2))
            .succeeded(i.is_multiple_of(2))
            .user(&format!("book seat {i}"))
            .fails("pay", r#"{"with":"cash"}"#, "Error: cash is refused")
            .ok("pay", &format!(r#"{{"with":"card-{}"}}"#, i % 2), "paid")
            .user("No, always send a receipt to billing-inbox.")
            .ok("send", r#"{"to":"billing-inbox"}"#, "sent")
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(reduce(&[], &Config::default()), []);
    }

    #[test]
    fn a_finding_keeps_its_name_as_support_grows() {
        let names = |sessions: usize| -> Vec<(String, String)> {
            let scripts: Vec<Script> = (0..sessions).map(run).collect();
            crate::script::mined(mine_all, &scripts).into_iter().map(|c| (c.reason, c.key)).collect()
        };
        let later = names(8);
        assert!(names(4).len() >= 3 && names(4).iter().all(|name| later.contains(name)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            assert_order_is_nothing(mine_all, &(0..8).map(run).collect::<Vec<_>>(), seed);
        }
    }
}
