//! The link as a QR code for a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Draws `link` two rows a line, with its quiet zone; nothing if it doesn't fit into `columns`.
pub fn draw(link: &str, columns: usize) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().quiet_zone(true).build();
    let lines: Vec<String> = drawn.lines().map(str::to_owned).collect();
    let width = lines.iter().map(|line| line.chars().count()).max()?;
    (width <= columns).then_some(lines)
}

/// A drawn line in black on white, whatever the terminal's colours are, so that phones can read it.
pub fn coloured(line: &str) -> String {
    format!("\u{1b}[30;107m{line}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn link(server: &str) -> String {
        format!("{server}/s/{}#{}", "s".repeat(22), "f".repeat(51))
    }

    #[test]
    fn a_link_fits_into_80_columns() {
        for server in ["http://192.168.100.100:7575", "https://sluice.example.org"] {
            let lines = draw(&link(server), 80).unwrap();
            assert!(lines.len() < 32, "{} lines", lines.len());
            let width = lines[0].chars().count();
            assert!(width <= 60 && lines.iter().all(|line| line.chars().count() == width), "{width} columns");
        }
        let long = format!("https://{}.example", ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join("."));
        assert!(draw(&link(&long), 80).is_some());
    }

    #[test]
    fn a_quiet_zone_is_around_it() {
        let lines = draw(&link("http://10.0.0.1:7575"), 80).unwrap();
        // Four modules, which are four columns and two lines.
        for line in &lines {
            assert!(line.starts_with("    ") && line.ends_with("    "));
        }
        for line in [&lines[0], &lines[1]] {
            assert!(line.chars().all(|c| c == ' '));
        }
        assert!(lines[2].contains('█'));
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert_eq!(draw(&link("http://10.0.0.1:7575"), 40), None);
        assert_eq!(draw(&"x".repeat(4000), 1000), None);
    }
}
