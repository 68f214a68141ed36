//! Seeded generators of realistic agent sessions, for the demo, the tests and the evaluation.
//!
//! Imports nothing of Reverie and nothing of Reverie's engine imports it, so that a miner cannot
//! know what was planted. What was planted is returned beside the sessions, as the answer key.

pub mod claude_code;
pub mod oncall;
pub mod timeline;
