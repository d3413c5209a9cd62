//! Kills at any moment: what the journal says is on disk, and the next run goes on from there.

use crate::support::*;
use sluice_engine::disk::{Destination, Options, Source};
use sluice_protocol::error::Code;
use std::fs;
use std::path::Path;

// Destroys what the journal does not vouch for, as a lost power may.
fn scribble(bed: &Bed, wants: &[sluice_engine::disk::Want], paths: &[String]) {
    for want in wants {
        let partial = bed.partial(&paths[want.entry as usize]);
        let Ok(file) = fs::File::options().write(true).open(partial) else { continue };
        let len = file.metadata().unwrap().len();
        for range in &want.ranges {
            let start = u64::from(range.start) * CHUNK as u64;
            let end = (u64::from(range.end) * CHUNK as u64).min(len);
            if start < end {
                write_at(&file, &noise(99, (end - start) as usize), start);
            }
        }
    }
}

fn write_at(mut file: &fs::File, bytes: &[u8], at: u64) {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_run_that_is_killed_anywhere_resumes_and_loses_nothing() {
    for seed in 0..12 {
        let mut random = Seeded(seed);
        let bed = Bed::new();
        for number in 0..30 {
            let len = match random.below(4) {
                0 => 0,
                1 => random.below(5000) as usize,
                2 => CHUNK + random.below(CHUNK as u64) as usize,
                _ => random.below(9) as usize * CHUNK,
            };
            bed.file(&format!("{}/{number}", number % 4), &noise(seed * 100 + number, len));
        }
        let catalog = bed.catalog();
        let paths: Vec<String> = entries(&catalog).iter().map(|entry| entry.path.to_string()).collect();
        let mut durable = 0;
        let mut runs = 0;
        loop {
            runs += 1;
            let mut destination = bed.open();
            let plan = plan_all(&catalog, &mut destination);
            assert!(
                plan.have_bytes >= durable,
                "seed {seed}: {} of {durable} durable bytes",
                plan.have_bytes
            );
            assert!(plan.reports.is_empty(), "seed {seed}: {:?}", plan.reports);
            durable = plan.have_bytes;
            scribble(&bed, &plan.wants, &paths);
            let mut source = Source::new(catalog.clone());
            let all = chunks(&plan.wants);
            let stop = if runs > 8 { all.len() } else { random.below(40) as usize };
            for item in all.iter().take(stop) {
                fetch(&mut source, &mut destination, item);
                if random.below(20) == 0 {
                    destination.flush().unwrap();
                }
            }
            if stop >= all.len() {
                destination.finish(true).unwrap();
                break;
            }
            durable += destination.durable().bytes;
        }
        assert_eq!(listing(&bed.share()), listing(&bed.out().join("share")), "seed {seed}");
        for name in listing(&bed.share()).iter().filter(|name| !name.ends_with('/')) {
            let (from, to) = (bed.share().join(name), bed.arrived(name));
            assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap(), "seed {seed}: {name}");
            assert_eq!(mtime(&from), mtime(&to));
        }
        assert_eq!(fs::read_dir(bed.out()).unwrap().count(), 1, "seed {seed}");
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let to = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_tree(&item.path(), &to);
        } else {
            fs::copy(item.path(), &to).unwrap();
            let time = mtime(&item.path());
            fs::File::open(&to).unwrap().set_times(fs::FileTimes::new().set_modified(time)).unwrap();
        }
    }
}

#[test]
fn a_journal_torn_anywhere_claims_no_more_than_was_written() {
    let bed = Bed::new();
    bed.file("a", b"first");
    bed.file("big", &noise(8, 4 * CHUNK));
    bed.file("c", b"third");
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    let all = chunks(&plan.wants);
    let mut source = Source::new(catalog.clone());
    for (number, item) in all.iter().enumerate().filter(|(number, _)| ![2, 4].contains(number)) {
        fetch(&mut source, &mut destination, item);
        if number == 1 {
            destination.flush().unwrap();
        }
    }
    destination.flush().unwrap();
    let written = destination.durable();
    drop(destination);
    let journal = fs::read(bed.journal()).unwrap();
    let most = plan.have_bytes + written.bytes;
    let kept = bed.temp.path().join("kept");
    fs::rename(bed.out(), &kept).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in 0..=journal.len() {
        for flip in [false, true] {
            if (flip && (cut % 3 > 0 || cut == journal.len() || cut < 46)) || (cut < 46 && cut % 9 > 0) {
                continue; // A header that is not ours is set aside; see below.
            }
            copy_tree(&kept, &bed.out());
            let mut torn = journal.clone();
            if flip {
                torn[cut] ^= 0x20;
            } else {
                torn.truncate(cut);
            }
            fs::write(bed.journal(), &torn).unwrap();
            let mut destination = bed.open();
            let plan = plan_all(&catalog, &mut destination);
            assert!(plan.have_bytes <= most, "cut at {cut}");
            // `a` and `c` are whole under their names, whatever the journal says.
            assert!(plan.have_bytes >= 10, "cut at {cut}");
            seen.insert(plan.have_bytes);
            if cut % 5 == 0 {
                scribble(
                    &bed,
                    &plan.wants,
                    &["".into(), "share/a".into(), "share/big".into(), "share/c".into()],
                );
                for item in chunks(&plan.wants) {
                    fetch(&mut source, &mut destination, &item);
                }
                destination.finish(true).unwrap();
                assert!(fs::read(bed.arrived("big")).unwrap() == noise(8, 4 * CHUNK), "cut at {cut}");
            } else {
                drop(destination);
            }
            fs::remove_dir_all(bed.out()).unwrap();
        }
    }
    assert_eq!(seen.len(), 3, "nothing, one chunk and two chunks of the big file: {seen:?}");
}

