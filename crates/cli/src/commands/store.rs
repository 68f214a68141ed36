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
    /// Change what a store is called, or how long it keeps contents of the past
    Update {
        store: String,
        #[arg(long)]
        handle: Option<String>,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// KEY=VALUE; replaces all pairs
        #[arg(long, value_parser = super::pair)]
        metadata: Vec<(String, String)>,
        #[command(flatten)]
        retention: RetentionArguments,
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

#[derive(Debug, clap::Args)]
pub struct RetentionArguments {
    /// Erase contents so many days after they were replaced; 0 keeps them for ever
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// Keep so many of the newest versions of each memory whatever their age
    #[arg(long, value_name = "COUNT")]
    retention_versions: Option<u32>,
    /// Erase nothing, whoever asks
    #[arg(long, value_name = "BOOL")]
    legal_hold: Option<bool>,
}

impl RetentionArguments {
    /// The store's retention with the changes; None where there are none.
    fn changed(&self, now: Option<pb::Retention>) -> Option<pb::Retention> {
        let now = now.unwrap_or_default();
        let changed = pb::Retention {
            versions_min: self.retention_versions.unwrap_or(now.versions_min),
            max_age_days: self.retention_days.unwrap_or(now.max_age_days),
            legal_hold: self.legal_hold.unwrap_or(now.legal_hold),
        };
        (changed != now).then_some(changed)
    }
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
        Command::Update { store, handle, name, description, metadata, retention } => {
            let before = answer(stores.get_store(pb::GetStoreRequest { store: store.clone() }).await)?.store;
            let retention = retention.changed(before.as_ref().and_then(|s| s.retention));
            let fields = [
                ("handle", handle.is_some()),
                ("name", name.is_some()),
                ("description", description.is_some()),
                ("metadata", !metadata.is_empty()),
                ("retention", retention.is_some()),
            ];
            let paths: Vec<_> = fields.into_iter().filter(|(_, set)| *set).map(|(field, _)| field.to_owned()).collect();
            let nothing = paths.is_empty();
            let request = pb::UpdateStoreRequest {
                store,
                update_mask: Some(prost_types::FieldMask { paths }),
                handle: handle.unwrap_or_default(),
                name: name.unwrap_or_default(),
                description: description.unwrap_or_default(),
                metadata: metadata.into_iter().collect(),
                retention,
                request_id,
            };
            if nothing { before } else { answer(stores.update_store(request).await)?.store }
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
    let retention = store.retention.unwrap_or_default();
    if retention.max_age_days > 0 {
        let (days, versions) = (retention.max_age_days, retention.versions_min);
        text +=
            &format!("  contents go {days} days after they were replaced, but for the newest {versions} versions\n");
    }
    if retention.legal_hold {
        text += "  under a legal hold: nothing is erased\n";
    }
    for (word, at) in [("archived", store.archive_time), ("deleted", store.delete_time)] {
        if at.is_some() {
            text += &format!("  {word} {}\n", time(at));
        }
    }
    text
}
