//! `cargo xtask setup`: what the other commands need on this computer, said first and then installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Error;
use crate::process::{Program, root, target};

/// A program that crates.io has, most of them commands of cargo's.
struct Tool {
    package: &'static str,
    /// The oldest that will do, and the one that is installed where there is none.
    version: (u32, u32, u32),
    /// What to build of it.
    features: &'static [&'static str],
}

const TOOLS: [Tool; 4] = [
    Tool {
        package: "cargo-nextest",
        version: (0, 9, 151),
        features: &["--no-default-features", "--features=default-no-update"],
    },
    Tool { package: "cargo-deny", version: (0, 20, 2), features: &[] },
    Tool { package: "cargo-fuzz", version: (0, 13, 2), features: &[] },
    Tool { package: "tauri-driver", version: (2, 1, 0), features: &[] },
];

/// What a window is drawn with, the icon in the tray included, and what asks the system to open links in it.
const WINDOW: &[&str] = &[
    "build-essential",
    "pkg-config",
    "libwebkit2gtk-4.1-dev",
    "libayatana-appindicator3-1",
    "xdg-utils",
    "desktop-file-utils",
    "libglib2.0-bin",
];

/// The oldest Node that the packages of `ui/` run on.
const NODE: (u32, u32, u32) = (20, 19, 0);

/// What schemathesis is made of, every package in one version.
const SCHEMATHESIS: &str = "tests/schemathesis.txt";

/// What a command needs to be there before it starts.
pub struct Needs {
    /// Debian packages.
    pub apt: &'static [&'static str],
    /// Parts of the Rust toolchain.
    pub components: &'static [&'static str],
    /// Other systems to build for.
    pub targets: &'static [&'static str],
    /// Packages out of [`TOOLS`].
    pub tools: &'static [&'static str],
    /// The packages that `ui/package-lock.json` names.
    pub npm: bool,
    /// schemathesis, in a place of its own below `target/`.
    pub schemathesis: bool,
}

impl Needs {
    /// A start for `..`.
    pub const NOTHING: Self =
        Self { apt: &[], components: &[], targets: &[], tools: &[], npm: false, schemathesis: false };

    /// To build and start `sluice`, with the page for browsers in it.
    pub const TERMINAL: Self = Self { apt: &["build-essential"], npm: true, ..Self::NOTHING };

    /// To build the desktop app and open its window.
    pub const RUN: Self = Self { apt: WINDOW, npm: true, ..Self::NOTHING };

    /// To drive the page in a browser.
    pub const BROWSER: Self =
        Self { apt: &["build-essential", "chromium", "firefox-esr"], npm: true, ..Self::NOTHING };

    /// To build, check and test everything.
    pub const TEST: Self = Self {
        apt: &[
            "build-essential",
            "pkg-config",
            "libwebkit2gtk-4.1-dev",
            "libayatana-appindicator3-1",
            "chromium",
            "firefox-esr",
            // A desktop for each of the windows that the tests open.
            "xvfb",
            "xdotool",
            "openbox",
            "dbus",
            "dunst",
            "libglib2.0-bin",
            "xdg-utils",
            "desktop-file-utils",
            "fonts-dejavu-core",
            // What Debian's own desktop writes with.
            "fonts-cantarell",
            "python3-dbus",
            "python3-gi",
            "gir1.2-gtk-3.0",
            "webkit2gtk-driver",
            "procps",
            "iproute2",
            "coturn",
            "redis-server",
            "python3-venv",
        ],
        components: &["rustfmt", "clippy"],
        targets: &[],
        tools: &["cargo-nextest", "cargo-deny", "cargo-fuzz", "tauri-driver"],
        npm: true,
        // The journeys, which need it, are for Linux alone.
        schemathesis: cfg!(target_os = "linux"),
    };
}

/// Installs what every command needs.
pub fn setup(_: &[String]) -> Result<(), Error> {
    install(&Needs::RUN)?;
    install(&Needs::TEST)
}

