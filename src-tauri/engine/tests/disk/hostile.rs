//! A hostile sender, and a hostile local user: nothing is written outside of the destination.
#![cfg(unix)]

use crate::support::*;
use sluice_engine::disk::{Conflict, Destination, DiskError, Options, Skip, Source};
use sluice_protocol::error::Code;
use sluice_protocol::manifest::{Entry, EntryKind, Mtime};
use sluice_protocol::path::RelPath;
use std::fs;
use std::os::unix::fs::symlink;

fn file(path: &str, size: u64) -> Entry {
    Entry {
        path: RelPath::parse(path).unwrap(),
        kind: EntryKind::File { size, executable: false },
        mtime: Mtime { seconds: 1_600_000_000, nanos: 0 },
    }
}

#[test]
fn a_symlink_in_the_destination_is_not_followed() {
    for conflict in [Conflict::Skip, Conflict::Rename, Conflict::Overwrite] {
        let bed = Bed::new();
        bed.file("folder/inner", b"inner");
        bed.file("file", b"file");
        bed.file("none", b"");
        let outside = bed.temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "theirs").unwrap();
        fs::create_dir_all(bed.arrived("")).unwrap();
        symlink(&outside, bed.arrived("folder")).unwrap();
        symlink(outside.join("file"), bed.arrived("file")).unwrap();
        symlink(outside.join("new"), bed.arrived("none")).unwrap();
        let (plan, _) = receive(&bed.catalog(), bed.open_with(Options { conflict, ..Options::default() }));
        renamed(&plan.reports, "share/folder", "share/folder (2)");
        assert_eq!(listing(&outside), ["file"], "{conflict:?}");
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"theirs");
        assert_eq!(fs::read(bed.arrived("folder (2)/inner")).unwrap(), b"inner");
    }
}

#[test]
fn a_symlink_swapped_in_while_writing_leads_nowhere() {
    let bed = Bed::new();
    bed.file("folder/big", &noise(3, 6 * CHUNK));
    bed.file("folder/small", b"small");
    let outside = bed.temp.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    let mut source = Source::new(catalog.clone());
    let all = chunks(&plan.wants);
    fetch(&mut source, &mut destination, &all[0]);
    destination.flush().unwrap();
    fs::rename(bed.arrived("folder"), bed.temp.path().join("aside")).unwrap();
    symlink(&outside, bed.arrived("folder")).unwrap();
    for item in &all[1..] {
        fetch(&mut source, &mut destination, item);
    }
    destination.finish(false).unwrap();
    assert_eq!(listing(&outside), [""; 0]);
    // And the next run looks the way down anew.
    receive(&catalog, bed.open());
    assert_eq!(listing(&outside), [""; 0]);
    assert_eq!(fs::read(bed.arrived("folder (2)/big")).unwrap(), noise(3, 6 * CHUNK));
}

#[test]
fn a_partial_that_became_a_symlink_is_not_written_through() {
    let bed = Bed::new();
    bed.file("big", &noise(4, 3 * CHUNK));
    let victim = bed.temp.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    fetch(&mut Source::new(catalog.clone()), &mut destination, &chunks(&plan.wants)[0]);
    destination.flush().unwrap();
    drop(destination);
    let partial = bed.partial("share/big");
    fs::remove_file(&partial).unwrap();
    symlink(&victim, &partial).unwrap();
    let (plan, _) = receive(&catalog, bed.open());
    assert_eq!(plan.have_bytes, 0, "its content is not trusted");
    assert_eq!(fs::read(&victim).unwrap(), b"theirs");
    assert_eq!(fs::read(bed.arrived("big")).unwrap(), noise(4, 3 * CHUNK));
}

#[test]
fn a_manifest_cannot_name_our_own_files_nor_one_path_twice() {
    let bed = Bed::new();
    let mut destination = bed.open();
    let journal = format!(".sluice-{SHARE}.journal");
    let other = bed.partial("other").file_name().unwrap().to_str().unwrap().to_owned();
    let hostile = vec![file(&journal, 1), file(&other, 2), file("other", 3), file("other", 3)];
    let plan = destination.plan(0, hostile).unwrap();
    assert_eq!(plan.wants.len(), 3);
    skipped(&plan.reports, "other", Skip::Duplicate);
    for (entry, bytes) in [(0, &b"1"[..]), (1, b"22"), (2, b"333")] {
        destination.write(entry, 0, bytes, true).unwrap();
    }
    destination.finish(true).unwrap();
    let mut expected = [format!("_{journal}"), format!("_{other}"), "other".to_owned()];
    expected.sort();
    assert_eq!(listing(&bed.out()), expected);
    assert_eq!(fs::read(bed.out().join("other")).unwrap(), b"333");
}

#[test]
fn chunks_that_nobody_asked_for_are_refused() {
    let bed = Bed::new();
    let mut destination = bed.open();
    destination.plan(0, vec![file("a", 2 * CHUNK as u64)]).unwrap();
    let chunk = noise(1, CHUNK);
    let check = |result: Result<(), DiskError>| assert_eq!(result.unwrap_err().code(), Code::FrameInvalid);
    check(destination.write(1, 0, &chunk, false));
    check(destination.write(0, 2, &chunk, false));
    check(destination.write(0, 0, &chunk[1..], false));
    check(destination.write(0, 0, &chunk, true));
}

#[test]
fn a_claim_of_2_to_the_50_bytes_takes_no_room() {
    let bed = Bed::new();
    let mut destination = bed.open();
    let plan = destination.plan(0, vec![file("huge", sluice_protocol::MAX_FILE_SIZE)]).unwrap();
    assert_eq!(plan.wants[0].ranges.as_slice(), std::slice::from_ref(&(0..u32::MAX)));
    let error = destination.ensure_room(plan.chosen_bytes).unwrap_err();
    assert_eq!(error.code(), Code::DiskFull);
    assert!(error.to_string().contains("bytes are needed"), "{error}");
    destination.ensure_room(1).unwrap();
}

#[test]
fn two_receivers_of_one_share_do_not_meet_in_one_folder() {
    let bed = Bed::new();
    let first = bed.open();
    let second = Destination::open(&bed.out(), SHARE, SENDER, Options::default()).unwrap_err();
    assert_eq!(second.code(), Code::DestinationBusy);
    drop(first);
    bed.open();
}

#[test]
fn a_destination_that_is_removed_is_gone() {
    let bed = Bed::new();
    bed.file("a", &noise(1, CHUNK));
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    fs::remove_dir_all(bed.out()).unwrap();
    let result = destination.write(plan.wants[0].entry, 0, &noise(1, CHUNK), true);
    assert_eq!(result.unwrap_err().code(), Code::DestinationGone);
}
