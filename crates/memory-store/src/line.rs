//! Lines: what exports say of a store besides its files, one JSON object a line. docs/export.md
//! explains them to users.
//!
//! Written and read by the same types, so that what is exported can be imported. Bytes that are out
//! in the world do not change: a new version of the format gets a new number.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use domain::actor::Claim;
use domain::commit::{ChangeKind, Origin, Revision};
use domain::id::{MemoryId, StoreId, VersionId};
use domain::{Error, MemoryPath, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::Credit;

pub const FORMAT: &str = "reverie-store";
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// First, once.
    Store(StoreLine),
    /// Before the first line that names it.
    Content(ContentLine),
    /// Followed by its versions.
    Commit(CommitLine),
    Version(VersionLine),
    /// Without history.
    Memory(MemoryLine),
    /// Last, once.
    End(EndLine),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreLine {
    pub format: String,
    pub version: u32,
    pub with_history: bool,
    pub revision: Revision,
    /// At the revision.
    pub memories: u64,
    pub name: String,
    pub description: String,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentLine {
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitLine {
    pub revision: Revision,
    pub time: Timestamp,
    pub actor: ActorLine,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<SnapshotLine>,
    /// How many version lines follow.
    pub versions: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotLine {
    #[serde(with = "text")]
    pub store: StoreId,
    pub revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionLine {
    #[serde(with = "text")]
    pub id: VersionId,
    #[serde(with = "text")]
    pub memory: MemoryId,
    pub kind: KindWord,
    #[serde(with = "text")]
    pub path: MemoryPath,
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub previous_path: Option<MemoryPath>,
    #[serde(default, with = "optional_hexadecimal", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
    /// When the memory was made.
    pub create_time: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<OriginLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<CreditLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLine {
    #[serde(with = "text")]
    pub path: MemoryPath,
    #[serde(with = "text")]
    pub memory: MemoryId,
    #[serde(with = "text")]
    pub version: VersionId,
    /// The commit that touched it last.
    pub revision: Revision,
    pub time: Timestamp,
    pub actor: ActorLine,
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
    pub create_time: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<OriginLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    /// Those before this one.
    pub lines: u64,
    /// Of all bytes before this line.
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
}

/// Who wrote it. Empty fields are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActorLine {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub principal: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool_call: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub on_behalf_of: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dream: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginLine {
    /// Lines count from 1; both ends are inclusive.
    pub start: u32,
    pub end: u32,
    pub source: String,
}

/// Who first wrote lines that a merge or a restore brought in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditLine {
    /// Lines count from 1; both ends are inclusive.
    pub start: u32,
    pub end: u32,
    #[serde(with = "text")]
    pub store: StoreId,
    pub revision: Revision,
    pub time: Timestamp,
    pub actor: ActorLine,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindWord {
    Created,
    Modified,
    Deleted,
    Renamed,
}

impl Line {
    /// With its line end.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(Error::internal)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Without or with its line end. The error is for the caller's eyes.
    pub fn decode(bytes: &[u8]) -> Result<Line, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}

impl StoreLine {
    /// Whether this code can read what follows.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("the format is {:?}, expected {FORMAT:?}", self.format));
        }
        if self.version != VERSION {
            return Err(format!("version {} of the format is not known, only {VERSION}", self.version));
        }
        Ok(())
    }
}

impl From<Claim> for ActorLine {
    fn from(c: Claim) -> ActorLine {
        ActorLine {
            principal: c.principal,
            session: c.session,
            agent: c.agent,
            tool_call: c.tool_call,
            on_behalf_of: c.on_behalf_of,
            dream: c.dream,
        }
    }
}

impl ActorLine {
    pub fn claim(self, time: Timestamp) -> Claim {
        Claim {
            principal: self.principal,
            session: self.session,
            agent: self.agent,
            tool_call: self.tool_call,
            on_behalf_of: self.on_behalf_of,
            dream: self.dream,
            time,
        }
    }
}

impl From<&Origin> for OriginLine {
    fn from(o: &Origin) -> OriginLine {
        OriginLine { start: o.start_line, end: o.end_line, source: o.source.clone() }
    }
}

impl From<OriginLine> for Origin {
    fn from(o: OriginLine) -> Origin {
        Origin { start_line: o.start, end_line: o.end, source: o.source }
    }
}

impl From<&Credit> for CreditLine {
    fn from(c: &Credit) -> CreditLine {
        let said = c.actor.said(c.time.into());
        CreditLine {
            start: c.start.saturating_add(1),
            end: c.end,
            store: c.store,
            revision: c.revision,
            time: said.time,
            actor: said.into(),
            message: c.message.clone(),
        }
    }
}

impl From<ChangeKind> for KindWord {
    fn from(kind: ChangeKind) -> KindWord {
        match kind {
            ChangeKind::Created => KindWord::Created,
            ChangeKind::Modified => KindWord::Modified,
            ChangeKind::Deleted => KindWord::Deleted,
            ChangeKind::Renamed => KindWord::Renamed,
        }
    }
}

impl From<KindWord> for ChangeKind {
    fn from(kind: KindWord) -> ChangeKind {
        match kind {
            KindWord::Created => ChangeKind::Created,
            KindWord::Modified => ChangeKind::Modified,
            KindWord::Deleted => ChangeKind::Deleted,
            KindWord::Renamed => ChangeKind::Renamed,
        }
    }
}

mod text {
    use super::*;

    pub fn serialize<T: Display, S: serde::Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err = Error>, D: serde::Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        String::deserialize(d)?.parse().map_err(|e: Error| serde::de::Error::custom(super::why(&e)))
    }
}

mod optional_text {
    use super::*;

    pub fn serialize<T: Display, S: serde::Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => s.collect_str(value),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, T: FromStr<Err = Error>, D: serde::Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
        super::text::deserialize(d).map(Some)
    }
}

mod hexadecimal {
    use super::*;

    pub fn serialize<S: serde::Serializer>(value: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&proto::convert::hex::encode(value))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(d)?;
        proto::convert::hex::decode("sha256", &text).map_err(|e| serde::de::Error::custom(super::why(&e)))
    }
}

