//! The client commands: one noun or verb a file.

use anyhow::Result;
use clap::Subcommand;

use crate::output::Output;

pub mod access;
pub mod audit;
pub mod dream;
pub mod evidence;
pub mod export;
pub mod find;
pub mod history;
pub mod import;
pub mod memory;
pub mod redact;
pub mod search;
pub mod session;
pub mod store;
pub mod write;

/// What every client command has at hand.
#[derive(Debug, Clone)]
pub struct Context {
    pub client: client::Client,
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make and look after memory stores
    #[command(subcommand)]
    Store(store::Command),
    #[command(flatten)]
    Memory(memory::Command),
    /// Find memories by their names
    Find(find::Arguments),
    /// Find the memories that a query is about, best first
    Search(search::Arguments),
    #[command(flatten)]
    Write(write::Command),
    #[command(flatten)]
    History(history::Command),
    /// Import and read agents' sessions
    #[command(subcommand)]
    Session(session::Command),
    /// Start dreams, review and adopt what they propose
    #[command(subcommand)]
    Dream(dream::Command),
    /// Write a store to a file, or make a git repository of it
    Export(export::Arguments),
    /// Make a store of an export, a folder or a git repository
    Import(import::Arguments),
    /// Take text out of a store and its forks for good
    Redact(redact::Redact),
    /// Who did what, and whether anybody changed the past
    #[command(subcommand)]
    Audit(audit::Command),
    #[command(flatten)]
    Access(access::Command),
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Store(command) => store::run(command, context).await,
        Command::Memory(command) => memory::run(command, context).await,
        Command::Find(arguments) => find::run(arguments, context).await,
        Command::Search(arguments) => search::run(arguments, context).await,
        Command::Write(command) => write::run(command, context).await,
        Command::History(command) => history::run(command, context).await,
        Command::Session(command) => session::run(command, context).await,
        Command::Dream(command) => dream::run(command, context).await,
        Command::Export(arguments) => export::run(arguments, context).await,
        Command::Import(arguments) => import::run(arguments, context).await,
        Command::Redact(arguments) => redact::run(arguments, context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Access(command) => access::run(command, context).await,
    }
}

/// The answer of a call, or what went wrong in Reverie's own words.
pub fn answer<T>(result: std::result::Result<tonic::Response<T>, tonic::Status>) -> domain::Result<T> {
    result.map(tonic::Response::into_inner).map_err(|status| proto::error::from_status(&status))
}

/// A fresh request id, so that a repeated call has one outcome.
fn request_id() -> String {
    client::request_id(&runtime::clock::SystemIds)
}

/// Parses `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
