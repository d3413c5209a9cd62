//! Paths inside a share: always relative, always inside.

use std::fmt;

/// The longest path in a manifest, in bytes.
pub const MAX_PATH_LEN: usize = 4096;
/// The longest name within a path, in bytes: longer than any platform writes, so that the receiver may shorten it.
pub const MAX_NAME_LEN: usize = 1024;
/// The deepest path, in names.
pub const MAX_DEPTH: usize = 512;

/// Why a text is not a safe relative path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all.
    #[error("the path is empty")]
    Empty,
    /// Over [`MAX_PATH_LEN`], [`MAX_NAME_LEN`] or [`MAX_DEPTH`].
    #[error("the path is too long or too deep")]
    TooLong,
    /// It starts at a root.
    #[error("the path is absolute")]
    Absolute,
    /// It has an empty name, `.` or `..` in it.
    #[error("the path leaves its folder")]
    Escapes,
    /// It holds a NUL.
    #[error("the path holds a NUL")]
    Nul,
}

/// A path within a share: names joined by `/`; never absolute, never empty, no `.`, no `..`, no NUL.
///
/// What a platform can't hold (reserved words, trailing dots, long names) is still allowed here;
/// [`crate::name`] says how the receiver writes it.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

impl RelPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// One of [`PathError`].
    pub fn parse(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_PATH_LEN {
            return Err(PathError::TooLong);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        let mut depth = 0;
        for name in text.split('/') {
            depth += 1;
            if matches!(name, "" | "." | "..") {
                return Err(PathError::Escapes);
            }
            if name.len() > MAX_NAME_LEN || depth > MAX_DEPTH {
                return Err(PathError::TooLong);
            }
        }
        Ok(RelPath(text))
    }

    /// This path with one more name below it.
    ///
    /// # Errors
    /// As [`RelPath::parse`]; a name with a `/` in it is [`PathError::Escapes`].
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        if name.contains('/') {
            return Err(PathError::Escapes);
        }
        Self::parse(format!("{}/{name}", self.0))
    }

    /// The text, with `/` between names.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the top down; there is at least one.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path above, or `None` for a name at the top.
    pub fn parent(&self) -> Option<RelPath> {
        self.0.rsplit_once('/').map(|(parent, _)| RelPath(parent.to_owned()))
    }

    /// Whether a symlink at this path to `target` stays inside the top-level folder it is in.
    ///
    /// Only relative targets can; the check is on the text and follows nothing.
    pub fn link_stays_inside(&self, target: &str) -> bool {
        if target.is_empty()
            || target.starts_with('/')
            || target.contains(['\0', '\\'])
            || target.contains(':')
        {
            return false;
        }
        // The folder that the link is in, below the top-level name.
        let mut depth = self.names().count().saturating_sub(2);
        if self.parent().is_none() {
            return false;
        }
        for name in target.split('/') {
            match name {
                "" | "." => {}
                ".." => match depth.checked_sub(1) {
                    Some(up) => depth = up,
                    None => return false,
                },
                _ => depth += 1,
            }
        }
        true
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_paths_are_refused() {
        let check = |text: &str, error| assert_eq!(RelPath::parse(text), Err(error), "{text:?}");
        check("", PathError::Empty);
        check("/etc/passwd", PathError::Absolute);
        check("..", PathError::Escapes);
        check("a/../b", PathError::Escapes);
        check("a//b", PathError::Escapes);
        check("a/", PathError::Escapes);
        check("./a", PathError::Escapes);
        check("a\0b", PathError::Nul);
        check(&"a".repeat(MAX_NAME_LEN + 1), PathError::TooLong);
        check(&vec!["a"; MAX_DEPTH + 1].join("/"), PathError::TooLong);
        check(&vec!["aaaaaaa"; 600].join("/"), PathError::TooLong);
    }

    #[test]
    fn links_out_of_the_share_are_seen() {
        let at = RelPath::parse("top/a/link").unwrap();
        for inside in ["file", "../b", "./x/../y", "../a/../b/c"] {
            assert!(at.link_stays_inside(inside), "{inside}");
        }
        for outside in ["/etc", "../..", "../../other", "x/../../../y", "", "C:\\x", "c:x", "..\\..\\x"] {
            assert!(!at.link_stays_inside(outside), "{outside}");
        }
        assert!(!RelPath::parse("link").unwrap().link_stays_inside("anything"));
    }

    proptest! {
        #[test]
        fn what_parses_stays_inside(text in "[./a\\\\:\u{0}é]{0,40}") {
            if let Ok(path) = RelPath::parse(text) {
                prop_assert!(!path.as_str().starts_with('/'));
                prop_assert!(path.names().all(|name| !name.is_empty() && name != "." && name != ".."));
            }
        }
    }
}
