//! What is there already is never lost silently, and names that a platform can't hold are changed and told.

use crate::support::*;
use sluice_engine::disk::{Conflict, Options, Skip};
use sluice_protocol::name::Platform;
use std::fs;

fn bed_with_old_files() -> Bed {
    let bed = Bed::new();
    for path in ["a.txt", "same", "free", "empty"] {
        bed.file(path, if path == "empty" { b"" } else { path.as_bytes() });
    }
    fs::create_dir_all(bed.arrived("")).unwrap();
    for (path, old) in [("a.txt", "older and longer"), ("same", "same"), ("empty", "not empty")] {
        fs::write(bed.arrived(path), old).unwrap();
        age(&bed.arrived(path), 1_600_000_000);
    }
    bed
}

fn options(conflict: Conflict) -> Options {
    Options { conflict, ..Options::default() }
}

#[test]
fn skip_leaves_what_is_there() {
    let bed = bed_with_old_files();
    let (plan, _) = receive(&bed.catalog(), bed.open_with(options(Conflict::Skip)));
    skipped(&plan.reports, "share/a.txt", Skip::Exists);
    skipped(&plan.reports, "share/empty", Skip::Exists);
    skipped(&plan.reports, "share/same", Skip::Identical);
    assert_eq!(plan.reports.len(), 3);
    assert_eq!(fs::read(bed.arrived("a.txt")).unwrap(), b"older and longer");
    assert_eq!(fs::read(bed.arrived("free")).unwrap(), b"free");
    assert_eq!(listing(&bed.arrived("")).len(), 4);
}

#[test]
fn rename_writes_beside_it() {
    let bed = bed_with_old_files();
    let (plan, _) = receive(&bed.catalog(), bed.open());
    renamed(&plan.reports, "share/a.txt", "share/a (2).txt");
    renamed(&plan.reports, "share/empty", "share/empty (2)");
    skipped(&plan.reports, "share/same", Skip::Identical);
    assert_eq!(fs::read(bed.arrived("a.txt")).unwrap(), b"older and longer");
    assert_eq!(fs::read(bed.arrived("a (2).txt")).unwrap(), b"a.txt");
    // Once more, and everything is there already: no third copy.
    let (plan, _) = receive(&bed.catalog(), bed.open());
    assert_eq!(plan.wants, []);
    assert_eq!(listing(&bed.arrived("")).len(), 6);
}

#[test]
fn overwrite_replaces_it_at_the_end() {
    let bed = bed_with_old_files();
    let catalog = bed.catalog();
    let mut destination = bed.open_with(options(Conflict::Overwrite));
    plan_all(&catalog, &mut destination);
    assert_eq!(fs::read(bed.arrived("a.txt")).unwrap(), b"older and longer");
    drop(destination);
    receive(&catalog, bed.open_with(options(Conflict::Overwrite)));
    assert_eq!(fs::read(bed.arrived("a.txt")).unwrap(), b"a.txt");
    assert_eq!(fs::read(bed.arrived("empty")).unwrap(), b"");
    assert_eq!(listing(&bed.arrived("")), ["a.txt", "empty", "free", "same"]);
}

#[test]
fn a_file_never_replaces_a_folder_nor_a_folder_a_file() {
    let bed = Bed::new();
    bed.file("file", b"file");
    bed.file("none", b"");
    bed.file("folder/inner", b"inner");
    fs::create_dir_all(bed.arrived("file/kept")).unwrap();
    fs::create_dir_all(bed.arrived("none/kept")).unwrap();
    fs::write(bed.arrived("folder"), "kept").unwrap();
    let (plan, summary) = receive(&bed.catalog(), bed.open_with(options(Conflict::Overwrite)));
    let reports: Vec<_> = plan.reports.into_iter().chain(summary.reports).collect();
    renamed(&reports, "share/file", "share/file (2)");
    renamed(&reports, "share/none", "share/none (2)");
    renamed(&reports, "share/folder", "share/folder (2)");
    assert_eq!(
        listing(&bed.arrived("")),
        [
            "file (2)",
            "file/",
            "file/kept/",
            "folder",
            "folder (2)/",
            "folder (2)/inner",
            "none (2)",
            "none/",
            "none/kept/"
        ]
    );
}

#[test]
fn a_file_that_appears_while_its_name_is_fetched_is_kept() {
    let bed = Bed::new();
    bed.file("late.bin", &noise(1, 3 * CHUNK));
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    fs::write(bed.arrived("late.bin"), "somebody else's").unwrap();
    let mut source = sluice_engine::disk::Source::new(catalog);
    for item in chunks(&plan.wants) {
        fetch(&mut source, &mut destination, &item);
    }
    let summary = destination.finish(true).unwrap();
    renamed(&summary.reports, "share/late.bin", "share/late (2).bin");
    assert_eq!(fs::read(bed.arrived("late.bin")).unwrap(), b"somebody else's");
    assert_eq!(fs::read(bed.arrived("late (2).bin")).unwrap(), noise(1, 3 * CHUNK));
}

#[cfg(unix)]
#[test]
fn names_that_windows_cannot_hold_are_changed_and_told() {
    let bed = Bed::new();
    for path in ["CON", "dots...", "a:b", "a?b", "folder./inner", "folder./CON/x", "fine"] {
        bed.file(path, path.as_bytes());
    }
    let windows = || Options { platform: Platform::Windows, ..Options::default() };
    let (plan, summary) = receive(&bed.catalog(), bed.open_with(windows()));
    let reports: Vec<_> = plan.reports.into_iter().chain(summary.reports).collect();
    renamed(&reports, "share/CON", "share/_CON");
    renamed(&reports, "share/dots...", "share/dots_");
    renamed(&reports, "share/folder.", "share/folder_");
    renamed(&reports, "share/folder./CON", "share/folder_/_CON");
    assert_eq!(
        listing(&bed.arrived("")),
        [
            "_CON",
            "a_b",
            "a_b (2)",
            "dots_",
            "fine",
            "folder_/",
            "folder_/_CON/",
            "folder_/_CON/x",
            "folder_/inner"
        ]
    );
    let both = [fs::read(bed.arrived("a_b")).unwrap(), fs::read(bed.arrived("a_b (2)")).unwrap()];
    assert!(both.contains(&b"a:b".to_vec()) && both.contains(&b"a?b".to_vec()));
}

#[cfg(unix)]
#[test]
fn long_names_are_shortened_and_told() {
    use sluice_protocol::manifest::{Entry, EntryKind, Mtime};
    use sluice_protocol::path::RelPath;
    let bed = Bed::new();
    let name = format!("{}.txt", "é".repeat(200));
    let entry = Entry {
        path: RelPath::parse(name.clone()).unwrap(),
        kind: EntryKind::File { size: 2, executable: false },
        mtime: Mtime::default(),
    };
    let mut destination = bed.open();
    let plan = destination.plan(0, vec![entry]).unwrap();
    destination.write(0, 0, b"ok", true).unwrap();
    destination.finish(true).unwrap();
    let found = listing(&bed.out());
    renamed(&plan.reports, &name, &found[0]);
    assert!(found[0].len() <= 255 && found[0].ends_with(".txt"));
}
