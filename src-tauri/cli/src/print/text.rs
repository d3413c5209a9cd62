//! Numbers, times and other people's names as text for people.

use sluice_engine::rtc::Path;
use std::time::Duration;

/// Bytes in decimal units, such as `38.2 GB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // What would be rounded to 1000 belongs to the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Bytes a second, such as `84.2 MB/s`.
pub fn rate(bytes_a_second: u64) -> String {
    format!("{}/s", bytes(bytes_a_second))
}

/// A count with its thousands apart, such as `1,204`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things, such as `1 entry` or `3 entries`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A time, coarse enough to be read, such as `2 min 10 s`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// A time that is no more than an estimate, such as `about 4 minutes`.
pub fn about(time: Duration) -> String {
    let (minutes, hours) = ((time.as_secs() + 30) / 60, (time.as_secs() + 1800) / 3600);
    match (minutes, hours) {
        (0, _) => "less than a minute".to_owned(),
        (1, _) => "about a minute".to_owned(),
        (2..100, _) => format!("about {minutes} minutes"),
        (_, ..48) => format!("about {hours} hours"),
        _ => "more than two days".to_owned(),
    }
}

/// How long `left` bytes take at this rate; nothing where that would be no more than a guess.
pub fn time_left(left: u64, rate: Option<u64>) -> Option<String> {
    let rate = rate.filter(|&rate| rate > 0)?;
    let seconds = left.div_ceil(rate);
    (left > 0 && seconds < 100 * 86400).then(|| format!("{} left", time(Duration::from_secs(seconds))))
}

/// The way to the other side, in a word.
pub fn path(path: Option<Path>) -> &'static str {
    match path {
        Some(Path::Local) => "local",
        Some(Path::Direct) => "direct",
        Some(Path::Relayed) => "relayed",
        None => "connected",
    }
}

/// Text that came from elsewhere, without anything that a terminal would obey or that would turn the line around.
pub fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (38_240_000_000, "38.2 GB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(rate(84_200_000), "84.2 MB/s");
    }

    #[test]
    fn counts_are_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1204, "1,204"), (1_000_000, "1,000,000")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(0, "entry", "entries"), "0 entries");
    }

    #[test]
    fn times_are_coarse() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (130, "2 min 10 s"), (7260, "2 h 1 min"), (90000, "1 d 1 h")]
        {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
        for (seconds, text) in [
            (0, "less than a minute"),
            (30, "about a minute"),
            (240, "about 4 minutes"),
            (5399, "about 90 minutes"),
            (6000, "about 2 hours"),
            (86_400, "about 24 hours"),
            (u64::MAX / 2, "more than two days"),
        ] {
            assert_eq!(about(Duration::from_secs(seconds)), text);
        }
        assert_eq!(time_left(100, Some(10)).as_deref(), Some("10 s left"));
        for (left, rate) in [(100, None), (100, Some(0)), (0, Some(10)), (u64::MAX, Some(1))] {
            assert_eq!(time_left(left, rate), None);
        }
    }

    #[test]
    fn names_can_not_draw() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}gpj"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}gpj");
        assert_eq!(clean("Ana’s ноутбук 写真"), "Ana’s ноутбук 写真");
    }
}
