//! What a loader prints: one line of JSON each time.

use serde_json::{Value, json};
use std::time::Duration;

/// All that was to be set up is.
pub fn ready(figures: &Value) {
    println!("{}", json!({ "ready": figures }));
}

/// The measured part is over.
pub fn done(figures: &Value) {
    println!("{}", json!({ "done": figures }));
}

/// Percentiles of times, in milliseconds.
pub fn times(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |part: f64| {
        let place = (times.len() as f64 * part) as usize;
        times.get(place.min(times.len().saturating_sub(1))).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    json!({ "count": times.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
}
