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
mod receiver;
mod rng;
mod sender;
mod share;
mod stalls;
mod vectors;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `test` with each seed, and names the one with which it fails.
fn each_seed(seeds: Range<u64>, test: impl Fn(u64)) {
    for seed in seeds {
        with_seed(seed, &test);
    }
}

fn with_seed(seed: u64, test: impl Fn(u64)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
        eprintln!("it fails with seed {seed}");
        resume_unwind(panic);
    }
}
