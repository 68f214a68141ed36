//! Runs the binary.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// The binary, in an environment that says nothing about Reverie.
fn reverie(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverie"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["REVERIE_URL", "REVERIE_TOKEN", "REVERIE_TOKEN_FILE", "REVERIE_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let output = reverie(arguments).envs(environment.iter().copied()).output();
    Ok(tokio::time::timeout(SOON, output).await.with_context(|| format!("{arguments:?} did not end"))??)
}

/// A process that serves. Dropping it kills it.
pub struct Serving {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Serving {
    pub fn start(arguments: &[&str]) -> Result<Serving> {
        let mut child = reverie(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        Ok(Serving { child, stdout })
    }

    /// The first line on stdout that has `text` in it.
    pub async fn says(&mut self, text: &str) -> Result<String> {
        line_with(&mut self.stdout, text).await
    }

    /// The first line of the log that has `text` in it. To be asked once.
    pub async fn logs(&mut self, text: &str) -> Result<String> {
        let stderr = self.child.stderr.take().context("the log was read before")?;
        let mut lines = BufReader::new(stderr).lines();
        let found = line_with(&mut lines, text).await;
        // Whoever writes on must not be held up by a full pipe, nor end by a closed one.
        self.child.stderr = Some(lines.into_inner().into_inner());
        found
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        let pid = self.child.id().context("it has ended before")?.to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await?;
        assert!(told.success(), "kill -TERM {pid}");
        tokio::time::timeout(SOON, self.child.wait()).await.context("it did not stop")?.map_err(Into::into)
    }
}

async fn line_with<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>, text: &str) -> Result<String> {
    let mut seen = Vec::new();
    let found = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains(text) {
                return Ok(line);
            }
            seen.push(line);
        }
        bail!("it ended without {text:?}; it said {seen:#?}")
    };
    tokio::time::timeout(SOON, found).await.with_context(|| format!("{text:?} did not come"))?
}

/// A path as an argument.
pub fn argument(path: &Path) -> &str {
    path.to_str().expect("temporary folders have UTF-8 names")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
