//! The disk layer over real folders: what is sent arrives, what is killed resumes, what is hostile stays outside.
#![allow(clippy::unwrap_used)]

mod conflict;
mod hostile;
mod resume;
mod source;
mod support;
mod tree;
