//! A Debian 12 of its own below `target/`, with nothing in it but what every Debian has.

use std::fs;
use std::path::PathBuf;

use super::{contents, write};
use crate::error::Error;
use crate::process::Program;

const SUITE: &str = "bookworm";

/// What is run in a root: all that it sees of this computer is the kernel, its devices and its network.
const ENTER: &str = r#"
mount --bind /dev "$0/dev"
mount -t tmpfs shm "$0/dev/shm"
mount -t proc proc "$0/proc"
mount -t sysfs -o ro sys "$0/sys"
# Packages that are downloaded anew each time tell nothing.
mount --bind "$0.debs" "$0/var/cache/apt/archives"
cp /etc/resolv.conf /etc/hosts "$0/etc/"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$0" "$@"
"#;

/// An installed Debian.
pub struct Root {
    folder: PathBuf,
}

impl Root {
    /// A fresh one. What it is made of is kept, so that only the first takes a minute.
    pub fn fresh() -> Result<Self, Error> {
        let folder = contents::made().join("debian");
        let kept = folder.with_extension("tar");
        let debs = folder.with_extension("debs");
        let renew = "rm -rf --one-file-system \"$0\" && mkdir -p \"$0\" \"$0.debs/partial\"";
        administrator(&["sh", "-c", renew])?.arg(&folder).run()?;
        let root = Root { folder };
        if kept.exists() {
            administrator(&["tar", "--extract", "--numeric-owner", "--directory"])?
                .arg(&root.folder)
                .arg("--file")
                .arg(&kept)
                .run()?;
            return Ok(root);
        }
        let sources = sources()?;
        let mirror = mirror(&sources)?;
        administrator(&["debootstrap", "--variant=minbase", "--cache-dir"])?
            .arg(fs::canonicalize(&debs).map_err(|source| Error::File { path: debs, source })?)
            .arg(SUITE)
            .arg(&root.folder)
            .arg(&mirror)
            .run()?;
        let list = contents::made().join("sources.list");
        write(&list, sources.as_bytes())?;
        administrator(&["cp"])?.arg(&list).arg(root.folder.join("etc/apt/sources.list")).run()?;
        // Written to a part of its name first: what is there is whole.
        let part = kept.with_extension("part");
        administrator(&["tar", "--create", "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb"])?
            .arg("--file")
            .arg(&part)
            .arg("--directory")
            .arg(&root.folder)
            .arg(".")
            .run()?;
        administrator(&["mv"])?.arg(&part).arg(&kept).run()?;
        Ok(root)
    }

    /// Copies `files` into the root's folder `folder`, which is made.
    pub fn give(&self, folder: &str, files: &[PathBuf]) -> Result<(), Error> {
        let into = self.folder.join(folder.trim_start_matches('/'));
        administrator(&["mkdir", "-p"])?.arg(&into).run()?;
        administrator(&["cp"])?.args(files).arg(&into).run()
    }

    /// Runs `words` in the root as its administrator. Whatever they have started ends with them.
    pub fn run(&self, words: &[&str]) -> Result<(), Error> {
        let apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-eu", "-c", ENTER];
        administrator(&apart)?.arg(&self.folder).args(words).run()
    }
}

fn administrator(words: &[&str]) -> Result<Program, Error> {
    Program::administrator(words)
}

/// Where this computer has its Debian from, a line a suite, as `sources.list` wants them.
fn sources() -> Result<String, Error> {
    let format = "deb $(REPO_URI) $(RELEASE) $(COMPONENT) # $(ORIGIN) $(CODENAME)";
    let listed = Program::new("apt-get")
        .args(["indextargets", "--format", format, "Created-By: Packages"])
        .output()?;
    let ours = format!(" # Debian {SUITE}");
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let lines: Vec<&str> = listed.lines().filter(|line| line.contains(&ours)).collect();
    if lines.is_empty() {
        return Err(Error::Missing {
            program: format!("a source of Debian's {SUITE}"),
            advice: "this runs on Debian 12, and installs from where that is installed from".into(),
        });
    }
    Ok(lines.join("\n") + "\n")
}

/// The address of the suite itself, without its updates.
fn mirror(sources: &str) -> Result<String, Error> {
    let found = sources
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find_map(|words| (words.get(2) == Some(&SUITE)).then(|| words[1].to_owned()));
    found.ok_or_else(|| Error::Missing {
        program: format!("a mirror of Debian's {SUITE}"),
        advice: "apt's sources have none".into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::mirror;

    #[test]
    fn the_mirror_is_that_of_the_suite_and_not_of_its_updates() {
        let sources = "deb http://a/x/ bookworm-security main # Debian bookworm-security\n\
                       deb http://b/y/ bookworm main # Debian bookworm\n";
        assert_eq!(mirror(sources).unwrap(), "http://b/y/");
        assert!(mirror("deb http://a/ trixie main # Debian trixie\n").is_err());
    }
}
