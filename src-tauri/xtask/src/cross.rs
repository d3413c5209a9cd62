//! `cargo xtask cross`: what can be built, run and checked of the other two systems on a Debian.

mod wine;

use std::path::PathBuf;

use crate::error::Error;
use crate::process::{Program, root, target};
use crate::setup::{self, Needs};
use crate::steps::Steps;

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";

/// The Python package that has a C compiler for macOS.
const ZIG: &str = "ziglang==0.17.1";

/// Builds for Windows, or checks for macOS, with `--quick` without the desktop app.
pub fn cross(arguments: &[String]) -> Result<(), Error> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|name| *name != "--quick").collect();
    match named[..] {
        ["windows"] => windows(quick),
        ["macos"] => macos(quick),
        _ => Err(Error::Usage("which of the two, windows or macos?".into())),
    }
}

/// Builds `sluice.exe` and the app, makes the installer, and lives with both under wine.
fn windows(quick: bool) -> Result<(), Error> {
    let mut steps = Steps::start();
    steps.step("setup", || {
        let compiler = &["build-essential", "gcc-mingw-w64-x86-64-posix", "nsis", "wine", "wine64"];
        setup::install(&Needs { apt: compiler, npm: !quick, targets: &[WINDOWS], ..Needs::NOTHING })
    })?;
    steps.step("sluice.exe", || {
        let patched = wine::patch()?;
        build("sluice-cli").args(["--config", &patched]).run()?;
        // What it meets there.
        Program::cargo().args(["build", "--package", "sluice-cli"]).run()
    })?;
    steps.step("journey", || wine::journey(&built("sluice.exe")))?;
    if quick {
        println!("cross windows --quick: {}", steps.summary());
        return Ok(());
    }
    steps.step("sluice-desktop.exe", || {
        Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
        build("sluice-desktop").run()
    })?;
    steps.step("installer", || wine::install(&built("")))?;
    println!("cross windows: {}", steps.summary());
    Ok(())
}

/// Checks all Rust for Apple's processors. Nothing is linked: that takes Apple's own.
fn macos(quick: bool) -> Result<(), Error> {
    let mut steps = Steps::start();
    let zig = target().join("tools").join("zig");
    let python = zig.join("bin").join("python");
    steps.step("setup", || {
        let needs = Needs {
            apt: &["build-essential", "python3-venv"],
            npm: !quick,
            targets: &[MACOS],
            ..Needs::NOTHING
        };
        setup::install(&needs)?;
        if Program::new(&python.to_string_lossy()).args(["-m", "ziglang", "version"]).answer().is_some() {
            return Ok(());
        }
        println!("Installing {ZIG}, from PyPI, into target/tools/zig");
        Program::new("python3").args(["-m", "venv", "--clear"]).arg(&zig).run()?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ZIG];
        Program::new(&python.to_string_lossy()).args(pip).run()
    })?;
    let check = |package: &str| {
        Program::cargo()
            .args(["check", "--target", MACOS, "--package", package])
            .env("CC_aarch64_apple_darwin", root().join("tests/packages/cc-macos.sh"))
            .env("CC_MACOS_PYTHON", &python)
            .env("CC_MACOS_EMPTY", target().join("tools").join("empty.c"))
            // No library of Apple's is there to be looked for.
            .env("SDKROOT", "/")
            .run()
    };
    steps.step("command line", || check("sluice-cli"))?;
    if !quick {
        steps.step("desktop app", || {
            Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
            check("sluice-desktop")
        })?;
    }
    println!("cross macos: {}", steps.summary());
    Ok(())
}

fn build(package: &str) -> Program {
    Program::cargo().args(["build", "--target", WINDOWS, "--package", package])
}

/// Where cargo puts what it builds for Windows.
fn built(name: &str) -> PathBuf {
    target().join(WINDOWS).join("debug").join(name)
}
