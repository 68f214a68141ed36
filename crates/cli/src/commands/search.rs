//! `reverie search`: the memories that a query is about, best first.

use std::collections::HashMap;

use anyhow::{Result, bail};
use proto::memory as pb;

use super::memory::eprintln_note;
use super::{Context, pair};
use crate::address::Address;
use crate::output::Output;

#[derive(Debug, clap::Args)]
#[command(after_help = SYNTAX)]
pub struct Arguments {
    /// One or more of STORE or STORE:/FOLDER, and then the query, in quotes
    #[arg(required = true, num_args = 2.., value_names = ["STORE", "QUERY"])]
    stores_and_query: Vec<String>,
    /// How many to give
    #[arg(short = 'n', long, default_value_t = 10)]
    limit: u32,
    /// STORE=REVISION: wait until that is there
    #[arg(long, value_parser = pair)]
    min_revision: Vec<(String, String)>,
    /// Only the memories, one a line
    #[arg(short = 'l', long)]
    files: bool,
}

const SYNTAX: &str = "\
Words rank: memories with more of them, and with rarer ones, come first.
  \"two words\"  must stand there in a row
  +word        must be there
  -word        must not be there
  path:/a      below a folder; path:part, path:*.md; -path: passes over
Case, accents and English endings do not matter.

Examples:
  reverie search team-sre 'why does checkout time out'
  reverie search team-sre org:/runbooks '\"disk full\" -replica path:*.md'";

pub async fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let request = request(&arguments)?;
    let found = context.client.search(&request).await?;
    context.output.answer(&found, |out| {
        for result in &found.results {
            show(out, result, arguments.files)?;
        }
        if found.results.is_empty() {
            eprintln_note("nothing was found");
        } else if found.more {
            eprintln_note("more memories match: narrow the search, or ask for more with -n");
        }
        Ok(())
    })
}

fn request(arguments: &Arguments) -> Result<pb::SearchRequest> {
    let Some((query, addresses)) = arguments.stores_and_query.split_last() else { bail!("name a store and a query") };
    let (mut stores, mut path_prefixes) = (Vec::new(), HashMap::new());
    for text in addresses {
        let address: Address = match text.parse() {
            Ok(address) if !text.contains(char::is_whitespace) => address,
            _ => bail!("{text:?} is not STORE or STORE:/FOLDER; the query comes last, in quotes"),
        };
        if address.revision > 0 {
            bail!("{text}: a search looks at the head; `reverie grep` looks at the past");
        }
        if address.has_path() {
            path_prefixes.insert(address.store.clone(), address.path);
        }
        stores.push(address.store);
    }
    let mut min_revisions = HashMap::new();
    for (store, revision) in &arguments.min_revision {
        let Ok(number) = revision.parse() else { bail!("--min-revision {store}={revision}: not a revision") };
        min_revisions.insert(store.clone(), number);
    }
    let (query, limit) = (query.clone(), arguments.limit);
    Ok(pb::SearchRequest { stores, query, path_prefix: String::new(), limit, min_revisions, path_prefixes })
}

fn show(out: &Output, result: &pb::SearchResult, only_name: bool) -> Result<()> {
    let place = format!("{}:{}", result.store, result.path);
    if only_name {
        return out.line(&place);
    }
    out.line(&format!("{}  {}", out.bold(&place), out.dim(&format!("@{}  {:.2}", result.revision, result.score))))?;
    for line in &result.lines {
        out.line(&format!("  {}{}", out.dim(&format!("{:>4}: ", line.number)), marked(out, line)))?;
    }
    Ok(())
}

/// The line with what matches in bold.
fn marked(out: &Output, line: &pb::SearchLine) -> String {
    let (mut marked, mut at) = (String::new(), 0);
    for span in &line.matches {
        let (start, end) = (span.start as usize, span.end as usize);
        let (Some(before), Some(found)) = (line.text.get(at..start), line.text.get(start..end)) else { continue };
        marked += before;
        marked += &out.bold(found);
        at = end;
    }
    marked + line.text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(arguments: &[&str]) -> Result<pb::SearchRequest> {
        request(&Line::try_parse_from([&["search"], arguments].concat())?.arguments)
    }

    #[test]
    fn stores_come_first_with_their_folders_and_the_query_last() {
        let request = parsed(&["team", "org:/runbooks", "disk full", "--min-revision", "team=41"]).unwrap();
        assert_eq!((request.stores, request.query.as_str()), (vec!["team".to_owned(), "org".to_owned()], "disk full"));
        assert_eq!(request.path_prefixes, [("org".to_owned(), "/runbooks".to_owned())].into());
        assert_eq!(request.min_revisions, [("team".to_owned(), 41)].into());
    }

    #[test]
    fn a_query_in_the_wrong_place_an_old_revision_and_a_lone_store_are_refused() {
        assert!(parsed(&["disk full", "team"]).unwrap_err().to_string().contains("comes last"));
        assert!(parsed(&["team@41", "disk"]).unwrap_err().to_string().contains("grep"));
        assert!(parsed(&["team"]).is_err());
        assert!(parsed(&["team", "disk", "--min-revision", "team=x"]).is_err());
    }
}
