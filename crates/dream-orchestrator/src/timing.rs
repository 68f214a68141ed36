//! Timing: how long leases hold, how often dreams are looked for, how patient a dream is.

use std::time::Duration;

use domain::limits;

/// The default is what `domain::limits` says.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For which a lease holds without being renewed, by the engine's clock.
    pub lease: Duration,
    /// Between two looks for dreams that nobody runs.
    pub look: Duration,
    /// Between the first two tries of a dream whose peers do not answer; then twice as long each time.
    pub wait_min: Duration,
    pub wait_max: Duration,
    /// After which such a dream fails.
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            lease: Duration::from_secs(limits::DREAM_LEASE_S),
            look: Duration::from_secs(limits::DREAM_LOOK_S),
            wait_min: Duration::from_millis(500),
            wait_max: Duration::from_secs(limits::DREAM_WAIT_MAX_S),
            patience: Duration::from_secs(limits::DREAM_PATIENCE_S),
        }
    }
}
