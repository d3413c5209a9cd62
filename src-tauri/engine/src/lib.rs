//! The engine: everything a file sharer does behind its surface, without any surface.

pub mod disk;
pub mod rtc;
