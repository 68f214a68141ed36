//! The git command, where it is installed.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// What else would have git look at another repository.
const MISLEADING: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"];

/// A git command in a folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).kill_on_drop(true);
    for name in MISLEADING {
        command.env_remove(name);
    }
    command
}

/// Runs a git command to its end; what it printed.
pub async fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(folder, arguments).output().await.context("running git: is it installed?")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The branch that is checked out, or HEAD where none is.
pub async fn current_branch(folder: &Path) -> Result<String> {
    run(folder, &["rev-parse", "--abbrev-ref", "HEAD"]).await
}
