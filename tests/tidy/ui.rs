//! The TypeScript and Svelte files: which room of `ui/` may import from which.

use crate::files::{File, all};
use crate::holds;

/// The rooms of `ui/`, and the other rooms that each may import from.
const MAY_IMPORT: [(&str, &[&str]); 4] = [
    ("app", &["shared", "protocol"]),
    ("browser", &["shared", "protocol"]),
    ("shared", &["protocol"]),
    ("protocol", &[]),
];

/// The one file that talks to the desktop shell.
const BACKEND: &str = "ui/app/backend.ts";

/// What the file imports, as written between the quotes.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    const WORDS: [&str; 3] = ["import ", "import(", " from "];
    let lines = text.lines().filter(|line| WORDS.iter().any(|word| line.contains(word)));
    lines.filter_map(|line| line.split(['\'', '"']).nth(1))
}

/// The room of `ui/` that `import` leads to from a file at `path`, if it leads to a file of ours.
fn room<'a>(path: &'a str, import: &'a str) -> Option<&'a str> {
    if !import.starts_with('.') {
        return None;
    }
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for part in import.split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    folders.get(1).copied()
}

fn wrong_way(file: &File) -> Vec<String> {
    let own = file.path.split('/').nth(1).unwrap();
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == own) else {
        return Vec::new();
    };
    let rooms = imports(&file.text).filter_map(|import| room(&file.path, import));
    rooms
        .filter(|room| *room != own && !allowed.contains(room))
        .map(|room| format!("{} must not import from ui/{room}", file.path))
        .collect()
}

fn strayed(file: &File) -> Option<String> {
    let strays = imports(&file.text).any(|import| import.starts_with("@tauri-apps/"));
    (strays && file.path != BACKEND)
        .then(|| format!("{} talks to the desktop shell; only {BACKEND} may", file.path))
}

fn files() -> Vec<File> {
    let is_code = |file: &File| file.is("ts") || file.is("svelte");
    let files: Vec<File> =
        all().into_iter().filter(|file| file.path.starts_with("ui/") && is_code(file)).collect();
    assert!(files.len() > 3, "only {} files of ui/ were found", files.len());
    files
}

#[test]
fn rooms_import_each_other_in_one_direction() {
    holds(files().iter().flat_map(wrong_way));

    for (path, import) in [
        ("ui/app/main.ts", "../browser/page.ts"),
        ("ui/browser/send/main.ts", "../../app/App.svelte"),
        ("ui/shared/Gate.svelte", "../app/main.ts"),
        ("ui/protocol/frame.ts", "../shared/bytes.ts"),
    ] {
        let file = |import: &str| File { path: path.into(), text: format!("import x from '{import}';") };
        assert_eq!(wrong_way(&file(import)).len(), 1, "{path}");
        assert!(wrong_way(&file("./beside.ts")).is_empty(), "{path}");
    }
}

#[test]
fn only_one_file_talks_to_the_desktop_shell() {
    holds(files().iter().filter_map(strayed));

    let file = |path: &str| File {
        path: path.into(),
        text: "import { invoke } from '@tauri-apps/api/core';".into(),
    };
    assert!(strayed(&file(BACKEND)).is_none());
    assert!(strayed(&file("ui/app/App.svelte")).is_some());
}