mod optional_hexadecimal {
    use super::*;

    pub fn serialize<S: serde::Serializer>(value: &Option<[u8; 32]>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::hexadecimal::serialize(value, s),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<[u8; 32]>, D::Error> {
        super::hexadecimal::deserialize(d).map(Some)
    }
}

/// What is wrong with a value, without the field that an error of `domain` names.
pub fn why(error: &Error) -> String {
    let descriptions: Vec<&str> = error.details().violations.iter().map(|v| v.description.as_str()).collect();
    if descriptions.is_empty() { error.message().to_owned() } else { descriptions.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that are out in the world outlive code.
    #[test]
    fn lines_are_the_golden_bytes() {
        let time: Timestamp = "2026-11-02T03:04:05.000000006Z".parse().unwrap();
        let actor = ActorLine { principal: "ana".into(), session: "s".into(), ..ActorLine::default() };
        let store = StoreId::from_bytes([1; 16]);
        let lines = [
            Line::Store(StoreLine {
                format: FORMAT.into(),
                version: VERSION,
                with_history: true,
                revision: 2,
                memories: 1,
                name: "Team".into(),
                description: String::new(),
                metadata: [("k".to_owned(), "v".to_owned())].into(),
            }),
            Line::Content(ContentLine { sha256: [0xab; 32], text: "one\n\u{e9}\n".into() }),
            Line::Commit(CommitLine {
                revision: 2,
                time,
                actor: actor.clone(),
                message: String::new(),
                merged: Some(SnapshotLine { store, revision: 7 }),
                versions: 1,
            }),
            Line::Version(VersionLine {
                id: VersionId::from_bytes([2; 16]),
                memory: MemoryId::from_bytes([3; 16]),
                kind: KindWord::Renamed,
                path: "/a".parse().unwrap(),
                previous_path: Some("/b".parse().unwrap()),
                sha256: Some([0xab; 32]),
                create_time: time,
                origins: vec![OriginLine { start: 1, end: 2, source: "x:y".into() }],
                credits: vec![CreditLine {
                    start: 1,
                    end: 1,
                    store,
                    revision: 7,
                    time,
                    actor: actor.clone(),
                    message: "m".into(),
                }],
            }),
            Line::Memory(MemoryLine {
                path: "/a".parse().unwrap(),
                memory: MemoryId::from_bytes([3; 16]),
                version: VersionId::from_bytes([2; 16]),
                revision: 2,
                time,
                actor,
                sha256: [0xab; 32],
                create_time: time,
                origins: Vec::new(),
            }),
            Line::End(EndLine { lines: 5, sha256: [0xcd; 32] }),
        ];
        let ab = "ab".repeat(32);
        let golden = [
            r#"{"store":{"format":"reverie-store","version":1,"with_history":true,"revision":2,"memories":1,"name":"Team","description":"","metadata":{"k":"v"}}}"#.to_owned(),
            format!(r#"{{"content":{{"sha256":"{ab}","text":"one\né\n"}}}}"#),
            r#"{"commit":{"revision":2,"time":"2026-11-02T03:04:05.000000006Z","actor":{"principal":"ana","session":"s"},"merged":{"store":"memstore_01040g2081040g2081040g2081","revision":7},"versions":1}}"#.to_owned(),
            format!(r#"{{"version":{{"id":"memver_02081040g2081040g2081040g2","memory":"mem_030c1g60r30c1g60r30c1g60r3","kind":"renamed","path":"/a","previous_path":"/b","sha256":"{ab}","create_time":"2026-11-02T03:04:05.000000006Z","origins":[{{"start":1,"end":2,"source":"x:y"}}],"credits":[{{"start":1,"end":1,"store":"memstore_01040g2081040g2081040g2081","revision":7,"time":"2026-11-02T03:04:05.000000006Z","actor":{{"principal":"ana","session":"s"}},"message":"m"}}]}}}}"#),
            format!(r#"{{"memory":{{"path":"/a","memory":"mem_030c1g60r30c1g60r30c1g60r3","version":"memver_02081040g2081040g2081040g2","revision":2,"time":"2026-11-02T03:04:05.000000006Z","actor":{{"principal":"ana","session":"s"}},"sha256":"{ab}","create_time":"2026-11-02T03:04:05.000000006Z"}}}}"#),
            format!(r#"{{"end":{{"lines":5,"sha256":"{}"}}}}"#, "cd".repeat(32)),
        ];
        for (line, golden) in lines.iter().zip(golden) {
            let bytes = line.encode().unwrap();
            assert_eq!(String::from_utf8(bytes.clone()).unwrap(), format!("{golden}\n"));
            assert_eq!(Line::decode(&bytes).unwrap(), *line);
        }
    }

    #[test]
    fn an_unknown_field_and_a_bad_path_are_refused_with_the_reason() {
        let unknown = Line::decode(br#"{"end":{"lines":1,"more":1}}"#).unwrap_err();
        assert!(unknown.contains("more"), "{unknown}");
        let bad = Line::decode(br#"{"version":{"id":"memver_x"}}"#).unwrap_err();
        assert!(bad.contains("a version's id"), "{bad}");
    }
}