#[test]
fn what_was_whole_and_is_gone_is_fetched_again() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 2 * CHUNK));
    bed.file("b", &noise(2, 2 * CHUNK));
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    let mut source = Source::new(catalog.clone());
    for item in &chunks(&plan.wants)[..3] {
        fetch(&mut source, &mut destination, item);
    }
    destination.finish(false).unwrap();
    assert_eq!(bed.open().resumed().entries, 1);
    fs::remove_file(bed.arrived("a")).unwrap();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    assert_eq!(plan.have_bytes, CHUNK as u64);
    // Killed again with the first chunk of `a` written but not synced: the old record must not vouch for it.
    destination.write(1, 0, &noise(1, CHUNK), false).unwrap();
    drop(destination);
    let (plan, _) = receive(&catalog, bed.open());
    assert_eq!(plan.have_bytes, CHUNK as u64);
    assert_eq!(fs::read(bed.arrived("a")).unwrap(), noise(1, 2 * CHUNK));
}

#[test]
fn a_file_that_changed_at_the_source_starts_over() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 3 * CHUNK));
    let mut destination = bed.open();
    plan_all(&bed.catalog(), &mut destination);
    destination.write(1, 0, &noise(1, CHUNK), false).unwrap();
    destination.flush().unwrap();
    drop(destination);
    let path = bed.file("a", &noise(2, 3 * CHUNK));
    age(&path, 1_600_000_009);
    let (plan, _) = receive(&bed.catalog(), bed.open());
    assert_eq!(plan.have_bytes, 0);
    assert_eq!(fs::read(bed.arrived("a")).unwrap(), noise(2, 3 * CHUNK));
}

#[test]
fn a_failed_entry_leaves_nothing_and_the_rest_goes_on() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 3 * CHUNK));
    bed.file("b", &noise(2, CHUNK));
    let catalog = bed.catalog();
    let mut destination = bed.open();
    plan_all(&catalog, &mut destination);
    destination.write(1, 0, &noise(1, CHUNK), false).unwrap();
    destination.flush().unwrap();
    destination.write(1, 1, &noise(1, CHUNK), false).unwrap();
    destination.fail(1, Code::SourceChanged).unwrap();
    destination.write(2, 0, &noise(2, CHUNK), true).unwrap();
    let summary = destination.finish(false).unwrap();
    assert_eq!(outcome(&summary.reports, "share/a")["code"], "source_changed");
    assert_eq!((summary.failed, summary.durable.entries), (1, 1));
    assert!(!bed.partial("share/a").exists());
    let plan = plan_all(&catalog, &mut bed.open());
    assert_eq!(plan.wants.len(), 1);
    assert_eq!(plan.wants[0].ranges.as_slice(), std::slice::from_ref(&(0..3)));
}

#[test]
fn a_new_session_may_number_the_entries_anew() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 3 * CHUNK));
    bed.file("b", &noise(2, CHUNK));
    let mut destination = bed.open();
    plan_all(&bed.catalog(), &mut destination);
    destination.write(1, 1, &noise(1, 3 * CHUNK)[CHUNK..2 * CHUNK], false).unwrap();
    destination.write(2, 0, &noise(2, CHUNK), true).unwrap();
    destination.restart().unwrap();
    bed.file("0", b"before the others now");
    let catalog = bed.catalog();
    let plan = plan_all(&catalog, &mut destination);
    assert_eq!(plan.have_bytes, 2 * CHUNK as u64);
    let mut source = Source::new(catalog);
    for item in chunks(&plan.wants) {
        fetch(&mut source, &mut destination, &item);
    }
    destination.finish(true).unwrap();
    assert_eq!(fs::read(bed.arrived("a")).unwrap(), noise(1, 3 * CHUNK));
}

#[test]
fn a_journal_of_another_sender_is_set_aside() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 3 * CHUNK));
    let mut destination = bed.open();
    plan_all(&bed.catalog(), &mut destination);
    destination.write(1, 0, &noise(1, CHUNK), false).unwrap();
    destination.finish(false).unwrap();
    let mut other = Destination::open(&bed.out(), SHARE, [1; 16], Options::default()).unwrap();
    let aside = other.resumed().set_aside.unwrap();
    assert!(bed.out().join(&aside).exists());
    assert_eq!(plan_all(&bed.catalog(), &mut other).have_bytes, 0);
}

#[test]
fn the_durable_count_is_seen_from_another_thread() {
    let bed = Bed::new();
    bed.file("a", &noise(1, 4 * CHUNK));
    let catalog = bed.catalog();
    let mut destination = bed.open();
    let plan = plan_all(&catalog, &mut destination);
    let mut watch = destination.watch();
    let seen = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            watch.wait_for(|durable| durable.entries == 1).await.map(|durable| *durable).unwrap()
        })
    });
    let mut source = Source::new(catalog);
    for item in chunks(&plan.wants) {
        fetch(&mut source, &mut destination, &item);
    }
    destination.flush().unwrap();
    assert_eq!(seen.join().unwrap().bytes, 4 * CHUNK as u64);
}
