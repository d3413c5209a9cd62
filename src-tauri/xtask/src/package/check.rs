//! `cargo xtask package --check`: the life of the .deb on a clean Debian 12, and what the .rpm says of itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::root::Root;
use super::{bundle, contents, release, write};
use crate::error::Error;
use crate::process::{Program, root};
use crate::setup::{self, Needs};
use crate::share::Share;
use crate::steps::Steps;

/// What the packages are looked at with.
const NEEDS: Needs =
    Needs { apt: &["debootstrap", "rpm", "cpio", "appstream", "desktop-file-utils"], ..Needs::NOTHING };

/// A version before every other.
const OLDER: &str = "0.0.1";

/// What is received there, each under a link of its own.
const FILES: [&str; 4] = ["one.bin", "two.bin", "three.bin", "four.bin"];

/// Bytes in each.
const SIZE: usize = 3 << 20;

/// The scripts of the journey.
const SCRIPTS: [&str; 3] = ["journey.sh", "session.sh", "press.py"];

/// Checks the packages `packages`, which are just made.
pub fn check(packages: &[PathBuf]) -> Result<(), Error> {
    let with =
        |ending: &str| packages.iter().find(|path| path.extension().is_some_and(|found| found == ending));
    let mut steps = Steps::start();
    steps.step("setup", || setup::install(&NEEDS))?;
    steps.step("metadata", || {
        let metainfo = root().join("src-tauri/package/linux/app.sluice.desktop.metainfo.xml");
        Program::new("appstreamcli").args(["validate", "--no-net"]).arg(metainfo).run()
    })?;
    if let Some(rpm) = with("rpm") {
        steps.step("rpm", || check_rpm(rpm))?;
    }
    if let Some(deb) = with("deb") {
        let folder = contents::made().join("check");
        steps.step("older package", || prepare(&folder, deb))?;
        let clean = steps.step("clean Debian", Root::fresh)?;
        steps.step("life of the .deb", || live(&clean, &folder))?;
    }
    println!("package --check: {}", steps.summary());
    Ok(())
}

/// Puts into `folder` both packages, the scripts and what is to be received.
fn prepare(folder: &Path, deb: &Path) -> Result<(), Error> {
    contents::renew(folder)?;
    copy(deb, &folder.join("newer.deb"))?;
    write(&folder.join("newer"), &version_of(deb)?)?;
    for older in bundle(&["deb"], Some(OLDER))? {
        copy(&older, &folder.join("older.deb"))?;
        write(&folder.join("older"), &version_of(&older)?)?;
    }
    // The bundler has cleared its folder for the older one.
    copy(&folder.join("newer.deb"), deb)?;
    for name in SCRIPTS {
        copy(&root().join("tests/packages").join(name), &folder.join(name))?;
    }
    for name in FILES {
        // Every file another, and none of them compressible.
        let bytes = Program::new("head").args(["--bytes", &SIZE.to_string(), "/dev/urandom"]).output()?;
        write(&folder.join(name), &bytes)?;
    }
    Ok(())
}

/// Shares the files from here, outside, and lets the journey run inside.
fn live(clean: &Root, folder: &Path) -> Result<(), Error> {
    let share = |name: &&str| {
        let mut sender = Command::new(release("sluice"));
        sender.args(["send", "--json", "--listen", "127.0.0.1:0"]).arg(folder.join(name));
        sender.env("XDG_STATE_HOME", contents::made().join("check.state"));
        Share::start(sender)
    };
    let shares = FILES.iter().map(share).collect::<Result<Vec<_>, _>>()?;
    for (name, share) in FILES.iter().zip(&shares) {
        write(&folder.join(format!("{name}.link")), share.deep_link.as_bytes())?;
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| Error::File { path: folder.into(), source })? {
        files.push(entry.map_err(|source| Error::File { path: folder.into(), source })?.path());
    }
    clean.give("/check", &files)?;
    clean.run(&["sh", "/check/journey.sh"])
}

/// The .rpm is unpacked, and must hold what the .deb holds, run no scripts, and need what the app can't do without.
fn check_rpm(rpm: &Path) -> Result<(), Error> {
    let ask = |what: &[&str]| -> Result<String, Error> {
        let told = Program::new("rpm").args(["--query", "--package"]).args(what).arg(rpm).output()?;
        Ok(String::from_utf8_lossy(&told).into_owned())
    };
    let wrong = |sentence: String| Err(Error::Measure(format!("{}: {sentence}", rpm.display())));
    print!("{}", ask(&["--info"])?);
    let scripts = ask(&["--scripts"])?;
    if !scripts.trim().is_empty() {
        return wrong(format!("it runs scripts:\n{scripts}"));
    }
    let requires = ask(&["--requires"])?;
    for needed in ["libwebkit2gtk-4.1.so.0", "libgtk-3.so.0", "desktop-file-utils"] {
        if !requires.contains(needed) {
            return wrong(format!("it does not require {needed}:\n{requires}"));
        }
    }
    let files = ask(&["--list"])?;
    for wanted in contents::gather("rpm")?.keys().map(String::as_str).chain(["/usr/bin/sluice-desktop"]) {
        if !files.lines().any(|file| file == wanted) {
            return wrong(format!("it does not hold {wanted}:\n{files}"));
        }
    }
    let unpacked = contents::made().join("rpm");
    contents::renew(&unpacked)?;
    let unpack = "rpm2cpio \"$0\" | cpio --extract --make-directories --quiet --directory \"$1\"";
    Program::new("sh").args(["-c", unpack]).arg(rpm).arg(&unpacked).run()?;
    Program::new("desktop-file-validate")
        .arg(unpacked.join("usr/share/applications/Sluice.desktop"))
        .run()?;
    Program::new(&unpacked.join("usr/bin/sluice").to_string_lossy()).arg("--version").run()
}

fn version_of(deb: &Path) -> Result<Vec<u8>, Error> {
    let version = Program::new("dpkg-deb").arg("--field").arg(deb).arg("Version").output()?;
    Ok(version.trim_ascii().to_vec())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(|_| ()).map_err(|source| Error::File { path: from.into(), source })
}
