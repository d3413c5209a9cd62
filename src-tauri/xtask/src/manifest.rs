//! `cargo xtask manifest`: what stands beside the files of a release: checksums, notes, and what the app's updater reads.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::process::{Program, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How the name of a file that updates bring ends, and the systems that take it, as the updater names them.
const UPDATES: [(&str, &[&str]); 4] = [
    ("x64-setup.exe", &["windows-x86_64"]),
    ("amd64.AppImage", &["linux-x86_64"]),
    ("aarch64.AppImage", &["linux-aarch64"]),
    (".app.tar.gz", &["darwin-x86_64", "darwin-aarch64"]),
];

/// Writes `SHA256SUMS`, `notes.md` and, where there are signatures, `latest.json` into a folder of finished files.
///
/// The arguments are that folder, and the address that its files will be found below.
pub fn manifest(arguments: &[String]) -> Result<(), Error> {
    let [folder, address] = arguments else {
        return Err(Error::Usage("a folder and an address are needed".into()));
    };
    let folder = Path::new(folder);
    let mut names = Vec::new();
    let failed = |source| Error::File { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !["SHA256SUMS", "notes.md", "latest.json"].contains(&name.as_str()));
    names.sort();

    let changes = read(&root().join("CHANGELOG.md"))?;
    let notes = notes(&changes, VERSION)
        .ok_or_else(|| Error::Measure(format!("CHANGELOG.md says nothing of version {VERSION}")))?;
    let sums = Program::new("sha256sum").args(names.iter().map(|name| folder.join(name))).output()?;
    let prefix = format!("  {}/", folder.display());
    let sums = String::from_utf8_lossy(&sums).replace(&prefix, "  ");
    let signature = |name: &str| fs::read_to_string(folder.join(format!("{name}.sig"))).ok();
    let platforms = platforms(&names, address, signature);
    write(&folder.join("SHA256SUMS"), &sums)?;
    write(&folder.join("notes.md"), &notes)?;
    if platforms.is_empty() {
        println!("Nothing is signed, so there is no latest.json");
        return Ok(());
    }
    let latest = json!({ "version": VERSION, "notes": notes, "platforms": platforms });
    write(&folder.join("latest.json"), &format!("{latest:#}\n"))
}

/// What of the changes is under the heading of `version`.
fn notes(changes: &str, version: &str) -> Option<String> {
    let mut sections = changes.split("\n## ").skip(1);
    let section =
        sections.find(|section| section.lines().next().is_some_and(|first| first.trim() == version))?;
    let (_, notes) = section.split_once('\n')?;
    Some(format!("{}\n", notes.trim()))
}

/// Each system whose file has a signature, with both, as the updater reads them.
fn platforms(
    names: &[String],
    address: &str,
    signature: impl Fn(&str) -> Option<String>,
) -> Map<String, Value> {
    let mut platforms = Map::new();
    for (ending, systems) in UPDATES {
        let Some(name) = names.iter().find(|name| name.ends_with(ending)) else { continue };
        let Some(signature) = signature(name) else { continue };
        for system in systems {
            let update = json!({ "url": format!("{address}/{name}"), "signature": signature.trim() });
            platforms.insert((*system).into(), update);
        }
    }
    platforms
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File { path: path.into(), source })?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{VERSION, notes, platforms, read, root};

    #[test]
    fn the_changes_say_something_of_the_version_that_this_is() {
        let changes = read(&root().join("CHANGELOG.md")).unwrap();
        assert!(notes(&changes, VERSION).unwrap().len() > 20);
    }

    #[test]
    fn notes_are_those_of_one_version() {
        let changes = "# Changes\n\n## 1.10.0\n\n- b\n\n## 1.1.0\n\n- a\n";
        assert_eq!(notes(changes, "1.1.0").unwrap(), "- a\n");
        assert_eq!(notes(changes, "1.10.0").unwrap(), "- b\n");
        assert_eq!(notes(changes, "1.0.0"), None);
    }

    #[test]
    fn only_what_is_signed_is_an_update_and_macos_is_two_systems() {
        let names =
            ["S_1_x64-setup.exe", "S_1_amd64.AppImage", "S_universal.app.tar.gz", "s.deb"].map(String::from);
        let signed = |name: &str| (!name.ends_with("AppImage")).then(|| format!("sig of {name}\n"));
        let platforms = platforms(&names, "https://h/v1", signed);
        let mut systems: Vec<_> = platforms.keys().collect();
        systems.sort();
        assert_eq!(systems, ["darwin-aarch64", "darwin-x86_64", "windows-x86_64"]);
        assert_eq!(platforms["windows-x86_64"]["url"], "https://h/v1/S_1_x64-setup.exe");
        assert_eq!(platforms["darwin-x86_64"]["signature"], "sig of S_universal.app.tar.gz");
    }
}
