//! Paths of memories: absolute, normalised, and safe to show and to mount.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_normalization::is_nfc;

use crate::error::{Error, Result};
use crate::id::MemoryId;
use crate::limits::{PATH_BYTES_MAX, PATH_SEGMENTS_MAX, PATTERN_BYTES_MAX};

/// The directory of memories whose paths were redacted.
const REDACTED: &str = "/.redacted";

/// An absolute path such as `/runbooks/disk-full.md`: NFC, no empty, `.` or `..` segment, no control
/// or format characters, at most 1,024 bytes. Never the root itself. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryPath(Arc<str>);

impl MemoryPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The paths of the directories that hold it, nearest first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.as_str();
        std::iter::from_fn(move || {
            let end = rest.rfind('/').filter(|&i| i > 0)?;
            rest = &rest[..end];
            Some(rest)
        })
    }

    /// Whether it is `prefix` or lies below it.
    pub fn is_within(&self, prefix: &Prefix) -> bool {
        prefix.contains(&self.0)
    }

    /// Where a memory stands whose path was redacted.
    pub fn redacted(memory: MemoryId) -> MemoryPath {
        MemoryPath(format!("{REDACTED}/{memory}").into())
    }

    /// Whether it is one that `redacted` makes, or lies among them.
    pub fn is_reserved(&self) -> bool {
        self.0.strip_prefix(REDACTED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The same path with the directory `from` replaced by `to`. None where it is not below `from`.
    pub fn moved(&self, from: &MemoryPath, to: &MemoryPath) -> Option<Result<MemoryPath>> {
        if self == from {
            return Some(Ok(to.clone()));
        }
        let rest = self.0.strip_prefix(from.as_str())?.strip_prefix('/')?;
        Some(format!("{to}/{rest}").parse())
    }
}

impl FromStr for MemoryPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<MemoryPath> {
        check(text).map_err(|why| Error::invalid("", format!("{text:?} is not a path of a memory: {why}")))?;
        Ok(MemoryPath(text.into()))
    }
}

/// Ordered and hashed as its text is.
impl Borrow<str> for MemoryPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for MemoryPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

/// Trusts the text: it was checked when it was parsed.
impl<'de> serde::Deserialize<'de> for MemoryPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<MemoryPath, D::Error> {
        String::deserialize(d).map(|text| MemoryPath(text.into()))
    }
}

impl fmt::Display for MemoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A directory, or the whole store: what a grant or a listing reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Prefix(String);

impl Prefix {
    pub const ALL: Prefix = Prefix(String::new());

    /// Empty for the whole store, else a path without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path` is the prefix itself or lies below it.
    pub fn contains(&self, path: &str) -> bool {
        path.strip_prefix(&self.0).is_some_and(|rest| self.0.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Prefix {
    type Err = Error;

    /// Takes "", "/", "/a/b" and "/a/b/".
    fn from_str(text: &str) -> Result<Prefix> {
        match text {
            "" | "/" => Ok(Prefix::ALL),
            _ => Ok(text.strip_suffix('/').unwrap_or(text).parse::<MemoryPath>()?.into()),
        }
    }
}

impl From<MemoryPath> for Prefix {
    fn from(path: MemoryPath) -> Prefix {
        Prefix(path.as_str().to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

/// A pattern of paths such as `/runbooks/**/*.md`: `*` and `?` stay within a segment, `**` does not.
/// A pattern that does not begin with `/` matches below any directory.
#[derive(Debug, Clone)]
pub struct PathGlob(globset::GlobMatcher);

impl PathGlob {
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }

    pub fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

impl FromStr for PathGlob {
    type Err = Error;

    fn from_str(text: &str) -> Result<PathGlob> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Error::invalid("", format!("must have at most {PATTERN_BYTES_MAX} bytes")));
        }
        let anchored = if text.starts_with('/') { text.to_owned() } else { format!("**/{text}") };
        let glob = globset::GlobBuilder::new(&anchored).literal_separator(true).build();
        let glob = glob.map_err(|e| Error::invalid("", format!("{text:?} is not a glob: {}", e.kind())))?;
        Ok(PathGlob(glob.compile_matcher()))
    }
}

fn check(text: &str) -> Result<(), String> {
    if text.len() > PATH_BYTES_MAX {
        return Err(format!("it has {} bytes, at most {PATH_BYTES_MAX} are allowed", text.len()));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err("it must start with /".to_owned());
    };
    if !is_nfc(text) {
        return Err("it must be in Unicode normalisation form C".to_owned());
    }
    if let Some(c) = text.chars().find(|&c| is_unshowable(c)) {
        return Err(format!("it holds the control or format character U+{:04X}", c as u32));
    }
    if rest.split('/').count() > PATH_SEGMENTS_MAX {
        return Err(format!("it has more than {PATH_SEGMENTS_MAX} segments"));
    }
    match rest.split('/').find(|s| matches!(*s, "" | "." | "..")) {
        Some("") => Err("it has an empty segment".to_owned()),
        Some(segment) => Err(format!("the segment {segment:?} is not allowed")),
        None => Ok(()),
    }
}

/// Control characters (Cc), line separators, and the format characters (Cf) that hide or reorder text.
fn is_unshowable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths_are_taken() {
        for text in ["/a", "/a/b.md", "/Ünïcode/日本.md", "/a b", "/...", "/.hidden"] {
            assert_eq!(text.parse::<MemoryPath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn bad_paths_are_refused() {
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        for text in ["", "/", "a", "/a/", "//a", "/./a", "/a/..", "/a\nb", "/a\u{202e}b", "/e\u{301}", &long] {
            assert!(text.parse::<MemoryPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_prefix_holds_itself_and_what_is_below_but_not_its_namesakes() {
        let prefix: Prefix = "/runbooks/".parse().unwrap();
        assert!(prefix.contains("/runbooks") && prefix.contains("/runbooks/a.md"));
        assert!(!prefix.contains("/runbooks-old/a.md"));
        assert!(Prefix::ALL.contains("/anything"));
    }

    #[test]
    fn a_glob_keeps_to_segments_unless_it_says_otherwise() {
        let glob = |text: &str| text.parse::<PathGlob>().unwrap();
        assert!(
            glob("/runbooks/*.md").matches("/runbooks/a.md") && !glob("/runbooks/*.md").matches("/runbooks/x/a.md")
        );
        assert!(glob("/runbooks/**/*.md").matches("/runbooks/x/y/a.md"));
        assert!(glob("*.md").matches("/x/a.md") && glob("*.md").matches("/a.md") && !glob("*.md").matches("/a.txt"));
        assert!("/[".parse::<PathGlob>().is_err());
    }

    #[test]
    fn ancestors_come_nearest_first() {
        let path: MemoryPath = "/a/b/c".parse().unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["/a/b", "/a"]);
    }

    #[test]
    fn a_move_keeps_what_is_below() {
        let path: MemoryPath = "/a/b/c".parse().unwrap();
        let moved = path.moved(&"/a".parse().unwrap(), &"/x/y".parse().unwrap()).unwrap().unwrap();
        assert_eq!(moved.as_str(), "/x/y/b/c");
        assert!(path.moved(&"/a/bb".parse().unwrap(), &"/x".parse().unwrap()).is_none());
    }
}
