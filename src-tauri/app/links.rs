//! What is handed over from outside: deep links, paths on the command line, and second starts.

use std::path::{Path, PathBuf};

/// The scheme of our deep links, with its colon.
const SCHEME: &str = "sluice:";
/// Starts the app without its window.
pub const HIDDEN: &str = "--hidden";

/// What a start asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Links to open, as they came: what they are is for the protocol to say.
    pub links: Vec<String>,
    /// Files and folders to share.
    pub paths: Vec<PathBuf>,
    /// Whether the window is to stay hidden.
    pub hidden: bool,
}

/// Reads the arguments of a start in the folder `from`, without the name of the program.
pub fn read(arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString>>, from: &Path) -> Asked {
    let mut asked = Asked::default();
    let mut only_paths = false;
    for argument in arguments.into_iter().map(Into::into) {
        let text = argument.to_string_lossy();
        if only_paths {
            asked.paths.push(from.join(&argument));
        } else if text == "--" {
            only_paths = true;
        } else if text == HIDDEN {
            asked.hidden = true;
        } else if is_link(&text) {
            asked.links.push(text.into_owned());
        } else if !text.is_empty() && !text.starts_with("--") {
            asked.paths.push(path_of(&argument, &text, from));
        }
    }
    asked
}

/// Whether a text is meant as one of our deep links.
pub fn is_link(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

// Some file managers hand over `file:` addresses.
fn path_of(argument: &std::ffi::OsStr, text: &str, from: &Path) -> PathBuf {
    let local = text.strip_prefix("file://").and_then(|_| tauri::Url::parse(text).ok());
    match local.and_then(|url| url.to_file_path().ok()) {
        Some(path) => path,
        None => from.join(argument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        read(arguments, Path::new("/there"))
    }

    #[test]
    fn links_paths_and_flags_are_told_apart() {
        let asked =
            asked(&["--hidden", "photos", "/a/b", "SLUICE://h/s/x#y", "--unknown", "", "file:///c%20d"]);
        assert_eq!(asked.links, ["SLUICE://h/s/x#y"]);
        assert_eq!(asked.paths, ["/there/photos", "/a/b", "/c d"].map(PathBuf::from));
        assert!(asked.hidden);
    }

    #[test]
    fn behind_two_dashes_everything_is_a_path() {
        let asked = asked(&["--", "--hidden", "sluice:x"]);
        assert_eq!(asked.paths, ["/there/--hidden", "/there/sluice:x"].map(PathBuf::from));
        assert!(asked.links.is_empty() && !asked.hidden);
    }

    #[test]
    fn a_start_that_asks_for_nothing_asks_for_nothing() {
        assert_eq!(asked(&[]), Asked::default());
    }
}
