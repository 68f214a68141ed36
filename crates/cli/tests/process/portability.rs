//! `reverie export` and `reverie import`, with git itself where it is installed.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::run::{Serving, argument, run, stderr};

/// A cluster, and the credentials of the people who write to it.
struct World {
    _cluster: Serving,
    folder: TempDir,
    url: String,
    admin: String,
}

impl World {
    async fn start() -> Result<World> {
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        let mut cluster = Serving::start(&["up", "--data", argument(&data), "--port-base", "0"])?;
        cluster.says("ready").await?;
        let addresses: Value = serde_json::from_slice(&std::fs::read(data.join("up.json"))?)?;
        let url = addresses["base"].as_str().context("up.json has no base")?.to_owned();
        let admin = std::fs::read_to_string(data.join("admin.token"))?.trim().to_owned();
        Ok(World { _cluster: cluster, folder, url, admin })
    }

    async fn output(&self, token: &str, arguments: &[&str]) -> Result<std::process::Output> {
        run(arguments, &[("REVERIE_URL", &self.url), ("REVERIE_TOKEN", token)]).await
    }

    async fn by(&self, token: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(token, arguments).await?;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    async fn admin(&self, arguments: &[&str]) -> Result<String> {
        self.by(&self.admin, arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.admin(&[arguments, &["--output", "json"]].concat()).await?)?)
    }

    async fn token(&self, subject: &str) -> Result<String> {
        let made = self.json(&["token", "create", "--subject", subject, "--all-stores"]).await?;
        Ok(made["secret"].as_str().context("a token has a secret")?.to_owned())
    }

    /// A path in the test's folder.
    fn path(&self, name: &str) -> String {
        argument(&self.folder.path().join(name)).to_owned()
    }

    /// Several people's work: every kind of change, and lines of different authors in one file.
    async fn write_history(&self) -> Result<()> {
        self.admin(&["store", "create", "team", "--name", "The team"]).await?;
        let (ana, ben) = (self.token("ana").await?, self.token("ben").await?);
        self.by(&ana, &["write", "team:/triage.md", "--text", "first\nsecond\nthird", "-m", "From the wiki"]).await?;
        self.by(&ben, &["edit", "team:/triage.md", "--old", "second", "--new", "zweite", "-m", "In German"]).await?;
        self.by(&ana, &["write", "team:/notes/on call.md", "--text", "ana"]).await?;
        self.by(&ben, &["write", "team:/triage.md", "--text", "zero\nfirst\nzweite\nthird\nfourth"]).await?;
        self.by(&ana, &["mv", "team:/notes/on call.md", "/people/on call.md", "-m", "Where people look"]).await?;
        self.by(&ben, &["write", "team:/gone.md", "--text", "x"]).await?;
        self.by(&ana, &["rm", "team:/gone.md"]).await?;
        Ok(())
    }
}

/// What git prints, without what this machine's configuration might add.
async fn git(folder: &str, arguments: &[&str]) -> Result<String> {
    let nothing = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("TZ", "UTC")];
    let identity = ["-c", "user.name=Cem Oz", "-c", "user.email=cem@example.org", "-c", "core.quotePath=false"];
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(identity).args(arguments).envs(nothing).stdin(Stdio::null());
    let output = command.output().await?;
    assert!(output.status.success(), "git {arguments:?}: {}", stderr(&output));
    Ok(String::from_utf8(output.stdout)?)
}

#[expect(clippy::print_stdout, reason = "why something is skipped")]
async fn git_is_missing() -> bool {
    let missing = Command::new("git").arg("--version").output().await.is_err();
    if missing {
        println!("skipped: git is not installed");
    }
    missing
}

/// Each line's author, as git blames it.
async fn blamed_by_git(folder: &str, path: &str) -> Result<Vec<String>> {
    let porcelain = git(folder, &["blame", "--line-porcelain", "--", path]).await?;
    Ok(porcelain.lines().filter_map(|l| l.strip_prefix("author ")).map(str::to_owned).collect())
}

