//! Whole transfers in one process and in virtual time: both session machines, a network, disks and crashes, no
//! socket and no clock. What happens depends on a seed alone, which every failure prints.

#![allow(clippy::unwrap_used)]

mod attacks;
mod disk;
mod documents;
mod honest;
mod lying_receiver;
mod lying_sender;
mod network;
mod queue;
mod receiver;
mod rng;
mod room;
mod sender;
mod share;
mod signaling;
mod stalls;
mod transcripts;
mod vectors;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `test` with each seed, and names the one with which it fails. `SLUICE_SEED` takes the place of `seeds`: one
/// number, or two as `1000..2000`.
fn each_seed(seeds: Range<u64>, test: impl Fn(u64)) {
    let given = std::env::var("SLUICE_SEED").ok();
    for seed in given.map_or(seeds, |given| parse_seeds(&given)) {
        with_seed(seed, &test);
    }
}

fn parse_seeds(text: &str) -> Range<u64> {
    let (first, end) = text.split_once("..").unwrap_or((text, ""));
    let first = first.parse().expect("SLUICE_SEED is a number, or two as 1000..2000");
    first..end.parse().unwrap_or(first + 1)
}

fn with_seed(seed: u64, test: impl Fn(u64)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
        eprintln!("it fails with seed {seed}: SLUICE_SEED={seed} runs it alone");
        resume_unwind(panic);
    }
}
