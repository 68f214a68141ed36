//! `reverie backup`, `reverie restore-backup`, `reverie scrub`.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::run::{argument, run, stderr};
use crate::up::{reverie, up};

#[tokio::test]
async fn a_cluster_is_backed_up_restored_elsewhere_and_goes_on() -> Result<()> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name);
    let (data, restored, backup, keys) = (at("data"), at("restored"), at("backup"), at("keys"));
    std::fs::write(at("passphrase"), "correct horse battery staple\n")?;
    let passphrase = at("passphrase");
    let places = |data: &Path, command: &str| -> Vec<String> {
        let paths = [("--data", data), ("--backup", &backup), ("--keys", &keys), ("--passphrase-file", &passphrase)];
        let arguments = paths.into_iter().flat_map(|(name, path)| [name.to_owned(), argument(path).to_owned()]);
        [command.to_owned()].into_iter().chain(arguments).collect()
    };
    let offline = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&arguments, &[]).await
    };

    let cluster = up(&data).await?;
    reverie(&data, &["store", "create", "team"]).await?;
    reverie(&data, &["write", "team:/a.md", "--text", "kept", "-m", "First"]).await?;
    let busy = offline(places(&data, "backup")).await?;
    assert!(!busy.status.success() && stderr(&busy).contains("stop it"), "{}", stderr(&busy));
    assert_eq!(cluster.stop().await?.code(), Some(0));

    let done = offline(places(&data, "backup")).await?;
    assert!(done.status.success(), "{}", stderr(&done));
    let scrubbed = run(&["scrub", "--data", argument(&data)], &[]).await?;
    assert!(scrubbed.status.success(), "{}", stderr(&scrubbed));
    assert_eq!(String::from_utf8(scrubbed.stdout)?.matches(": sound").count(), 3);
    let into_the_same = offline(places(&data, "restore-backup")).await?;
    assert!(stderr(&into_the_same).contains("has a database"), "{}", stderr(&into_the_same));
    let done = offline(places(&restored, "restore-backup")).await?;
    assert!(done.status.success(), "{}", stderr(&done));

    std::fs::copy(data.join("admin.token"), restored.join("admin.token"))?;
    let cluster = up(&restored).await?;
    assert_eq!(reverie(&restored, &["cat", "team:/a.md"]).await?.trim(), "kept");
    reverie(&restored, &["write", "team:/b.md", "--text", "new", "-m", "Second"]).await?;
    assert_eq!(cluster.stop().await?.code(), Some(0));
    Ok(())
}
