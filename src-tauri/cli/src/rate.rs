//! Rates, as people write them: `40MB`, `500KiB`, `1.5MB`.

use std::str::FromStr;

/// Bytes a second; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
            .map(Rate)
            .ok_or_else(|| "a rate is a number of bytes a second, such as 40MB, 1.5MB or 500KiB".to_owned())
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_suffix("/s").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    // Digits and dots only, so neither a sign nor an exponent.
    let number: f64 = number.parse().ok()?;
    let bytes = (number * factor as f64).round();
    // Beyond 2^53 bytes a second nothing is limited any more.
    (1.0..=9_007_199_254_740_992.0).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        for (text, bytes) in [
            ("40MB", 40_000_000),
            ("40mb", 40_000_000),
            ("40 MB/s", 40_000_000),
            ("500KiB", 512_000),
            ("1.5MB", 1_500_000),
            ("1.5GiB", 1_610_612_736),
            ("250k", 250_000),
            ("7", 7),
            ("7B", 7),
            (".5kB", 500),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in
            ["", "MB", "fast", "0", "0.1", "-1MB", "1e9", "1..5MB", "40Mbit", "40 M B", "99999999TB", "."]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
