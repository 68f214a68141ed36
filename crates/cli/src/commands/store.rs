//! `reverie store`: make and look after memory stores.

use anyhow::Result;
use proto::memory as pb;

use super::{Context, answer, request_id};
use crate::address::Address;
use crate::output::{bytes, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an empty store
    Create {
        /// A slug, unique in the workspace, for example team-sre
        handle: String,
        #[arg(long, default_value = "")]
        name: String,
        #[arg(long, default_value = "")]
        description: String,
        /// KEY=VALUE; may be given 16 times
        #[arg(long, value_parser = super::pair)]
        metadata: Vec<(String, String)>,
    },
    /// List the stores that you may read
    Ls {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
        /// Forks too
        #[arg(long)]
        forks: bool,
    },
    /// Show one store
    Show { store: String },
    /// Make a store that starts at a snapshot of another
    Fork {
        /// STORE or STORE@REVISION
        from: Address,
        /// The fork's handle
        handle: String,
    },
    /// Make a store read-only and hide it from lists
    Archive { store: String },
    /// Make an archived store writable again
    Unarchive { store: String },
    /// Delete a store; it can be brought back for 7 days
    Rm { store: String },
    /// Bring a deleted store back, by its id
    Undelete { store: String },
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    let mut stores = context.client.stores();
    let request_id = request_id();
    let store = match command {
        Command::Ls { archived, forks } => return ls(context, archived, forks).await,
        Command::Create { handle, name, description, metadata } => {
            let metadata = metadata.into_iter().collect();
            let request = pb::CreateStoreRequest { handle, name, description, metadata, request_id };
            answer(stores.create_store(request).await)?.store
        }
        Command::Show { store } => answer(stores.get_store(pb::GetStoreRequest { store }).await)?.store,
        Command::Fork { from, handle } => {
            let name = String::new();
            let request = pb::ForkStoreRequest { store: from.store, revision: from.revision, handle, name, request_id };
            answer(stores.fork_store(request).await)?.store
        }
        Command::Archive { store } => {
            answer(stores.archive_store(pb::ArchiveStoreRequest { store, request_id }).await)?.store
        }
        Command::Unarchive { store } => {
            answer(stores.unarchive_store(pb::UnarchiveStoreRequest { store, request_id }).await)?.store
        }
        Command::Rm { store } => answer(stores.delete_store(pb::DeleteStoreRequest { store, request_id }).await)?.store,
        Command::Undelete { store } => {
            answer(stores.undelete_store(pb::UndeleteStoreRequest { store, request_id }).await)?.store
        }
    };
    let store = store.unwrap_or_default();
    context.output.answer(&store, |out| out.raw(&describe(&store)))
}

async fn ls(context: &Context, include_archived: bool, include_forks: bool) -> Result<()> {
    let mut request = pb::ListStoresRequest { include_archived, include_forks, page_size: 1_000, ..Default::default() };
    let mut stores = Vec::new();
    loop {
        let page = answer(context.client.stores().list_stores(request.clone()).await)?;
        stores.extend(page.stores);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let row = |s: &pb::Store| {
        vec![
            s.handle.clone(),
            s.head_revision.to_string(),
            s.memory_count.to_string(),
            bytes(s.content_bytes),
            time(s.update_time),
            s.name.clone(),
        ]
    };
    let rows: Vec<_> = stores.iter().map(row).collect();
    let answer = pb::ListStoresResponse { stores, next_page_token: String::new() };
    context
        .output
        .answer(&answer, |out| out.table(&["handle", "revision", "memories", "size", "updated", "name"], rows))
}

fn describe(store: &pb::Store) -> String {
    let mut text = format!(
        "{}  {}  revision {}, {} memories, {}\n",
        store.handle,
        store.id,
        store.head_revision,
        store.memory_count,
        bytes(store.content_bytes)
    );
    let optional = [("name", &store.name), ("description", &store.description)];
    for (key, value) in optional.into_iter().filter(|(_, v)| !v.is_empty()) {
        text += &format!("  {key}: {value}\n");
    }
    for (key, value) in &store.metadata {
        text += &format!("  {key}={value}\n");
    }
    if let Some(from) = &store.forked_from {
        text += &format!("  forked from {}@{}\n", from.store, from.revision);
    }
    for (word, at) in [("archived", store.archive_time), ("deleted", store.delete_time)] {
        if at.is_some() {
            text += &format!("  {word} {}\n", time(at));
        }
    }
    text
}
