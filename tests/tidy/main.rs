//! The house rules as tests: who may import whom, and what every file and package must have.
//!
//! Each rule is a function from text to complaints, run over the whole tree and over a sample that
//! breaks it, so that a rule that stopped seeing anything fails too.

#![allow(clippy::unwrap_used)]

mod desktop;
mod files;
mod packages;
mod rust;
mod security;
mod ui;

/// Fails with every complaint, so that one run shows all that is to be mended.
#[track_caller]
fn holds(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
