//! How much room a database takes on the disk, for the metrics.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::metrics::Metrics;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(30);

/// Measures until `shutdown` fires.
pub async fn regularly(name: &'static str, folder: PathBuf, metrics: Metrics, shutdown: CancellationToken) {
    let measures = async {
        loop {
            match bytes(&folder) {
                Ok(bytes) => metrics.database_bytes(name, bytes),
                Err(error) => tracing::warn!(database = name, %error, "the database's size cannot be read"),
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = measures => {}
        () = shutdown.cancelled() => {}
    }
}

/// The sizes of all files below a folder, summed. A file that goes away meanwhile counts for nothing.
fn bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => sum += bytes(&entry.path())?,
            Ok(metadata) => sum += metadata.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_all_files_below_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a"), [0; 10]).expect("written");
        fs::create_dir(folder.path().join("below")).expect("made");
        fs::write(folder.path().join("below/b"), [0; 5]).expect("written");
        assert_eq!(bytes(folder.path()).expect("measured"), 15);
    }
}
