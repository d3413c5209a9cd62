//! Trees: everything that a folder can hold survives, and what can't be sent is told.

use crate::support::*;
use sluice_engine::disk::{Chosen, Options, Skip};
use sluice_protocol::manifest::Unreadable;
use std::fs;

#[test]
fn a_tree_arrives_with_everything_in_it() {
    let bed = Bed::new();
    for (name, len) in
        [("empty", 0), ("one", 1), ("chunk", CHUNK), ("chunk and one", CHUNK + 1), ("five", 5 * CHUNK)]
    {
        bed.file(&format!("sizes/{name}"), &noise(len as u64, len));
    }
    for name in ["häßlich", "文件", "файл", "ملف", "🎈 balloon", "-rf", "with\nnewline", "a\\b"]
    {
        bed.file(&format!("names/{name}"), name.as_bytes());
    }
    fs::create_dir_all(bed.share().join("empty folder/inner")).unwrap();
    let deep = vec!["d"; 100].join("/");
    bed.file(&format!("{deep}/bottom"), b"deep");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let script = bed.file("script", b"#!/bin/sh\n");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let empty_script = bed.file("empty script", b"");
        fs::set_permissions(&empty_script, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../sizes/one", bed.share().join("names/link")).unwrap();
    }
    age(&bed.share().join("empty folder"), 1_500_000_000);
    age(&bed.share().join("sizes"), 1_500_000_001);
    age(&bed.share(), 1_500_000_002);

    let catalog = bed.catalog();
    let (plan, summary) = receive(&catalog, bed.open());
    assert!(
        plan.reports.is_empty() && summary.reports.is_empty(),
        "{:?} {:?}",
        plan.reports,
        summary.reports
    );
    assert_eq!(listing(&bed.share()), listing(&bed.out().join("share")));
    assert_eq!(fs::read_dir(bed.out()).unwrap().count(), 1, "nothing of our own is left");
    for name in listing(&bed.share()) {
        let (from, to) = (bed.share().join(&name), bed.arrived(&name));
        if fs::symlink_metadata(&from).unwrap().is_symlink() {
            assert_eq!(fs::read_link(&from).unwrap(), fs::read_link(&to).unwrap());
            continue;
        }
        assert_eq!(mtime(&from), mtime(&to), "{name}");
        if from.is_file() {
            assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap(), "{name}");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let executable = |path| fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0;
                assert_eq!(executable(from), executable(to), "{name}");
            }
        }
    }
    assert_eq!(mtime(&bed.share()), mtime(&bed.out().join("share")));
}

#[test]
fn a_single_file_arrives_under_its_name_and_roots_that_clash_are_numbered() {
    let bed = Bed::new();
    let one = bed.file("a/same.txt", b"one");
    let two = bed.file("b/same.txt", b"two");
    let catalog = walked(&[one, two]);
    let paths: Vec<_> = entries(&catalog).iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["same.txt", "same (2).txt"]);
    receive(&catalog, bed.open());
    assert_eq!(fs::read(bed.out().join("same.txt")).unwrap(), b"one");
    assert_eq!(fs::read(bed.out().join("same (2).txt")).unwrap(), b"two");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_sent_is_listed_and_told() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixListener;
    let bed = Bed::new();
    bed.file("fine", b"fine");
    let _socket = UnixListener::bind(bed.share().join("socket")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    fs::write(bed.share().join(odd), b"x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", bed.share().join("out")).unwrap();
    std::os::unix::fs::symlink("../../up", bed.share().join("up")).unwrap();
    let catalog = bed.catalog();
    assert_eq!(catalog.totals().unreadable, 2);
    let (plan, _) = receive(&catalog, bed.open());
    skipped(&plan.reports, "share/socket", Skip::Unreadable(Unreadable::Special));
    skipped(&plan.reports, "share/odd\u{fffd}", Skip::Unreadable(Unreadable::Name));
    skipped(&plan.reports, "share/out", Skip::UnsafeLink);
    skipped(&plan.reports, "share/up", Skip::UnsafeLink);
    assert_eq!(listing(&bed.out()), ["share/", "share/fine"]);
}

#[test]
fn the_pages_are_in_order_and_every_entry_is_found_by_its_number() {
    let bed = Bed::new();
    for number in 0..3000 {
        bed.file(&format!("{:03}/{number}", number % 50), &noise(number, number as usize % 7));
    }
    let catalog = bed.catalog();
    let all = entries(&catalog);
    assert_eq!(all.len(), 3051);
    assert_eq!(catalog.totals().entries, 3051);
    assert_eq!(catalog.totals().bytes, all.iter().map(|entry| entry.size()).sum::<u64>());
    let mut sorted: Vec<Vec<&str>> = all.iter().map(|entry| entry.path.names().collect()).collect();
    sorted.sort();
    let listed: Vec<Vec<&str>> = all.iter().map(|entry| entry.path.names().collect()).collect();
    assert_eq!(listed, sorted, "depth first, names in order");
    let mut first = 0;
    for page in 0..catalog.totals().pages {
        let page = catalog.page(page).unwrap();
        assert_eq!(page.first_entry, first);
        first += sluice_protocol::manifest::decode_page(&page.encoded).unwrap().len() as u32;
    }
    for (number, entry) in (0..).zip(&all).step_by(97) {
        assert_eq!(catalog.entry(number).as_ref(), Some(entry));
        assert_eq!(catalog.size_of(number), Some(entry.size()));
    }
    assert_eq!(catalog.size_of(first), None);
    assert!(catalog.page(catalog.totals().pages).is_err());
    assert!(sluice_engine::disk::Catalog::walk(&[bed.temp.path().join("nowhere")]).is_err());
}

#[test]
fn only_what_is_chosen_arrives() {
    let bed = Bed::new();
    for path in ["a/x.jpg", "a/deep/y.txt", "b/x.jpg", "b/y.txt"] {
        bed.file(path, path.as_bytes());
    }
    let options =
        Options { chosen: Chosen::matching(&["share/a", "*/b/*.jpg"]).unwrap(), ..Options::default() };
    let (plan, _) = receive(&bed.catalog(), bed.open_with(options));
    assert_eq!(
        listing(&bed.out().join("share")),
        ["a/", "a/deep/", "a/deep/y.txt", "a/x.jpg", "b/", "b/x.jpg"]
    );
    assert_eq!((plan.chosen_entries, plan.reports.len()), (5, 0));
}
