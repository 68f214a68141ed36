//! `reverie search` and `reverie find`.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Serving, argument, run, stderr};

#[tokio::test]
async fn memories_are_found_by_what_they_say_and_by_their_names() -> Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let mut cluster = Serving::start(&["up", "--data", argument(&data), "--port-base", "0"])?;
    cluster.says("ready").await?;
    let addresses: Value = serde_json::from_slice(&std::fs::read(data.join("up.json"))?)?;
    let url = addresses["base"].as_str().context("up.json has no base")?.to_owned();
    let token = argument(&data.join("admin.token")).to_owned();
    let reverie =
        async |arguments: &[&str]| run(arguments, &[("REVERIE_URL", &url), ("REVERIE_TOKEN_FILE", &token)]).await;
    let says = async |arguments: &[&str]| -> Result<String> {
        let output = reverie(arguments).await?;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        Ok(String::from_utf8(output.stdout)?)
    };
    says(&["store", "create", "team"]).await?;
    says(&["store", "create", "org"]).await?;
    says(&["write", "team:/runbooks/disk.md", "--text", "# Disk\n\nThe disk of the primary was full."]).await?;
    says(&["write", "org:/policy.md", "--text", "Keep disks half empty."]).await?;

    let found = says(&["search", "team:/runbooks", "org", "full disks"]).await?;
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines[0].starts_with("team:/runbooks/disk.md  @1  "), "{found}");
    assert_eq!(lines[1..3], ["     1: # Disk", "     3: The disk of the primary was full."], "{found}");
    assert!(lines[3].starts_with("org:/policy.md  @1  "), "{found}");
    assert_eq!(says(&["search", "team", "org", "disk -full", "--files"]).await?, "org:/policy.md\n");
    let json: Value = serde_json::from_str(&says(&["search", "team", "disk", "--output", "json"]).await?)?;
    assert_eq!(json["results"][0]["path"], "/runbooks/disk.md");
    let refused = reverie(&["search", "team", "\"disk"]).await?;
    assert!(!refused.status.success() && stderr(&refused).contains("not closed"), "{}", stderr(&refused));

    assert_eq!(says(&["find", "team", "*.md"]).await?, "team:/runbooks/disk.md\n");
    assert_eq!(says(&["find", "team:/runbooks", "d?sk*"]).await?, "team:/runbooks/disk.md\n");
    assert_eq!(says(&["find", "team:/other", "*"]).await?, "");
    Ok(())
}
