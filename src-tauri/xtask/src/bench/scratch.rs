//! The folder that a measurement lives in: what is sent, what arrives, and whether it is the same.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::work::Work;
use crate::error::Error;

/// Free memory that is left to the rest of the machine, in bytes.
const SPARE: u64 = 2 << 30;

/// The memory file system of Linux.
const SHARED_MEMORY: &str = "/dev/shm";

/// A folder of our own that goes when this is dropped.
pub struct Scratch {
    top: PathBuf,
    /// Whether it lies in memory.
    pub in_memory: bool,
}

impl Scratch {
    /// A folder in memory if all of `works` fit there, else where the system keeps what is temporary.
    pub fn new(works: &[Work]) -> Result<Self, Error> {
        let needed = works.iter().map(|work| work.bytes() + work.bytes_each()).max().unwrap_or(0) + SPARE;
        let in_memory = Path::new(SHARED_MEMORY).is_dir() && needed <= available();
        let parent = if in_memory { PathBuf::from(SHARED_MEMORY) } else { std::env::temp_dir() };
        let top = parent.join(format!("sluice-bench-{}", std::process::id()));
        fs::create_dir(&top).map_err(|source| Error::File { path: top.clone(), source })?;
        Ok(Self { top, in_memory })
    }

    /// What is sent: a folder, which holds one file or many.
    pub fn source(&self) -> PathBuf {
        self.top.join("source")
    }

    /// A fresh folder named `name`.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.top.join(name);
        fs::create_dir_all(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// Writes what `work` sends. Every byte is as good as random, and thus in no way compressible.
    pub fn fill(&self, work: &Work) -> Result<(), Error> {
        let top = self.folder("source")?;
        let mut state = 0x5EED;
        for number in 0..work.files {
            let path = top.join(format!("{number:05}.bin"));
            write(&path, work.size, &mut state).map_err(|source| Error::File { path, source })?;
        }
        Ok(())
    }

    /// Removes what was sent.
    pub fn empty(&self) -> Result<(), Error> {
        self.remove(&self.source())
    }

    /// Compares what arrived in `folder` with what was sent, byte for byte, and removes it.
    pub fn check(&self, folder: &Path, work: &Work) -> Result<(), Error> {
        let source = self.source();
        let arrived = names(folder)?;
        if arrived.len() != work.files || arrived != names(&source)? {
            let count = arrived.len();
            return Err(Error::Measure(format!("{count} entries arrived in place of {}", work.files)));
        }
        for name in arrived {
            let path = folder.join(&name);
            let same = same(&source.join(&name), &path);
            if !same.map_err(|source| Error::File { path: path.clone(), source })? {
                return Err(Error::Measure(format!("{} is not what was sent", path.display())));
            }
        }
        self.remove(folder)
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        fs::remove_dir_all(path).map_err(|source| Error::File { path: path.into(), source })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

/// Bytes of memory that can still be had; none where the system doesn't say.
fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let read = || -> std::io::Result<Vec<_>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    };
    let mut names = read().map_err(|source| Error::File { path: folder.into(), source })?;
    names.sort();
    Ok(names)
}

/// Writes `size` bytes of splitmix64 to a new file.
fn write(path: &Path, size: u64, state: &mut u64) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    let mut block = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        for word in block[..length].chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..word.len()]);
        }
        file.write_all(&block[..length])?;
        left -= length as u64;
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let length = one.read(&mut ours)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut theirs[..length])?;
        if ours[..length] != theirs[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_arrived_counts_only_if_it_is_what_was_sent() {
        let work = Work { files: 3, size: 300_001, ..super::super::work::ALL[0] };
        let scratch = Scratch::new(&[work]).unwrap();
        scratch.fill(&work).unwrap();
        let copy = |name: &str| {
            let out = scratch.folder(name).unwrap();
            for name in names(&scratch.source()).unwrap() {
                fs::copy(scratch.source().join(&name), out.join(&name)).unwrap();
            }
            out
        };
        scratch.check(&copy("good"), &work).unwrap();

        let few = copy("few");
        fs::remove_file(few.join("00001.bin")).unwrap();
        assert!(scratch.check(&few, &work).is_err());

        let short = copy("short");
        File::options().write(true).open(short.join("00002.bin")).unwrap().set_len(300_000).unwrap();
        assert!(scratch.check(&short, &work).is_err());

        let flipped = copy("flipped");
        let mut bytes = fs::read(flipped.join("00000.bin")).unwrap();
        bytes[299_999] ^= 1;
        fs::write(flipped.join("00000.bin"), bytes).unwrap();
        assert!(scratch.check(&flipped, &work).is_err());
    }
}
