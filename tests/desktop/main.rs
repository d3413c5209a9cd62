//! The real window: the app's own binary on a display, a session bus and a home of its own, driven through WebDriver as a
//! person would, with the real engine and server behind it.
//!
//! Nothing waits for a time: what is awaited is a change of the page, an event of the desktop or the end of a process, and
//! each has a limit.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod desk;
mod kept;
mod outside;
mod person;
mod preview;
mod process;
mod restart;
mod session;
mod transfer;
#[path = "../journeys/tree.rs"]
mod tree;
mod views;
mod window;
