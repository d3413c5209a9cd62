//! What the system says of this process, on Linux; elsewhere nothing is told.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::fs;

const OPEN_FILES: &str = "process_open_fds";
const MAX_FILES: &str = "process_max_fds";
const MEMORY: &str = "process_resident_memory_bytes";

#[derive(Debug)]
struct Process;

/// Adds what is told.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            (OPEN_FILES, "Open file descriptors", open_files()),
            (MAX_FILES, "The most file descriptors that may be open", max_files()),
            (MEMORY, "Resident memory", resident_memory()),
        ] {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

fn open_files() -> Option<i64> {
    // One of them is the folder that is being read.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    i64::try_from(open).ok()
}

fn max_files() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn resident_memory() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn linux_tells_all_of_it() {
        assert!(open_files().unwrap() >= 3);
        assert!(max_files().unwrap() > open_files().unwrap());
        assert!(resident_memory().unwrap() > 1024 * 1024);
    }
}
