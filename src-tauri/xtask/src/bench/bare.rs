//! The yardstick: the same bytes over bare data channels, from memory to memory.

use std::process::Command;

use serde_json::Value;

use super::watched::Watched;
use super::work::Work;
use super::{Build, Sample, Usage};
use crate::error::Error;

/// Moves as many bytes as `work` has to as many receivers.
pub fn run(work: &Work, build: Build) -> Result<Sample, Error> {
    let mut command = Command::new(build.program("examples/bare_channel"));
    command.args(["--bytes", &work.bytes_each().to_string(), "--peers", &work.receivers.to_string()]);
    let mut bare = Watched::start(command, &std::env::temp_dir())?;
    let started = bare.started;
    let (_, report) = bare.find(|line| serde_json::from_str::<Value>(line).ok())?;
    let (ended, _) = bare.end()?;
    let whole = (ended - started).as_secs_f64();
    sample(&report, whole)
        .ok_or_else(|| Error::Measure(format!("the bare channel's report can't be read: {report}")))
}

fn sample(report: &Value, whole: f64) -> Option<Sample> {
    let figure = |name: &str| report[name].as_f64();
    Some(Sample {
        whole,
        moving: figure("seconds")?,
        sender: Usage {
            cpu_seconds: figure("cpu_seconds_sender")?,
            peak_mib: figure("peak_rss_kib_sender")? / 1024.0,
        },
        receivers: Usage {
            cpu_seconds: figure("cpu_seconds_receivers")?,
            peak_mib: figure("peak_rss_kib_receiver_max")? / 1024.0,
        },
        fairness: 1.0 / figure("slowest_over_fastest")?,
    })
}
