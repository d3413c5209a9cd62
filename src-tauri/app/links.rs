//! What is handed over from outside: deep links, paths on the command line, and second starts.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The scheme of our deep links, with its colon.
const SCHEME: &str = "sluice:";
/// Starts the app without its window.
pub const HIDDEN: &str = "--hidden";

/// The file by which a package says that our links are for this app; named after the product, as the bundler does.
#[cfg(target_os = "linux")]
const PACKAGED: &str = "applications/Sluice.desktop";
/// Where files of packages are, unless the session says otherwise.
#[cfg(target_os = "linux")]
const DATA_FOLDERS: &str = "/usr/local/share:/usr/share";

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
///
/// A system that opens a link hands over the link alone. On Windows a quote in it can end the argument early, and what
/// is behind it must name no file to share and no option: a first argument that is a link takes all others in, and
/// what they make is for the protocol to refuse.
pub fn read(arguments: impl IntoIterator<Item = impl Into<OsString>>, from: &Path) -> Asked {
    let mut asked = Asked::default();
    let (mut only_paths, mut by_link) = (false, false);
    for (index, argument) in arguments.into_iter().map(Into::into).enumerate() {
        let text = argument.to_string_lossy();
        if by_link && let Some(link) = asked.links.first_mut() {
            link.push(' ');
            link.push_str(&text);
        } else if only_paths {
            asked.paths.push(from.join(&argument));
        } else if text == "--" {
            only_paths = true;
        } else if text == HIDDEN {
            asked.hidden = true;
        } else if is_link(&text) {
            by_link = index == 0;
            asked.links.push(text.into_owned());
        } else if !text.is_empty() && !text.starts_with("--") {
            asked.paths.push(path_of(&argument, &text, from));
        }
    }
    asked
}

/// Whether a text is meant as a link: one of ours, or an address of whatever kind that is no file's.
fn is_link(text: &str) -> bool {
    let ours = text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    ours || text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme) && scheme != "file")
}

// One letter is a drive of Windows.
fn is_scheme(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.len() > 1 && text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(may)
}

/// Where this session looks for what packages have installed (the XDG base directories).
#[cfg(target_os = "linux")]
pub fn data_folders() -> OsString {
    std::env::var_os("XDG_DATA_DIRS")
        .filter(|folders| !folders.is_empty())
        .unwrap_or_else(|| DATA_FOLDERS.into())
}

/// Whether a package in one of `folders` has told the system of our links already.
#[cfg(target_os = "linux")]
pub fn are_packaged(folders: &OsStr) -> bool {
    std::env::split_paths(folders).any(|folder| folder.join(PACKAGED).is_file())
}

// Some file managers hand over `file:` addresses.
fn path_of(argument: &OsStr, text: &str, from: &Path) -> PathBuf {
    let local = text.strip_prefix("file://").and_then(|_| tauri::Url::parse(text).ok());
    match local.and_then(|url| url.to_file_path().ok()) {
        Some(path) => path,
        None => from.join(argument),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
    fn a_link_that_comes_first_takes_in_all_that_comes_behind_it() {
        let text = |rest: &[&str]| asked(&[&["sluice://h/p/x#y"], rest].concat());
        let alone = text(&[]);
        assert_eq!(alone.links, ["sluice://h/p/x#y"]);
        for rest in
            [&["--hidden"][..], &["C:\\secret"], &["--", "/etc"], &["sluice://h/p/z#y", ""], &["file:///c"]]
        {
            let asked = text(rest);
            assert_eq!(asked.links, [format!("sluice://h/p/x#y {}", rest.join(" "))], "{rest:?}");
            assert!(asked.paths.is_empty() && !asked.hidden, "{rest:?}");
        }
    }

    #[test]
    fn whatever_is_an_address_is_a_link_and_no_path() {
        for link in ["https://h/s/x#y", "HTTP://h", "SLUICE:x", "ftp://h/a", "x-y+z.1://"] {
            assert_eq!(asked(&[link]).links, [link]);
        }
        for path in ["C://x", "1a://x", "a b://x", "photos:/x", "://x"] {
            assert_eq!(asked(&[path]).paths, [Path::new("/there").join(path)]);
        }
        assert_eq!(asked(&["file:///a/b"]).paths, [Path::new("/a/b")]);
    }

    #[test]
    fn behind_two_dashes_everything_is_a_path() {
        let asked = asked(&["--", "--hidden", "sluice:x"]);
        assert_eq!(asked.paths, ["/there/--hidden", "/there/sluice:x"].map(PathBuf::from));
        assert!(asked.links.is_empty() && !asked.hidden);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_package_is_found_in_any_of_the_folders_for_packages() {
        let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(with.path().join("applications")).unwrap();
        std::fs::write(with.path().join(PACKAGED), "").unwrap();
        let both = std::env::join_paths([without.path(), with.path()]).unwrap();
        assert!(are_packaged(&both));
        assert!(!are_packaged(without.path().as_os_str()));
    }

    #[test]
    fn a_start_that_asks_for_nothing_asks_for_nothing() {
        assert_eq!(asked(&[]), Asked::default());
    }
}
