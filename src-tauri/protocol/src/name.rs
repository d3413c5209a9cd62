//! How a name from a manifest is written on a platform that can't hold it as it is.

use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Which rules for names apply where the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Any bytes but `/` and NUL, at most 255 of them.
    Unix,
    /// At most 255 UTF-16 units; no `:` and what Unix forbids.
    MacOs,
    /// No control characters, none of `<>:"/\|?*`, no dot or space at the end, no device names, 255 UTF-16 units.
    Windows,
}

impl Platform {
    /// The platform this code was built for.
    pub const fn current() -> Self {
        if cfg!(windows) {
            Platform::Windows
        } else if cfg!(target_os = "macos") {
            Platform::MacOs
        } else {
            Platform::Unix
        }
    }
}

// Room for what a partial or a numbered name adds.
const MAX_UNITS: usize = 255;

/// `name` as `platform` can hold it: itself, or a changed form that is the same on every run.
///
/// Two different names may become one; the receiver then numbers them as any other conflict.
pub fn portable(name: &str, platform: Platform) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(name);
    let forbidden = |c: char| match platform {
        Platform::Unix => matches!(c, '/' | '\0'),
        Platform::MacOs => matches!(c, '/' | '\0' | ':'),
        Platform::Windows => {
            c.is_control() || matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*')
        }
    };
    if out.contains(forbidden) {
        out = Cow::Owned(out.replace(forbidden, "_"));
    }
    if platform == Platform::Windows {
        let kept = out.trim_end_matches(['.', ' ']);
        if kept.len() < out.len() {
            out = Cow::Owned(format!("{kept}_"));
        }
        if is_device_name(&out) {
            out = Cow::Owned(format!("_{out}"));
        }
    }
    if units(&out, platform) > MAX_UNITS {
        out = Cow::Owned(shorten(&out, platform));
    }
    out
}

/// `name` with ` (number)` before its extension, shortened where it must be.
pub fn numbered(name: &str, number: u32, platform: Platform) -> String {
    let (stem, extension) = split_extension(name);
    let numbered = format!("{stem} ({number}){extension}");
    if units(&numbered, platform) <= MAX_UNITS {
        return numbered;
    }
    let mut stem = stem;
    loop {
        let mut chars = stem.chars();
        if chars.next_back().is_none() {
            return format!("({number})");
        }
        stem = chars.as_str();
        let shorter = format!("{stem} ({number}){extension}");
        if units(&shorter, platform) <= MAX_UNITS {
            return shorter;
        }
    }
}

fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= 16 => name.split_at(at),
        _ => (name, ""),
    }
}

fn units(name: &str, platform: Platform) -> usize {
    match platform {
        Platform::Unix => name.len(),
        Platform::MacOs | Platform::Windows => name.encode_utf16().count(),
    }
}

// CON, PRN, AUX, NUL, COM0-9, LPT0-9 and the superscript digits, with any extension; CONIN$ and CONOUT$.
fn is_device_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let Some(tail) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    let mut chars = tail.chars();
    matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

// Keeps the start and the extension; a hash of the whole keeps names that differ late apart.
fn shorten(name: &str, platform: Platform) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let mark = format!("~{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
    let (stem, extension) = split_extension(name);
    let room = MAX_UNITS - units(&mark, platform) - units(extension, platform);
    let mut kept = String::new();
    let mut used = 0;
    for c in stem.chars() {
        let cost = if platform == Platform::Unix { c.len_utf8() } else { c.len_utf16() };
        if used + cost > room {
            break;
        }
        used += cost;
        kept.push(c);
    }
    format!("{kept}{mark}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_names() {
        for (name, written) in [
            ("plain.txt", "plain.txt"),
            ("CON", "_CON"),
            ("con.tar.gz", "_con.tar.gz"),
            ("COM1", "_COM1"),
            ("com¹.txt", "_com¹.txt"),
            ("COM10", "COM10"),
            ("console", "console"),
            ("nul .txt", "_nul .txt"),
            ("dots...", "dots_"),
            ("space ", "space_"),
            ("a:b", "a_b"),
            ("a\\b", "a_b"),
            ("tab\tname", "tab_name"),
            ("...", "_"),
        ] {
            assert_eq!(portable(name, Platform::Windows), written, "{name:?}");
        }
        assert_eq!(portable("con: x?", Platform::Unix), "con: x?");
    }

    #[test]
    fn long_names_keep_their_extension_and_differ() {
        let a = portable(&format!("{}a.txt", "é".repeat(200)), Platform::Unix).into_owned();
        let b = portable(&format!("{}b.txt", "é".repeat(200)), Platform::Unix).into_owned();
        assert!(a.len() <= 255 && a.ends_with(".txt"));
        assert_ne!(a, b);
    }

    #[test]
    fn numbers_go_before_the_extension() {
        assert_eq!(numbered("a.txt", 2, Platform::Unix), "a (2).txt");
        assert_eq!(numbered(".profile", 2, Platform::Unix), ".profile (2)");
        assert!(numbered(&"x".repeat(255), 12, Platform::Unix).len() <= 255);
    }

    proptest! {
        #[test]
        fn the_result_always_fits(name in "\\PC{1,300}|[. <>:a\u{1}]{1,20}") {
            for platform in [Platform::Unix, Platform::MacOs, Platform::Windows] {
                let written = portable(&name, platform).into_owned();
                prop_assert!(!written.is_empty() && units(&written, platform) <= MAX_UNITS);
                prop_assert_eq!(portable(&written, platform).into_owned(), written.clone());
                prop_assert!(units(&numbered(&written, 7, platform), platform) <= MAX_UNITS);
            }
        }
    }
}
