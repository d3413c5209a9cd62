//! The files of the project, and the rules that hold for files of every kind.

use std::fs;
use std::path::{Path, PathBuf};

use crate::holds;

/// Folders that builds and runs fill; nothing in them is ours to keep tidy.
const MADE: [&str; 8] = [".git", "target", "gen", "node_modules", "dist", "artifacts", "corpus", "coverage"];

/// Endings of what people write by hand, and read.
const CODE: [&str; 8] = ["rs", "lua", "ts", "js", "svelte", "css", "html", "sh"];

/// Lines a file may have before it is split.
const LONGEST: usize = 600;

/// A text file of the project.
pub struct File {
    /// From the top, with `/` on every system.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == ending)
    }

    fn is_generated(&self) -> bool {
        self.path.starts_with("ui/") && self.path.ends_with("/bindings.ts")
    }
}

/// The project's top folder.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file below the top, except what builds and runs made.
pub fn all() -> Vec<File> {
    let mut files = Vec::new();
    collect(&top(), "", &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

fn collect(folder: &Path, within: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{within}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !MADE.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

fn too_long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let counted = CODE.iter().any(|ending| file.is(ending)) && !file.is_generated();
    (counted && lines > LONGEST).then(|| format!("{} has {lines} lines: split it by noun", file.path))
}

fn names_a_machine(file: &File) -> Option<String> {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
    let found = homes.into_iter().find(|home| file.text.contains(home))?;
    Some(format!("{} names a path of one machine, {found}", file.path))
}

/// Links in a page that lead to a file of the project that is not there.
fn broken_links(file: &File, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    if !file.is("md") {
        return Vec::new();
    }
    let folder = Path::new(&file.path).parent().unwrap();
    let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !exists(&folder.join(target)))
        .map(|target| format!("{} leads to {target}, which is not there", file.path))
        .collect()
}

#[test]
fn no_file_is_too_long_to_read() {
    holds(all().iter().filter_map(too_long));

    let file = |path: &str| File { path: path.into(), text: "line\n".repeat(LONGEST + 1) };
    assert!(too_long(&file("src-tauri/engine/src/long.rs")).is_some());
    assert!(too_long(&file("ui/protocol/bindings.ts")).is_none());
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    holds(all().iter().filter_map(names_a_machine));

    let text = format!("see {}ana/notes", concat!("/ho", "me/"));
    assert!(names_a_machine(&File { path: "README.md".into(), text }).is_some());
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let top = top();
    holds(all().iter().flat_map(|file| broken_links(file, |path| top.join(path).exists())));

    let text = "[a](there.md#part) [b](gone.md) [c](https://example.org/gone)".into();
    let page = File { path: "docs/page.md".into(), text };
    let complaints = broken_links(&page, |path| path == Path::new("docs/there.md"));
    assert_eq!(complaints, ["docs/page.md leads to gone.md, which is not there"]);
}

#[test]
fn the_npm_lock_file_names_no_host() {
    let lock = fs::read_to_string(top().join("ui/package-lock.json")).unwrap();
    holds(lock.contains("\"resolved\"").then(|| "ui/package-lock.json has `resolved` lines".into()));
}
