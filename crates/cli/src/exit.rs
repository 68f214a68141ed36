//! How a command ends when it fails: words for the person, a code for the script.

use std::fmt::Write as _;
use std::process::ExitCode;

use domain::{Error, Kind};

/// The exit code of a kind of error. 1 is any failure on this side of the network, 2 (by clap) a
/// command line that makes no sense.
pub const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid => 3,
        Kind::Unauthenticated => 4,
        Kind::Denied => 5,
        Kind::NotFound => 6,
        Kind::Exists => 7,
        Kind::Precondition => 8,
        Kind::Conflict => 9,
        Kind::Exhausted => 10,
        Kind::Deadline | Kind::Cancelled | Kind::Unavailable => 11,
        Kind::Corrupt | Kind::Internal => 12,
    }
}

/// Prints what went wrong and what to do, and says how to exit.
#[expect(clippy::print_stderr, reason = "the end of the command line")]
pub fn report(error: &anyhow::Error) -> ExitCode {
    let Some(ours) = error.downcast_ref::<Error>() else {
        eprintln!("error: {error:#}");
        return ExitCode::from(1);
    };
    let doing = error.chain().take_while(|e| !e.is::<Error>()).map(|e| format!("{e}: ")).collect::<String>();
    eprintln!("error: {doing}{}", words(ours));
    ExitCode::from(code(ours.kind()))
}

fn words(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let details = error.details();
    for conflict in &details.conflicts {
        let actor = conflict.actual_actor.as_ref().map(|a| a.principal.as_str()).unwrap_or("nobody");
        let _ =
            write!(text, "\n  {} is at revision {}, written by {actor}", conflict.subject(), conflict.actual_revision);
        if let Some(sha256) = &conflict.actual_sha256 {
            let _ = write!(text, ", sha256 {}", proto::convert::hex::encode(sha256));
        }
        if let Some(content) = &conflict.actual_content {
            let _ = write!(text, "; it reads now:");
            for line in content.lines() {
                let _ = write!(text, "\n  | {line}");
            }
        }
    }
    for conflict in &details.merge_conflicts {
        let _ = write!(text, "\n  {}", conflict.path);
        for (side, content) in [("base", &conflict.base), ("ours", &conflict.ours), ("theirs", &conflict.theirs)] {
            let _ = write!(
                text,
                "\n  {side}: {}",
                content.as_deref().map_or("(absent)".to_owned(), |c| format!("{} bytes", c.len()))
            );
        }
    }
    if let Some(hint) = hint(error.kind()) {
        let _ = write!(text, "\n{hint}");
    }
    text
}

/// What to do next, where the message alone does not say.
fn hint(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Unauthenticated => {
            Some("set REVERIE_TOKEN_FILE to the file that `reverie up` names, or REVERIE_TOKEN to a token")
        }
        Kind::Unavailable => {
            Some("is the cluster up? Start one with `reverie up`, and set REVERIE_URL to the address it prints")
        }
        Kind::Conflict => Some("nothing was written: read the current state, put your change on top, and try again"),
        Kind::Invalid
        | Kind::Denied
        | Kind::NotFound
        | Kind::Exists
        | Kind::Precondition
        | Kind::Exhausted
        | Kind::Deadline
        | Kind::Cancelled
        | Kind::Corrupt
        | Kind::Internal => None,
    }
}
