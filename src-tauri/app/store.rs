//! Small files of our own: replaced as a whole, versioned, and set aside when they can't be understood.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The version of the files that this code writes and reads.
const VERSION: u32 = 1;
/// Bytes of the longest file that is looked at.
const MAX_LEN: u64 = 64 << 20;
/// How many broken files are kept before the last is replaced.
const MAX_ASIDE: u32 = 100;

/// One file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    // One that could be neither read nor set aside is never written over.
    frozen: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The file, to be written from now on.
    pub store: Store,
    /// What it held; the default where there was none.
    pub content: T,
    /// What was wrong with it, if anything.
    pub trouble: Option<Trouble>,
}

/// What was wrong with a file.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be understood and has this name now.
    SetAside(PathBuf),
    /// It could not be read, and stays as it is.
    Unreadable(io::Error),
}

#[derive(Serialize)]
struct Written<'a, T> {
    version: u32,
    content: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    content: T,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Store {
    /// Reads `path`. Blocks.
    pub fn load<T: DeserializeOwned + Default>(path: PathBuf) -> Loaded<T> {
        let (content, trouble) = match read(&path) {
            Ok(None) => (T::default(), None),
            Ok(Some(bytes)) => match parse(&bytes) {
                Some(content) => (content, None),
                None => (T::default(), Some(set_aside(&path))),
            },
            Err(error) => (T::default(), Some(Trouble::Unreadable(error))),
        };
        let frozen = matches!(trouble, Some(Trouble::Unreadable(_)));
        Loaded { store: Store { path, frozen }, content, trouble }
    }

    /// Replaces the file, for its owner's eyes alone. Blocks.
    ///
    /// # Errors
    /// What the system says; what was there before is still there.
    pub fn save<T: Serialize>(&self, content: &T) -> io::Result<()> {
        if self.frozen {
            return Ok(());
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        // Made with the rights of its owner alone.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer_pretty(&mut file, &Written { version: VERSION, content })?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        sync_dir(dir)
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Nothing that we wrote.
    if length > MAX_LEN { Ok(Some(Vec::new())) } else { fs::read(path).map(Some) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let version: Version = serde_json::from_slice(bytes).ok()?;
    (version.version == VERSION)
        .then(|| serde_json::from_slice::<Read<T>>(bytes).ok())
        .flatten()
        .map(|read| read.content)
}

fn set_aside(path: &Path) -> Trouble {
    let mut aside = path.with_extension("broken");
    for number in 2..=MAX_ASIDE {
        if !aside.exists() {
            break;
        }
        aside = path.with_extension(format!("broken-{number}"));
    }
    match fs::rename(path, &aside) {
        Ok(()) => Trouble::SetAside(aside),
        Err(error) => Trouble::Unreadable(error),
    }
}

// So that the rename itself survives a power cut.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(path: &Path) -> Loaded<Vec<u32>> {
        Store::load(path.to_owned())
    }

    #[test]
    fn what_was_kept_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/numbers.json");
        let Loaded { store, content, trouble } = load(&path);
        assert!(content.is_empty() && trouble.is_none());
        store.save(&vec![1, 2]).unwrap();
        store.save(&vec![3]).unwrap();
        assert_eq!(load(&path).content, [3]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left lying about");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_can_t_be_understood_is_set_aside_and_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.json");
        for (number, broken) in [
            "",
            "{",
            "[1]",
            r#"{"version":1}"#,
            r#"{"version":1,"content":"x"}"#,
            r#"{"version":2,"content":[1]}"#,
        ]
        .into_iter()
        .enumerate()
        {
            fs::write(&path, broken).unwrap();
            let Loaded { store, content, trouble } = load(&path);
            assert!(content.is_empty(), "{broken}");
            let Some(Trouble::SetAside(aside)) = trouble else { panic!("{broken}: {trouble:?}") };
            assert_eq!(fs::read_to_string(&aside).unwrap(), broken);
            let name = if number == 0 {
                "numbers.broken".to_owned()
            } else {
                format!("numbers.broken-{}", number + 1)
            };
            assert_eq!(aside.file_name().unwrap().to_str(), Some(name.as_str()));
            store.save(&vec![4]).unwrap();
        }
    }

    #[test]
    fn what_can_t_be_read_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.json");
        fs::create_dir(&path).unwrap();
        let Loaded { store, trouble, .. } = load(&path);
        assert!(matches!(trouble, Some(Trouble::Unreadable(_))), "{trouble:?}");
        store.save(&vec![1]).unwrap();
        assert!(path.is_dir());
    }
}
