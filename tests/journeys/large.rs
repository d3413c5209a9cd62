//! Large things: many small files, and a file of 5 GiB; memory stays small with both.

use crate::lab::{Lab, PLAIN};
use crate::tree;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

const MIB: u64 = 1 << 20;

/// What a sender and a receiver may at most have resident, whatever the size.
const SENDER: u64 = 150 * MIB;
const RECEIVER: u64 = 64 * MIB;

#[test]
fn ten_thousand_small_files_arrive() {
    let lab = Lab::in_memory();
    let folder = lab.dir("source/photos");
    for number in 0..10_000 {
        let place = folder.join(format!("{:02}", number / 200));
        fs::create_dir_all(&place).unwrap();
        tree::write_file(&place.join(format!("{number}")), number, 1024 + number % 7);
    }
    let (sender, link) = lab.send_alone(&folder, &PLAIN);
    let out = lab.path("out");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    let mut most = 0;
    while !receiver.wait_for("the end", |event| event.is("progress") || event.is("done")).is("done") {
        // A process that is already gone has said `done` by now, or will.
        most = most.max(receiver.peak_memory());
    }
    let ended = receiver.end().well();
    assert_eq!(ended.last("done").unwrap().value["durable"]["entries"], 10_000);
    tree::arrived(&folder, &out);
    assert!(sender.peak_memory() < SENDER, "the sender had {} bytes", sender.peak_memory());
    assert!(most > 0 && most < RECEIVER, "the receiver had {most} bytes");
}

#[test]
fn a_file_of_five_gibibytes_takes_no_more_memory_and_resumes() {
    let lab = Lab::new();
    let file = lab.dir("source").join("disk.img");
    let image = File::create(&file).unwrap();
    image.set_len(5 << 30).unwrap();
    let (sender, link) = lab.send_alone(&file, &PLAIN);
    let out = lab.path("out");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.progress(96 * MIB);
    let memory = receiver.peak_memory();
    let killed = receiver.kill();
    let durable = killed.last("progress").unwrap().number("durable_bytes");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    let resumed = receiver.event("resumed").number("bytes");
    assert!(resumed >= durable && durable > 64 * MIB, "{durable} bytes were durable, {resumed} were found");
    let going = receiver.progress(resumed + 32 * MIB);
    assert_eq!(going.number("total_bytes"), 5 << 30);
    let memory = memory.max(receiver.peak_memory());
    receiver.interrupt();
    receiver.end().with(130, "interrupted");
    let partial = tree::names(&out).into_iter().find(|name| name.ends_with(".part")).unwrap();
    // Not more of the disk is taken than has come.
    let blocks = out.join(partial).metadata().unwrap().blocks() * 512;
    assert!(blocks < 5 << 30, "{blocks} bytes are taken");
    assert!(sender.peak_memory() < SENDER, "the sender had {} bytes", sender.peak_memory());
    assert!(memory < RECEIVER, "the receiver had {memory} bytes");
}