/// Says what is missing and installs it; says and does nothing when all is there.
///
/// # Errors
///
/// When an installer fails, or Node is missing or too old.
pub fn install(needs: &Needs) -> Result<(), Error> {
    if needs.npm {
        require_node()?;
    }
    let apt = missing_apt(needs.apt);
    let components = missing_components(needs.components);
    let targets = missing_targets(needs.targets);
    let tools = missing_tools(needs.tools);
    let npm = needs.npm && npm_is_stale();
    let schemathesis = needs.schemathesis && schemathesis_is_stale();

    announce("Debian packages, with apt-get", &apt);
    announce("parts of the Rust toolchain, with rustup", &components);
    announce("Rust's own library for other systems, with rustup", &targets);
    announce(
        "programs of crates.io, with cargo install",
        &tools.iter().map(|tool| tool.package).collect::<Vec<_>>(),
    );
    if npm {
        println!("Installing the npm packages of ui/package-lock.json into ui/node_modules");
    }
    if schemathesis {
        println!("Installing the Python packages of {SCHEMATHESIS} into target/tools/schemathesis");
    }

    install_apt(&apt)?;
    for component in components {
        Program::new("rustup").args(["component", "add", component]).run()?;
    }
    for target in targets {
        Program::new("rustup").args(["target", "add", target]).run()?;
    }
    for tool in tools {
        install_tool(tool)?;
    }
    if npm {
        Program::new("npm").within("ui").args(["ci", "--no-audit", "--no-fund"]).run()?;
    }
    if schemathesis {
        install_schemathesis()?;
    }
    Ok(())
}

fn announce(kind: &str, names: &[&str]) {
    if !names.is_empty() {
        println!("Installing {kind}: {}", names.join(" "));
    }
}

