//! `reverie up`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::run::{Serving, argument, run, stderr};

pub async fn up(data: &Path) -> Result<Serving> {
    let mut serving = Serving::start(&["up", "--data", argument(data), "--port-base", "0"])?;
    serving.says("ready").await?;
    Ok(serving)
}

/// A client command against the cluster in a folder.
pub async fn reverie(data: &Path, arguments: &[&str]) -> Result<String> {
    let output = output(data, arguments).await?;
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    Ok(String::from_utf8(output.stdout)?)
}

/// What a client command says that must fail.
pub async fn refused(data: &Path, arguments: &[&str]) -> Result<String> {
    let output = output(data, arguments).await?;
    assert!(!output.status.success(), "{arguments:?} was not refused");
    Ok(stderr(&output))
}

async fn output(data: &Path, arguments: &[&str]) -> Result<Output> {
    let addresses: Value = serde_json::from_slice(&std::fs::read(data.join("up.json"))?)?;
    let text = |key: &str| addresses[key].as_str().with_context(|| format!("up.json has no {key}"));
    let environment = [("REVERIE_URL", text("base")?), ("REVERIE_TOKEN_FILE", text("token_file")?)];
    run(arguments, &environment).await
}

#[tokio::test]
async fn a_cluster_says_where_it_is_stops_cleanly_when_told_and_comes_back_with_its_data() -> Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let cluster = up(&data).await?;
    let mode = std::fs::metadata(data.join("admin.token"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may read the admin's token");
    let token = std::fs::read(data.join("admin.token"))?;
    reverie(&data, &["store", "create", "team"]).await?;
    reverie(&data, &["write", "team:/a.md", "--text", "kept", "-m", "First"]).await?;
    assert_eq!(cluster.stop().await?.code(), Some(0));
    assert!(!data.join("up.json").exists(), "nothing says that it is up");

    let cluster = up(&data).await?;
    assert_eq!(std::fs::read(data.join("admin.token"))?, token);
    assert_eq!(reverie(&data, &["cat", "team:/a.md"]).await?.trim(), "kept");
    assert_eq!(cluster.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn metrics_count_calls_by_role_and_outcome() -> Result<()> {
    let folder = TempDir::new()?;
    let _cluster = up(folder.path()).await?;
    reverie(folder.path(), &["store", "create", "team"]).await?;
    refused(folder.path(), &["cat", "team:/absent.md"]).await?;
    let addresses: Value = serde_json::from_slice(&std::fs::read(folder.path().join("up.json"))?)?;
    let url = addresses["metrics"].as_str().context("up.json has no metrics")?;
    let (address, path) = url.strip_prefix("http://").and_then(|u| u.split_once('/')).context("an address")?;
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    assert!(text.starts_with("HTTP/1.0 200") && text.contains("text/plain; version=0.0.4"), "{text}");
    for line in [
        r#"reverie_rpc_seconds_count{code="Ok",role="all",rpc="reverie.memory.v1.StoreService/CreateStore"} 1"#,
        r#"reverie_rpc_seconds_count{code="NotFound",role="all",rpc="reverie.memory.v1.MemoryService/GetMemory"} 1"#,
        r#"reverie_database_bytes{role="memory-store"}"#,
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_cluster_in_the_same_folder_is_told_who_has_it() -> Result<()> {
    let folder = TempDir::new()?;
    let _cluster = up(folder.path()).await?;
    let addresses: Value = serde_json::from_slice(&std::fs::read(folder.path().join("up.json"))?)?;
    let second = run(&["up", "--data", argument(folder.path()), "--port-base", "0"], &[]).await?;
    let said = stderr(&second);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&format!("process {}", addresses["pid"])) && said.contains("--data"), "{said}");
    reverie(folder.path(), &["whoami"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let folder = TempDir::new()?;
    let refused = run(&["up", "--data", argument(folder.path()), "--port-base", &port], &[]).await?;
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains(&port) && said.contains("--port-base"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_lost_admin_token_can_be_chosen_anew() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("admin.token");
    up(folder.path()).await?.stop().await?;
    std::fs::remove_file(&file)?;
    let refused = run(&["up", "--data", argument(folder.path()), "--port-base", "0"], &[]).await?;
    assert!(!refused.status.success() && stderr(&refused).contains("admin.token"), "{}", stderr(&refused));

    std::fs::write(&file, format!("rv1_{}\n", "a".repeat(43)))?;
    let _cluster = up(folder.path()).await?;
    reverie(folder.path(), &["whoami"]).await?;
    Ok(())
}
