//! `cargo xtask package`: what a person installs on Linux, as `docs/packaging.md` describes it.

mod check;
mod contents;
mod root;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::Error;
use crate::process::{Program, root, target};
use crate::setup::{self, Needs};

/// Bytes that a .deb may have; it is some 13 MB.
const LARGEST_DEB: u64 = 15_000_000;

/// The folder that the bundler leaves its work in, below cargo's own, and how that work's name ends.
const FORMATS: [(&str, &str); 3] = [("deb", ".deb"), ("rpm", ".rpm"), ("appimage", ".AppImage")];

/// Those that need nothing from the network.
const USUAL: [&str; 2] = ["deb", "rpm"];

/// Builds the packages that `arguments` name, by default those that need nothing from the network.
///
/// With `--check` it checks them then; with `--built` it takes the programs that are built already.
pub fn package(arguments: &[String]) -> Result<(), Error> {
    let (options, named): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = named.iter().find(|name| FORMATS.iter().all(|(format, _)| format != *name)) {
        return Err(Error::Usage(format!("{unknown} is no kind of package: deb, rpm, appimage")));
    }
    if let Some(unknown) = options.iter().find(|option| !["--check", "--built"].contains(option)) {
        return Err(Error::Usage(format!("{unknown} is no option: --check, --built")));
    }
    setup::install(&Needs::RUN)?;
    if !options.contains(&"--built") {
        build()?;
    }
    let formats = if named.is_empty() { &USUAL[..] } else { &named[..] };
    let packages = bundle(formats, None)?;
    for package in &packages {
        let is_deb = package.extension().is_some_and(|ending| ending == "deb");
        if is_deb {
            compress(package)?;
        }
        let size = size_of(package)?;
        println!("{:>6.2} MB  {}", megabytes(size), package.display());
        if is_deb && size > LARGEST_DEB {
            let most = megabytes(LARGEST_DEB);
            return Err(Error::Measure(format!("{} is larger than {most} MB", package.display())));
        }
    }
    if !formats.contains(&"appimage") {
        println!(
            "No AppImage: its tools are downloaded, so it is made where it is asked for, with `appimage`."
        );
    }
    if options.contains(&"--check") { check::check(&packages) } else { Ok(()) }
}

/// Packs a .deb anew with xz, which the bundler can't: a third smaller.
fn compress(deb: &Path) -> Result<(), Error> {
    let unpacked = contents::made().join("deb");
    contents::renew(&unpacked)?;
    Program::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(&unpacked).output()?;
    let build = ["--root-owner-group", "-Zxz", "--build"];
    Program::new("dpkg-deb").args(build).arg(&unpacked).arg(deb).output()?;
    Ok(())
}

/// Builds both programs as they are released, and prints how large they are.
pub fn build() -> Result<(), Error> {
    // The app holds the built page.
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    let packages = ["--package", "sluice-desktop", "--package", "sluice-cli"];
    Program::cargo().args(["build", "--release"]).args(packages).run()?;
    for name in ["sluice-desktop", "sluice"] {
        println!("{:>6.2} MB  {name}", megabytes(size_of(&release(name))?));
    }
    Ok(())
}

/// Makes packages of what is built, each format's into its own folder, and returns where they are.
///
/// `version` is another than the project's own, for tests of upgrades.
pub fn bundle(formats: &[&str], version: Option<&str>) -> Result<Vec<PathBuf>, Error> {
    let mut config = json!({});
    for format in formats {
        config["bundle"]["linux"][format]["files"] = json!(contents::gather(format)?);
    }
    if let Some(version) = version {
        config["version"] = version.into();
    }
    let path = contents::made().join("tauri.json");
    write(&path, config.to_string().as_bytes())?;
    let bundles = target().join("release").join("bundle");
    for (format, ending) in FORMATS.iter().filter(|(format, _)| formats.contains(format)) {
        for old in found(&bundles.join(format), ending)? {
            fs::remove_file(&old).map_err(|source| Error::File { path: old, source })?;
        }
    }
    let tauri = root().join("ui/node_modules/.bin/tauri");
    Program::new(&tauri.to_string_lossy())
        .args(["bundle", "--ci", "--config"])
        .arg(&path)
        .arg("--bundles")
        .args(formats)
        .run()?;
    let mut packages = Vec::new();
    for (format, ending) in FORMATS.iter().filter(|(format, _)| formats.contains(format)) {
        packages.extend(found(&bundles.join(format), ending)?);
    }
    Ok(packages)
}

/// A program as it is released.
fn release(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// The files in `folder` whose names end so; none where there is no such folder.
fn found(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { path: folder.into(), source };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && path.to_string_lossy().ends_with(ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn size_of(path: &Path) -> Result<u64, Error> {
    fs::metadata(path).map(|file| file.len()).map_err(|source| Error::File { path: path.into(), source })
}

#[expect(clippy::cast_precision_loss, reason = "sizes are printed with two digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::File { path: path.into(), source })
}
