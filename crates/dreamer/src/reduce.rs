//! The reduce step: what many sessions show together.

use rayon::prelude::*;

use crate::analyse::Analysis;
use crate::candidate::Candidate;
use crate::config::Config;
use crate::miners;
use crate::pool::Pool;

/// Runs every miner over all sessions. The same sessions in any order, and a session given twice, give the same
/// candidates.
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
    candidates.sort_by(|a, b| (a.kind, &a.reason, &a.key).cmp(&(b.kind, &b.reason, &b.key)));
    candidates
}

type Miner = fn(&Pool<'_>, &Config) -> Vec<Candidate>;