/// Each line's author, as we blame it.
async fn blamed_by_us(world: &World, at: &str) -> Result<Vec<String>> {
    let blame = world.json(&["blame", at]).await?;
    let mut authors = Vec::new();
    for range in blame["ranges"].as_array().context("ranges")? {
        let lines = range["lines"].as_array().context("lines")?.len();
        let author = range["actor"]["principal"].as_str().context("an author")?.to_owned();
        authors.extend(std::iter::repeat_n(author, lines));
    }
    Ok(authors)
}

#[tokio::test]
async fn a_store_becomes_a_git_repository_whose_log_and_blame_are_right() -> Result<()> {
    if git_is_missing().await {
        return Ok(());
    }
    let world = World::start().await?;
    world.write_history().await?;
    let folder = world.path("repository");
    world.admin(&["export", "team", "--history", "--git", &folder]).await?;

    assert_eq!(git(&folder, &["status", "--porcelain"]).await?, "", "all files are checked out");
    assert_eq!(std::fs::read_to_string(format!("{folder}/people/on call.md"))?, "ana\n");
    git(&folder, &["fsck", "--strict"]).await?;
    let log = git(&folder, &["log", "--reverse", "--format=%an|%s"]).await?;
    let expected = [
        "ana|From the wiki",
        "ben|In German",
        "ana|Revision 3",
        "ben|Revision 4",
        "ana|Where people look",
        "ben|Revision 6",
        "ana|Revision 7",
    ];
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    let last = git(&folder, &["log", "-1", "--format=%(trailers:key=Reverie-Revision,valueonly)"]).await?;
    assert_eq!(last.trim(), "7");
    let moved = git(&folder, &["log", "--stat", "--follow", "--format=%an", "--", "people/on call.md"]).await?;
    assert!(moved.contains("{notes => people}/on call.md"), "{moved}");

    for path in ["triage.md", "people/on call.md"] {
        let ours = blamed_by_us(&world, &format!("team:/{path}")).await?;
        assert!(!ours.is_empty());
        assert_eq!(blamed_by_git(&folder, path).await?, ours, "{path}");
    }
    let again = world.path("again");
    world.admin(&["export", "team", "--history", "--git", &again]).await?;
    let head = |folder: String| async move { git(&folder, &["rev-parse", "HEAD"]).await };
    assert_eq!(head(folder).await?, head(again).await?, "the same store, the same commit's hash");

    let now = world.path("now");
    world.admin(&["export", "team@4", "--git", &now]).await?;
    assert_eq!(git(&now, &["rev-list", "--count", "HEAD"]).await?.trim(), "1");
    assert!(Path::new(&format!("{now}/notes/on call.md")).exists(), "as it was at revision 4");
    let used = world.output(&world.admin, &["export", "team", "--git", &now]).await?;
    assert!(stderr(&used).contains("not empty"), "{}", stderr(&used));
    Ok(())
}

