//! Reads JSON lines as `export::jsonl` writes them.

use std::sync::Arc;

use domain::Result;
use sha2::{Digest as _, Sha256};

use crate::import::item::{Begin, Change, Item, Items, Place};
use crate::import::upload::{Input, next_line};
use crate::line::{ContentLine, EndLine, Line, StoreLine};

pub fn read(mut input: Input, items: &Items) -> Result<()> {
    let (mut line, mut hash) = (Vec::new(), Sha256::new());
    let mut store: Option<StoreLine> = None;
    for number in 1.. {
        let place = Place::line(number);
        if !next_line(&mut input, &mut line, &place)? {
            return Err(place.refuse("the end line is missing: the file was cut short"));
        }
        if !line.ends_with(b"\n") {
            return Err(place.refuse("the line has no end: the file was cut short"));
        }
        let decoded = Line::decode(&line).map_err(|why| place.refuse(why))?;
        match (decoded, &store) {
            (Line::Store(found), None) => {
                begin(&found, &place, items)?;
                store = Some(found);
            }
            (Line::End(end), Some(_)) => {
                check_end(&end, number - 1, &hash.finalize().into(), &place)?;
                if next_line(&mut input, &mut line, &place)? {
                    return Err(Place::line(number + 1).refuse("something follows the end line"));
                }
                return Ok(());
            }
            (Line::Store(_), Some(_)) => return Err(place.refuse("a second store line")),
            (_, None) => return Err(place.refuse("the first line must be the store's")),
            (line, Some(store)) => record(line, store.with_history, &place, items)?,
        }
        hash.update(&line);
    }
    Ok(())
}

/// Takes a store's line, and begins the commit that what follows without history goes to.
pub fn begin(store: &StoreLine, place: &Place, items: &Items) -> Result<()> {
    store.check().map_err(|why| place.refuse(why))?;
    items.send(place, Item::Store(store.clone()))?;
    if !store.with_history {
        let message = format!("Imported from an export of revision {}", store.revision);
        items.send(place, Item::Begin(Begin { claim: None, message }))?;
    }
    Ok(())
}

/// Takes a line between the first and the last.
pub fn record(line: Line, with_history: bool, place: &Place, items: &Items) -> Result<()> {
    let item = match (line, with_history) {
        (Line::Content(content), _) => checked(content, place)?,
        (Line::Commit(commit), true) => Item::Commit(commit),
        (Line::Version(version), true) => Item::Version(version),
        (Line::Memory(memory), false) => Item::Change(Change::Create(Box::new(memory))),
        _ => return Err(place.refuse("a line of this kind does not belong here")),
    };
    items.send(place, item)
}

fn checked(content: ContentLine, place: &Place) -> Result<Item> {
    let sha256: [u8; 32] = Sha256::digest(content.text.as_bytes()).into();
    if sha256 != content.sha256 {
        return Err(place.refuse("the text is not the one that its sha256 names"));
    }
    Ok(Item::Content { sha256, text: Arc::from(content.text) })
}

fn check_end(end: &EndLine, lines: u64, sha256: &[u8; 32], place: &Place) -> Result<()> {
    if end.lines != lines {
        return Err(place.refuse(format_args!("the end line counts {} lines, there are {lines}", end.lines)));
    }
    if end.sha256 != *sha256 {
        return Err(place.refuse("the lines are not those that the end line's sha256 names: the file was changed"));
    }
    Ok(())
}
