//! Files that change at the source while they are shared fail alone, and by name.

use crate::lab::{Lab, PLAIN};
use crate::tree;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

const MB: u64 = 1_000_000;

#[test]
fn a_file_that_changes_while_it_is_sent_fails_alone() {
    let lab = Lab::new();
    let folder = lab.dir("source/data");
    let files = ["1 whole", "2 shrinks", "3 grows", "4 rewritten", "5 replaced", "6 gone", "7 whole"];
    for (seed, (name, size)) in files.into_iter().zip([4, 24, 4, 4, 4, 4, 4]).enumerate() {
        tree::write_file(&folder.join(name), seed as u64, size * MB);
    }
    let (mut sender, link) = lab.send_alone(&folder, &["--limit", "6MB"]);
    sender.wait_for("the end of the walk", |event| event.value["complete"] == true);
    let replacement = lab.path("as long as the fifth");
    tree::write_file(&replacement, 9, 4 * MB);
    let out = lab.path("out");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    // In the middle of the second; the later ones first, so that it does not get there before this does.
    receiver.progress(9 * MB);
    let open = |name: &str| OpenOptions::new().write(true).open(folder.join(name)).unwrap();
    fs::remove_file(folder.join("6 gone")).unwrap();
    fs::rename(&replacement, folder.join("5 replaced")).unwrap();
    open("4 rewritten").write_all(b"other bytes, as many as before").unwrap();
    let mut grows = open("3 grows");
    grows.seek(SeekFrom::End(0)).unwrap();
    grows.write_all(b"more").unwrap();
    open("2 shrinks").set_len(MB).unwrap();

    let ended = receiver.end().with(8, "source_changed");
    let failed: Vec<_> = ended
        .all("report")
        .filter(|report| report.text("outcome") == "failed")
        .map(|report| (report.text("path"), report.text("code")))
        .collect();
    assert_eq!(
        failed,
        [
            ("data/2 shrinks", "source_changed"),
            ("data/3 grows", "source_changed"),
            ("data/4 rewritten", "source_changed"),
            ("data/5 replaced", "source_changed"),
            ("data/6 gone", "source_unreadable"),
        ]
    );
    assert_eq!(tree::names(&out.join("data")), ["1 whole", "7 whole"]);
    for name in ["1 whole", "7 whole"] {
        assert!(fs::read(folder.join(name)).unwrap() == fs::read(out.join("data").join(name)).unwrap());
    }
    sender.event("receiver_done");
    let told = sender.seen.iter().filter(|event| event.is("entry_failed")).count();
    assert_eq!(told, 5);
}