fn missing_apt(packages: &[&'static str]) -> Vec<&'static str> {
    if packages.is_empty() {
        return Vec::new();
    }
    if Program::new("dpkg-query").args(["--version"]).answer().is_none() {
        println!("This system has no apt. Make sure that what these hold is there: {}", packages.join(" "));
        return Vec::new();
    }
    let is_missing = |package: &&str| {
        Program::new("dpkg-query")
            .args(["--show", "--showformat=${db:Status-Status}", package])
            .answer()
            .is_none_or(|status| status != "installed")
    };
    packages.iter().copied().filter(is_missing).collect()
}

fn install_apt(packages: &[&str]) -> Result<(), Error> {
    if packages.is_empty() {
        return Ok(());
    }
    // A computer that has just started may be updating itself: wait for it.
    let apt = |verb| {
        Program::administrator(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .map(|apt| apt.args(["--quiet", "--option=DPkg::Lock::Timeout=300", verb]))
    };
    apt("update")?.run()?;
    apt("install")?.args(["--yes", "--no-install-recommends"]).args(packages).run()
}

fn missing_components(components: &[&'static str]) -> Vec<&'static str> {
    let command = |component: &str| {
        if component == "rustfmt" { "fmt" } else { "clippy" }
    };
    let is_missing =
        |component: &&str| Program::cargo().args([command(component), "--version"]).answer().is_none();
    components.iter().copied().filter(is_missing).collect()
}

fn missing_targets(targets: &[&'static str]) -> Vec<&'static str> {
    let is_missing = |target: &&str| {
        let library = Program::new("rustc").args(["--print", "target-libdir", "--target", target]).answer();
        library.is_none_or(|folder| !Path::new(folder.trim()).is_dir())
    };
    targets.iter().copied().filter(is_missing).collect()
}

fn missing_tools(packages: &[&str]) -> Vec<&'static Tool> {
    let is_missing = |tool: &&Tool| installed(tool.package).is_none_or(|version| version < tool.version);
    TOOLS.iter().filter(|tool| packages.contains(&tool.package)).filter(is_missing).collect()
}

/// The version of a tool that is there.
fn installed(package: &str) -> Option<(u32, u32, u32)> {
    if let Some(subcommand) = package.strip_prefix("cargo-") {
        return version_in(&Program::cargo().args([subcommand, "--version"]).answer()?);
    }
    // Not every program says its version, and cargo knows it: `PACKAGE vVERSION:`.
    let all = Program::cargo().args(["install", "--list"]).answer()?;
    all.lines().find_map(|line| version_in(line.strip_prefix(package)?.strip_suffix(':')?))
}

/// Builds a tool with the optimiser off: these run for seconds and would compile for many minutes.
fn install_tool(tool: &Tool) -> Result<(), Error> {
    let (major, minor, patch) = tool.version;
    Program::cargo()
        .args(["install", "--locked", "--force", "--version"])
        .arg(format!("{major}.{minor}.{patch}"))
        .arg(tool.package)
        .args(tool.features)
        .env("CARGO_TARGET_DIR", target().join("tools"))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .run()
}

fn require_node() -> Result<(), Error> {
    let (major, minor, _) = NODE;
    let missing = |found: String| Error::Missing {
        program: format!("Node {major}.{minor} or newer"),
        advice: format!("{found}; see https://nodejs.org"),
    };
    let answer = Program::new("node").args(["--version"]).answer();
    let answer = answer.ok_or_else(|| missing("`node` was not found".into()))?;
    match version_in(&answer) {
        Some(version) if version >= NODE => Ok(()),
        _ => Err(missing(format!("`node` is {}", answer.trim()))),
    }
}

/// Whether `npm ci` has not run since the lock file last changed.
fn npm_is_stale() -> bool {
    let changed = |path: &str| -> Option<SystemTime> {
        fs::metadata(root().join(path)).and_then(|file| file.modified()).ok()
    };
    match (changed("ui/node_modules/.package-lock.json"), changed("ui/package-lock.json")) {
        (Some(installed), Some(locked)) => installed < locked,
        _ => true,
    }
}

/// Whether what is installed is not what [`SCHEMATHESIS`] says.
fn schemathesis_is_stale() -> bool {
    let installed = fs::read(schemathesis().join("installed.txt"));
    installed.ok() != fs::read(root().join(SCHEMATHESIS)).ok()
}

/// Python of its own, so that nothing of the system's is touched.
fn install_schemathesis() -> Result<(), Error> {
    let (place, wanted) = (schemathesis(), root().join(SCHEMATHESIS));
    Program::new("python3").args(["-m", "venv", "--clear"]).arg(&place).run()?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    Program::new(&place.join("bin/python").to_string_lossy()).args(pip).arg(&wanted).run()?;
    let installed = place.join("installed.txt");
    fs::copy(&wanted, &installed).map_err(|source| Error::File { path: installed, source })?;
    Ok(())
}

fn schemathesis() -> PathBuf {
    target().join("tools").join("schemathesis")
}

/// The first `1.2.3` in what a program says of itself.
fn version_in(answer: &str) -> Option<(u32, u32, u32)> {
    answer.split(|c: char| c.is_whitespace() || c == '-').find_map(|word| {
        let mut numbers = word.trim_start_matches('v').splitn(3, '.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some((major, minor, patch)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn finds_the_version_in_what_programs_say() {
        let cases = [
            ("v20.20.2\n", Some((20, 20, 2))),
            ("cargo-nextest 0.9.151 (abc 2026-10-01)\nrelease: 0.9.151\n", Some((0, 9, 151))),
            ("cargo-deny 0.20.2\n", Some((0, 20, 2))),
            ("tool 1.2.3-beta\n", Some((1, 2, 3))),
            ("no such command\n", None),
        ];
        for (answer, version) in cases {
            assert_eq!(version_in(answer), version, "{answer:?}");
        }
    }
}
