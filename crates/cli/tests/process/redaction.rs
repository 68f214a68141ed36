//! `reverie redact`: what went is in no file of the data folder, and the keys that could open a copy are gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use crate::run::{argument, run, stderr};
use crate::up::{refused, reverie, up};

/// A text, and the path that it stands at.
const WORDS: [&str; 2] = ["4711-alpha", "launch/plan"];

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

fn files_with(folder: &Path, words: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in files(folder)? {
        let bytes = std::fs::read(&file)?;
        if words.iter().any(|word| bytes.windows(word.len()).any(|part| part == word.as_bytes())) {
            found.push(file);
        }
    }
    Ok(found)
}

fn epochs(data: &Path) -> Result<BTreeSet<PathBuf>> {
    let keys =
        files(data)?.into_iter().filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("epoch")));
    Ok(keys.filter(|f| f.components().any(|c| c.as_os_str() == "memory-store")).collect())
}

#[tokio::test]
async fn what_was_redacted_is_in_no_file_and_the_history_verifies() -> Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let cluster = up(&data).await?;
    reverie(&data, &["store", "create", "team"]).await?;
    reverie(&data, &["write", "team:/keep.md", "--text", "kept", "-m", "First"]).await?;
    let secret = "the code is 4711-alpha, not 4712";
    reverie(&data, &["write", "team:/launch/plan.md", "--text", secret, "-m", "wrote launch/plan.md"]).await?;
    reverie(&data, &["store", "fork", "team", "copy"]).await?;
    let session = folder.path().join("session.jsonl");
    let line = serde_json::json!({"messages": [{"role": "user", "content": "read launch/plan.md"}]});
    std::fs::write(&session, format!("{line}\n"))?;
    reverie(&data, &["session", "import", argument(&session), "--agent", "pager", "--attach", "team"]).await?;
    reverie(&data, &["dream", "create", "team", "--attached", "--wait"]).await?;
    std::fs::write(folder.path().join("control"), secret)?;
    assert_eq!(
        files_with(folder.path(), &WORDS[..1])?,
        [folder.path().join("control")],
        "the search finds what is there"
    );
    let before = epochs(&data)?;

    let nobody = refused(&data, &["redact", "team", "--path", "/launch", "--reason", "test"]).await?;
    assert!(nobody.contains("--yes") && nobody.contains("--dry-run"), "{nobody}");
    let dry = reverie(&data, &["redact", "team", "--path", "/launch", "--reason", "test", "--dry-run"]).await?;
    assert!(dry.contains("would redact"), "{dry}");
    assert!(reverie(&data, &["cat", "team:/launch/plan.md"]).await?.contains(WORDS[0]), "a dry run changes nothing");
    let done = reverie(&data, &["redact", "team", "--path", "/launch", "--reason", "test", "--yes"]).await?;
    assert!(done.contains("are destroyed"), "{done}");

    assert_eq!(files_with(&data, &WORDS)?, Vec::<PathBuf>::new());
    let after = epochs(&data)?;
    assert!(!before.is_empty() && before.is_disjoint(&after), "the old key epoch is there: {before:?} {after:?}");
    for store in ["team", "copy"] {
        let gone = refused(&data, &["cat", &format!("{store}:/launch/plan.md")]).await?;
        assert!(gone.contains("/launch/plan.md"), "{gone}");
        let verified = reverie(&data, &["audit", "verify", store]).await?;
        assert!(verified.contains("redacted or expired"), "{verified}");
    }
    let audit = reverie(&data, &["audit", "ls", "--action", "StoreRedact"]).await?;
    assert!(audit.contains("is done"), "{audit}");
    assert_eq!(cluster.stop().await?.code(), Some(0));
    let scrubbed = run(&["scrub", "--data", argument(&data)], &[]).await?;
    assert!(scrubbed.status.success(), "{}", stderr(&scrubbed));
    Ok(())
}
