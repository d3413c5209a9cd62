//! All that one Redis is told, by whomever: commands with their arguments, and what scripts do with these.

use crate::redis::Redis;
use std::fs::{self, File};
use std::process::{Child, Command};
use tempfile::TempDir;

const LAST: &str = "all that was before this";

/// Writes it down, until it is dropped.
pub struct Monitor {
    process: Child,
    folder: TempDir,
}

impl Monitor {
    /// From now on, for a Redis that is one node.
    pub fn start(redis: &Redis) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = File::create(folder.path().join("told")).unwrap();
        let process =
            Command::new("redis-cli").args(["-u", &redis.url(), "MONITOR"]).stdout(told).spawn().unwrap();
        let monitor = Monitor { process, folder };
        redis.wait("a monitor", |_| monitor.text().starts_with("OK"));
        monitor
    }

    /// One line for each thing that it was told up to now, without whom by.
    pub fn finish(self, redis: &Redis) -> String {
        redis.ask(0, &["ECHO", LAST]);
        redis.wait("the end", |_| self.text().contains(LAST));
        // A moment, "[", the number of a database, an address, "]", and what was said.
        let told = |line: &str| Some(line.split_once("] ")?.1.to_owned() + "\n");
        self.text().lines().filter_map(told).collect()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("told")).unwrap()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
