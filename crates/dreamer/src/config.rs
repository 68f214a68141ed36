//! The settings of a dream, with their defaults and units.

use domain::limits;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Distinct sessions below which a pattern is not worth a note.
    pub sessions_min: usize,
    /// Distinct sessions below which a time lag is not looked at.
    pub lag_sessions_min: usize,
    /// Longest lag between two events, seconds.
    pub lag_window_s: f64,
    /// False-discovery rate (Benjamini-Hochberg) over all tests of one kind.
    pub q_max: f64,
    /// Cosine below which two sessions without a task key are not taken for siblings.
    pub sibling_cosine_min: f64,
    /// Weighted Jaccard from which two statements are taken for one, where their entities agree.
    pub duplicate_jaccard_min: f64,
    /// Notes that a dream may add before it needs review.
    pub adds_max: usize,
    /// Share of the store's bytes that a dream may touch before it needs review.
    pub touched_share_max: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sessions_min: 2,
            lag_sessions_min: 4,
            lag_window_s: 600.0,
            q_max: 0.05,
            sibling_cosine_min: 0.4,
            duplicate_jaccard_min: 0.8,
            adds_max: limits::DREAM_ADDS_MAX,
            touched_share_max: limits::DREAM_TOUCHED_SHARE_MAX,
        }
    }
}
