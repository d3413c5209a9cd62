//! Whole journeys: real `sluice` processes, real sockets, real disks, and nothing of the project in between.
//!
//! Each test has its own folders, homes and ports, waits for events and never for a time, and ends what it
//! started. Those that mount a file system or make a network namespace need root, and Linux; those of several
//! instances of a server need Redis.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod attacks;
mod busy;
mod changes;
mod chosen;
mod cut;
mod disk;
mod door;
mod ends;
mod folders;
mod garbage;
mod inside;
mod instances;
mod lab;
mod large;
mod links;
mod many;
mod middle;
#[path = "../../src-tauri/server/tests/server/monitor.rs"]
mod monitor;
mod process;
// The server's own tests use the rest of it.
#[allow(dead_code)]
#[path = "../../src-tauri/server/tests/server/redis.rs"]
mod redis;
mod relay;
mod restart;
mod resume;
mod schema;
mod steered;
mod store;
mod tree;
