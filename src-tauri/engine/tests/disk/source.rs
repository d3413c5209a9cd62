//! What changes at the source fails alone, with a clear word.

use crate::support::*;
use sluice_engine::disk::{Source, SourceFailure};
use sluice_protocol::error::Code;
use std::fs;
use std::io::Write;

type Change = fn(&std::path::Path);

#[test]
fn a_file_that_shrinks_grows_or_changes_is_noticed() {
    let changes: [(&str, Change); 4] = [
        ("shrinks", |path| fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap()),
        ("grows", |path| fs::File::options().append(true).open(path).unwrap().write_all(b"more").unwrap()),
        ("is touched", |path| age(path, 1_600_000_001)),
        ("is replaced", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (what, change) in changes {
        for already_open in [false, true] {
            if already_open && what == "is replaced" {
                continue;
            }
            let bed = Bed::new();
            let path = bed.file("file", &noise(1, 2 * CHUNK));
            bed.file("other", b"other");
            let catalog = bed.catalog();
            let mut source = Source::new(catalog.clone());
            let mut buf = vec![0; CHUNK];
            if already_open {
                source.read(1, 0, &mut buf).unwrap();
                assert!(buf == noise(1, 2 * CHUNK)[..CHUNK]);
            }
            change(&path);
            assert_eq!(source.read(1, 1, &mut buf), Err(SourceFailure::Changed), "{what}");
            let mut small = [0; 5];
            source.read(2, 0, &mut small).unwrap();
            assert_eq!(&small, b"other");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_symlink_in_a_files_place_is_not_followed() {
    let bed = Bed::new();
    let path = bed.file("file", b"12345");
    let secret = bed.temp.path().join("secret");
    fs::write(&secret, b"54321").unwrap();
    age(&secret, 1_600_000_000);
    let catalog = bed.catalog();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&secret, &path).unwrap();
    let failure = Source::new(catalog).read(1, 0, &mut [0; 5]).unwrap_err();
    assert_eq!((failure, failure.code()), (SourceFailure::Changed, Code::SourceChanged));
}

#[test]
fn a_file_that_disappears_is_unreadable() {
    let bed = Bed::new();
    let path = bed.file("file", b"12345");
    let catalog = bed.catalog();
    fs::remove_file(path).unwrap();
    let failure = Source::new(catalog).read(1, 0, &mut [0; 5]).unwrap_err();
    assert_eq!(failure.code(), Code::SourceUnreadable);
}

#[cfg(unix)]
#[test]
fn a_sparse_file_of_5_gib_is_read_and_written_where_it_has_bytes() {
    use std::os::unix::fs::MetadataExt;
    let bed = Bed::new();
    let size = 5 * 1024 * 1024 * 1024_u64;
    let path = bed.file("sparse", b"");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &noise(5, CHUNK), size - CHUNK as u64).unwrap();
    let catalog = bed.catalog();
    let last = sluice_protocol::chunk_count(size) - 1;
    let mut source = Source::new(catalog.clone());
    let mut buf = vec![1; CHUNK];
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    for chunk in [0, last - 1, last] {
        source.read(1, chunk, &mut buf).unwrap();
        destination.write(1, chunk, &buf, false).unwrap();
    }
    assert!(buf == noise(5, CHUNK));
    destination.flush().unwrap();
    drop(destination);
    let partial = fs::metadata(bed.partial("share/sparse")).unwrap();
    assert_eq!(partial.len(), size);
    assert!(partial.blocks() * 512 < 4 * CHUNK as u64, "holes stay holes");
    assert_eq!(plan.wants[0].ranges.as_slice(), std::slice::from_ref(&(0..last + 1)));
    let plan = plan_all(&catalog, &mut bed.open());
    assert_eq!(plan.wants[0].ranges.as_slice(), std::slice::from_ref(&(1..last - 1)));
    assert_eq!(plan.have_bytes, 3 * CHUNK as u64);
}
