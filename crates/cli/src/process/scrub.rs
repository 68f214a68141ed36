//! The scrub of a service's database, in the background and on demand.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::Clock as _;
use runtime::clock::SystemClock;
use runtime::metrics::Metrics;
use storage::{Report, Vault};
use tokio_util::sync::CancellationToken;

use crate::output::Output;
use crate::process::databases;

/// Between two slices of a background scrub: it takes a few per cent of the database's time.
const PAUSE: Duration = Duration::from_millis(50);
/// Before the first scrub, and between two.
const FIRST_AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Scrubs once a day until `shutdown` fires. What it finds is in the log and in the metrics.
pub async fn daily(name: &'static str, vault: Vault, metrics: Metrics, shutdown: CancellationToken) {
    let scrubs = async {
        tokio::time::sleep(FIRST_AFTER).await;
        loop {
            let result = slowly(&vault).await;
            let is_sound = result.as_ref().is_ok_and(Report::is_sound);
            metrics.scrubbed(name, is_sound, SystemClock.now().as_millisecond() as f64 / 1e3);
            match result {
                Ok(report) if report.is_sound() => {
                    tracing::info!(
                        database = name,
                        rows = report.rows,
                        bytes = report.bytes,
                        "the scrub found no damage"
                    );
                }
                Ok(report) => {
                    tracing::error!(
                        database = name,
                        damaged = report.damaged_count,
                        complete = report.complete,
                        "the scrub found damage: restore the database from a backup"
                    );
                }
                Err(error) => tracing::error!(database = name, %error, "the scrub could not go on"),
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = scrubs => {}
        () = shutdown.cancelled() => {}
    }
}

async fn slowly(vault: &Vault) -> storage::engine::Result<Report> {
    let mut scrub = vault.scrub()?;
    while scrub.slice().await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(scrub.report().clone())
}

/// `reverie scrub`: the databases of a stopped data folder.
pub async fn offline(data: &Path, output: &Output) -> Result<()> {
    let _lock = databases::lock(data)?;
    let mut damaged = 0;
    for (name, folder) in databases::find(data)? {
        let vault = databases::open(&folder).await.with_context(|| format!("opening {}", folder.display()))?;
        let report = vault.scrub()?.run().await?;
        let words = if report.is_sound() { "sound" } else { "DAMAGED" };
        output.line(&format!("{name}: {} rows, {} bytes: {words}", report.rows, report.bytes))?;
        for damage in &report.damaged {
            let key: String = damage.key.iter().map(|b| format!("{b:02x}")).collect();
            output.line(&format!("  {key}: {}", damage.why))?;
        }
        if report.complete == Some(false) {
            output.line("  rows are missing, or older than they should be")?;
        }
        damaged += u64::from(!report.is_sound());
    }
    if damaged > 0 {
        bail!("{damaged} of the databases are damaged: restore the folder from a backup");
    }
    Ok(())
}
