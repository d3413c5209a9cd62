//! Whole journeys: real `sluice` processes, real sockets, real disks, and nothing of the project in between.
//!
//! Each test has its own folders, homes and ports, waits for events and never for a time, and ends what it
//! started. Those that mount a file system or make a network namespace need root, and Linux.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod attacks;
mod changes;
mod chosen;
mod cut;
mod disk;
mod ends;
mod folders;
mod garbage;
mod inside;
mod lab;
mod large;
mod links;
mod many;
mod middle;
mod process;
mod relay;
mod restart;
mod resume;
mod schema;
mod steered;
mod tree;
