//! `cargo xtask icons`: draws `icons/icon.svg` and every size of it that the desktop packages need.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::process::{Program, root};
use crate::setup::{self, Needs};

const ACCENT: &str = "#0B7A75";

/// Sizes of the files that Linux packages install, in pixels.
const PNG_SIZES: [u32; 8] = [16, 24, 32, 48, 64, 128, 256, 512];

/// Sizes inside `icon.ico`, in pixels; the largest that the format can name is 256.
const ICO_SIZES: [u32; 5] = [32, 16, 48, 64, 256];

/// The types inside `icon.icns` that hold a PNG, with their sizes in pixels.
const ICNS_TYPES: [(&[u8; 4], u32); 6] =
    [(b"ic11", 32), (b"ic12", 64), (b"ic07", 128), (b"ic08", 256), (b"ic09", 512), (b"ic10", 1024)];

/// Draws the icon and writes all of its files into `icons/`.
pub fn icons(_: &[String]) -> Result<(), Error> {
    setup::install(&Needs { apt: &["librsvg2-bin"], ..Needs::NOTHING })?;
    let folder = root().join("icons");
    let source = folder.join("icon.svg");
    write(&source, drawing().as_bytes())?;

    for size in PNG_SIZES {
        write(&folder.join(format!("{size}x{size}.png")), &png(&source, size)?)?;
    }
    write(&folder.join("128x128@2x.png"), &png(&source, 256)?)?;
    let images = |sizes: &[u32]| -> Result<Vec<Vec<u8>>, Error> {
        sizes.iter().map(|&size| png(&source, size)).collect()
    };
    write(&folder.join("icon.ico"), &ico(&images(&ICO_SIZES)?))?;
    write(&folder.join("icon.icns"), &icns(&images(&ICNS_TYPES.map(|(_, size)| size))?))
}

/// The gate: two rows of ten bars, one of them drawn up, on a grid that is sharp from 32 pixels on.
fn drawing() -> String {
    let mut svg =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\" fill=\"{ACCENT}\">\n");
    for (top, open) in [(2, Some(6)), (17, None)] {
        for column in 0..10 {
            let left = 1 + 3 * column;
            let height = if open == Some(column) { 4 } else { 13 };
            let _ =
                writeln!(svg, "  <rect x=\"{left}\" y=\"{top}\" width=\"2\" height=\"{height}\" rx=\"1\"/>");
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// `source` as a PNG that is `size` pixels square.
fn png(source: &Path, size: u32) -> Result<Vec<u8>, Error> {
    let size = size.to_string();
    Program::new("rsvg-convert").args(["--width", &size, "--height", &size]).arg(source).output()
}

/// A Windows icon: a header, an entry an image, then the images (MS-ICO, with PNG inside).
fn ico(images: &[Vec<u8>]) -> Vec<u8> {
    const HEADER: usize = 6;
    const ENTRY: usize = 16;
    let mut file = Vec::new();
    for field in [0, 1, images.len()] {
        file.extend(little_16(field));
    }
    let mut offset = HEADER + ENTRY * images.len();
    for (image, size) in images.iter().zip(ICO_SIZES) {
        let side = u8::try_from(size).unwrap_or(0); // 0 stands for 256
        file.extend([side, side, 0, 0]);
        file.extend(little_16(1));
        file.extend(little_16(32));
        file.extend(little_32(image.len()));
        file.extend(little_32(offset));
        offset += image.len();
    }
    file.extend(images.concat());
    file
}

/// An Apple icon: a magic word and the length of the whole, then a type, a length and a PNG each.
fn icns(images: &[Vec<u8>]) -> Vec<u8> {
    const HEADER: usize = 8;
    let length = HEADER + images.iter().map(|image| HEADER + image.len()).sum::<usize>();
    let mut file = b"icns".to_vec();
    file.extend(big_32(length));
    for (image, (name, _)) in images.iter().zip(ICNS_TYPES) {
        file.extend(name);
        file.extend(big_32(HEADER + image.len()));
        file.extend(image);
    }
    file
}

fn little_16(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("an icon has few images").to_le_bytes()
}

fn little_32(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("an icon is smaller than 4 GiB").to_le_bytes()
}

fn big_32(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("an icon is smaller than 4 GiB").to_be_bytes()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::File { path: path.into(), source })?;
    println!("wrote {}", path.display());
    Ok(())
}