#[tokio::test]
async fn a_git_repository_becomes_a_store_and_goes_back_as_it_came() -> Result<()> {
    if git_is_missing().await {
        return Ok(());
    }
    let world = World::start().await?;
    let folder = world.path("runbooks");
    std::fs::create_dir_all(format!("{folder}/docs"))?;
    git(&folder, &["init", "--quiet"]).await?;
    git(&folder, &["symbolic-ref", "HEAD", "refs/heads/main"]).await?;
    let commit = |message: &'static str| {
        let folder = folder.clone();
        async move {
            git(&folder, &["add", "--all"]).await?;
            git(&folder, &["commit", "--quiet", "--message", message]).await
        }
    };
    std::fs::write(format!("{folder}/docs/disk full.md"), "one\ntwo\n")?;
    std::fs::write(format!("{folder}/logo.png"), [0x89, b'P', b'N', b'G', 0xff])?;
    std::os::unix::fs::symlink("docs", format!("{folder}/link"))?;
    commit("First").await?;
    git(&folder, &["checkout", "--quiet", "-b", "side"]).await?;
    std::fs::write(format!("{folder}/side.md"), "side\n")?;
    commit("On the side").await?;
    git(&folder, &["checkout", "--quiet", "main"]).await?;
    git(&folder, &["mv", "docs/disk full.md", "disk-full.md"]).await?;
    commit("Moved").await?;
    git(&folder, &["merge", "--quiet", "--no-edit", "side"]).await?;

    let report = world.json(&["import", &folder, "--git", "--handle", "runbooks"]).await?;
    assert_eq!((report["commits"].as_str(), report["memories"].as_str()), (Some("3"), Some("2")), "{report}");
    let problems = report["problems"].to_string();
    assert!(
        problems.contains("logo.png") && problems.contains("\"link\"") && problems.contains("1 commits"),
        "{problems}"
    );
    let log = world.admin(&["log", "runbooks"]).await?;
    assert!(log.contains("Cem Oz <cem@example.org> (claimed, imported by admin)"), "{log}");
    assert!(log.contains("R /docs/disk full.md -> /disk-full.md"), "{log}");

    let back = world.path("back");
    world.admin(&["export", "runbooks", "--history", "--git", &back]).await?;
    let authors = git(&back, &["log", "--reverse", "--format=%an <%ae> %at %s; committed by %cn"]).await?;
    let first =
        git(&folder, &["log", "--first-parent", "--reverse", "--format=%an <%ae> %at %s; committed by admin"]).await?;
    assert_eq!(authors, first);

    let files = world.json(&["import", &folder]).await?;
    let handle = files["store"]["handle"].as_str().context("a handle")?;
    assert!(handle.starts_with("runbooks-"), "the folder's name is taken: {handle}");
    assert_eq!((files["commits"].as_str(), files["memories"].as_str()), (Some("1"), Some("2")), "its files alone");
    Ok(())
}

#[tokio::test]
async fn an_export_comes_back_from_a_file_and_a_folder_and_a_broken_one_leaves_nothing() -> Result<()> {
    let world = World::start().await?;
    world.write_history().await?;
    for (format, name) in [("tar-zst", "team.tar.zst"), ("jsonl", "team.jsonl")] {
        let (file, again) = (world.path(name), world.path("again"));
        let said = world.json(&["export", "team", "--history", "--format", format, "--file", &file]).await?;
        assert_eq!(said["readRevision"].as_str(), Some("7"));
        let handle = format!("copy-{format}");
        let report = world.json(&["import", &file, "--handle", &handle]).await?;
        assert_eq!((report["commits"].as_str(), report["store"]["name"].as_str()), (Some("7"), Some("The team")));
        assert_eq!(world.admin(&["cat", &format!("{handle}:/triage.md@2")]).await?, "first\nzweite\nthird\n");
        world.admin(&["export", &handle, "--history", "--format", format, "--file", &again]).await?;
        assert!(std::fs::read(&file)? == std::fs::read(&again)?, "{format}: byte for byte");

        let whole = std::fs::read(&file)?;
        std::fs::write(&again, &whole[..whole.len() - 20])?;
        let refused = world.output(&world.admin, &["import", &again, "--handle", "broken"]).await?;
        assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("cut short"), "{}", stderr(&refused));
        let absent = world.output(&world.admin, &["store", "show", "broken"]).await?;
        assert_eq!(absent.status.code(), Some(6));
    }
    let folder = world.path("folder");
    std::fs::create_dir_all(format!("{folder}/.git"))?;
    std::fs::write(format!("{folder}/.git/config"), "not to be taken")?;
    std::fs::write(format!("{folder}/b.md"), "b\n")?;
    std::fs::write(format!("{folder}/large"), vec![b'x'; domain::limits::CONTENT_BYTES_MAX + 1])?;
    let report = world.json(&["import", &folder, "--name", "My Notes"]).await?;
    assert_eq!(report["store"]["handle"].as_str(), Some("my-notes"));
    assert_eq!(report["memories"].as_str(), Some("1"));
    assert_eq!(report["problems"][0]["path"].as_str(), Some("large"));
    let lines = world.admin(&["export", "my-notes", "--format", "jsonl"]).await?;
    assert_eq!(lines.lines().count(), 4, "the store, a content, a memory, the end: {lines}");
    Ok(())
}
