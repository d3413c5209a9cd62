//! A link as a QR code that the window draws.

use crate::api::{Failure, QrCode};
use qrcode::{Color, EcLevel};
use sluice_protocol::error::Code;
use std::fmt::Write as _;

/// Draws `text`, each run of dark squares as one piece of an SVG path.
///
/// # Errors
/// [`Code::LinkInvalid`] for what is too long for any QR code.
pub fn draw(text: &str) -> Result<QrCode, Failure> {
    let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|error| Failure::detailed(Code::LinkInvalid, error))?;
    let size = code.width();
    let squares = code.to_colors();
    let mut path = String::new();
    for (y, row) in squares.chunks(size).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                // Writing into a text can't fail.
                let _ = write!(path, "M{x} {y}h{len}v1h-{len}z", len = run.len());
            }
            x += run.len();
        }
    }
    Ok(QrCode { size: u32::try_from(size).unwrap_or_default(), path })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // The dark squares of a path, as `draw` writes it.
    fn squares(code: &QrCode) -> Vec<(usize, usize)> {
        let pieces = code.path.split('M').skip(1);
        pieces
            .flat_map(|piece| {
                let (place, rest) = piece.split_once('h').unwrap();
                let (x, y) = place.split_once(' ').unwrap();
                let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
                let len: usize = rest.split_once('v').unwrap().0.parse().unwrap();
                (x..x + len).map(move |x| (x, y))
            })
            .collect()
    }

    #[test]
    fn the_code_that_pictures_show_is_that_of_their_link() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/app/fixtures");
        let recorded = std::fs::read_to_string(fixtures.join("sharing.jsonl")).unwrap();
        let mut events =
            recorded.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let link = events.find_map(|event| Some(event["view"]["link"].as_str()?.to_owned())).unwrap();
        let made = serde_json::to_string_pretty(&draw(&link).unwrap()).unwrap() + "\n";
        let path = fixtures.join("qr.json");
        if std::env::var_os("SLUICE_BLESS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), made, "run this test with SLUICE_BLESS=1");
    }

    #[test]
    fn the_path_has_just_the_dark_squares() {
        let text = "https://sluice.example/s/abcdefghijklmnopqrstuv#x";
        let drawn = draw(text).unwrap();
        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let size = code.width();
        assert_eq!(drawn.size as usize, size);
        let dark: Vec<_> = (0..size)
            .flat_map(|y| (0..size).map(move |x| (x, y)))
            .filter(|&(x, y)| code[(x, y)] == Color::Dark)
            .collect();
        assert_eq!(squares(&drawn), dark);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert_eq!(draw(&"x".repeat(4000)).unwrap_err().code, Code::LinkInvalid);
    }
}
