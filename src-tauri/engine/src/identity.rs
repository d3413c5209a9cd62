//! What makes a share the same share, under the same link, after a restart of the program or the computer.
//!
//! Each is a small JSON file, readable by its owner alone and replaced as a whole. A lock beside it keeps two
//! processes from being the same share at the same time.

use crate::error::EngineError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sluice_protocol::error::Code;
use sluice_protocol::id::{LinkSecret, OwnerKey};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// The version of the files that this code writes and reads.
const VERSION: u32 = 1;
/// Bytes of the longest file that is looked at; ours have about 200.
const MAX_LEN: u64 = 4096;
/// How many broken files of one share are kept before the last is replaced.
const MAX_ASIDE: u32 = 100;
/// Held for a moment while files are made, found or removed, so that nobody locks a file that was just removed.
const GATE: &str = "gate.lock";

/// The keys behind one link. Wiped when it is dropped.
#[derive(Clone)]
pub struct Identity {
    /// Owns the share at its server; its hash is the share's id.
    pub owner_key: OwnerKey,
    /// Stands in the link.
    pub secret: LinkSecret,
    /// The private half of the sender's key pair (X25519, RFC 7748).
    pub keys_private: [u8; 32],
    /// Where the embedded server listened the last time, which is part of the link.
    pub port: Option<u16>,
}

impl Identity {
    /// A new one, from the system's random bytes.
    ///
    /// # Errors
    /// [`IdentityError::Random`] if the system has none.
    pub fn random() -> Result<Self, IdentityError> {
        let mut identity = Identity {
            owner_key: OwnerKey([0; 32]),
            secret: LinkSecret([0; 16]),
            keys_private: [0; 32],
            port: None,
        };
        getrandom::fill(&mut identity.owner_key.0)?;
        getrandom::fill(&mut identity.secret.0)?;
        getrandom::fill(&mut identity.keys_private)?;
        Ok(identity)
    }

    /// Finds the identity of these paths at this server in the folder `dir`, or makes and stores a new one.
    ///
    /// `server` is `embedded` or the server's address. The order of the paths does not matter. While another
    /// process has the same identity open, this one is new and not stored. Blocks.
    ///
    /// # Errors
    /// The folder or file can't be read, written or locked. A file that can be read but not understood is no
    /// error: it is kept under another name, see [`OpenIdentity::set_aside`].
    pub fn open(dir: &Path, paths: &[PathBuf], server: &str) -> Result<OpenIdentity, IdentityError> {
        create_private_dir(dir).map_err(failed(dir))?;
        let key = file_key(paths, server);
        let place = Place { dir: dir.to_owned(), file: dir.join(format!("{key}.json")) };
        let gate = place.close_gate()?;
        let lock_path = place.lock_path();
        let lock = open_lock(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Identity::random().map(OpenIdentity::unstored);
            }
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path)(error)),
        }
        drop(gate);
        let (identity, is_new, set_aside) = match place.load()? {
            Loaded::Whole(identity) => (*identity, false, None),
            Loaded::Missing => (place.create()?, true, None),
            Loaded::Broken => {
                let aside = place.set_aside()?;
                (place.create()?, true, Some(aside))
            }
        };
        Ok(OpenIdentity { identity, store: Some(Store { place, lock }), is_new, set_aside })
    }

    /// Where identities are kept on this computer, if the system has a place for such things.
    pub fn default_dir() -> Option<PathBuf> {
        let dirs = directories::ProjectDirs::from("", "", "sluice")?;
        Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("shares"))
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.keys_private.zeroize();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("share", &self.owner_key.share_id()).finish_non_exhaustive()
    }
}

/// An identity in use. Dropping it lets others use it.
#[derive(Debug)]
pub struct OpenIdentity {
    identity: Identity,
    store: Option<Store>,
    is_new: bool,
    set_aside: Option<PathBuf>,
}

impl OpenIdentity {
    /// One that will not be found again.
    pub fn unstored(identity: Identity) -> Self {
        OpenIdentity { identity, store: None, is_new: true, set_aside: None }
    }

    /// The keys.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the same paths will have the same link the next time.
    pub fn is_stored(&self) -> bool {
        self.store.is_some()
    }

    /// Whether it was made just now, so that nobody can have its link yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The name that a file which could not be understood now has. Its link is dead.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Remembers the embedded server's port. Blocks.
    ///
    /// # Errors
    /// The file can't be written; what was there before is still there.
    pub fn set_port(&mut self, port: u16) -> Result<(), IdentityError> {
        if self.identity.port == Some(port) {
            return Ok(());
        }
        self.identity.port = Some(port);
        match &self.store {
            Some(store) => store.place.save(&self.identity),
            None => Ok(()),
        }
    }

    /// Removes it from the disk: the same paths get a new link the next time. Blocks.
    ///
    /// # Errors
    /// A file can't be removed.
    pub fn forget(self) -> Result<(), IdentityError> {
        let Some(Store { place, lock }) = self.store else { return Ok(()) };
        let _gate = place.close_gate()?;
        remove(&place.file)?;
        remove(&place.new_path())?;
        remove(&place.lock_path())?;
        drop(lock);
        Ok(())
    }
}

/// Why an identity could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system gave no random bytes.
    #[error("the system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// A file or folder of the store failed.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl IdentityError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        match self {
            IdentityError::Random(_) | IdentityError::File { .. } => Code::DiskFailed,
        }
    }
}

impl From<IdentityError> for EngineError {
    fn from(error: IdentityError) -> Self {
        EngineError::detailed(error.code(), error)
    }
}

#[derive(Debug)]
struct Store {
    place: Place,
    lock: File,
}

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    file: PathBuf,
}

// The file's content; the texts are those of the ids, base64url.
#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    owner_key: OwnerKey,
    secret: LinkSecret,
    // Of the same shape as an owner key: 32 bytes that don't print and are wiped.
    keys_private: OwnerKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

enum Loaded {
    Whole(Box<Identity>),
    Missing,
    Broken,
}

impl Place {
    fn lock_path(&self) -> PathBuf {
        self.file.with_extension("lock")
    }

    fn new_path(&self) -> PathBuf {
        self.file.with_extension("new")
    }

    fn close_gate(&self) -> Result<File, IdentityError> {
        let path = self.dir.join(GATE);
        let gate = open_lock(&path)?;
        gate.lock().map_err(failed(&path))?;
        Ok(gate)
    }

    fn load(&self) -> Result<Loaded, IdentityError> {
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Missing),
            Err(error) => return Err(failed(&self.file)(error)),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize));
        file.take(MAX_LEN).read_to_end(&mut bytes).map_err(failed(&self.file))?;
        Ok(match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.version == VERSION => Loaded::Whole(Box::new(Identity {
                owner_key: content.owner_key,
                secret: content.secret,
                keys_private: content.keys_private.0,
                port: content.port,
            })),
            _ => Loaded::Broken,
        })
    }

    fn create(&self) -> Result<Identity, IdentityError> {
        let identity = Identity::random()?;
        self.save(&identity)?;
        Ok(identity)
    }

    // Only the holder of the lock writes, so that the new file's name is its own. What a crash left of one is stale.
    fn save(&self, identity: &Identity) -> Result<(), IdentityError> {
        let new = self.new_path();
        remove(&new)?;
        let content = Content {
            version: VERSION,
            owner_key: identity.owner_key.clone(),
            secret: identity.secret.clone(),
            keys_private: OwnerKey(identity.keys_private),
            port: identity.port,
        };
        let write = || {
            let bytes = Zeroizing::new(serde_json::to_vec(&content)?);
            let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(failed(&new))?;
        fs::rename(&new, &self.file).map_err(failed(&self.file))?;
        sync_dir(&self.dir).map_err(failed(&self.dir))
    }

    fn set_aside(&self) -> Result<PathBuf, IdentityError> {
        let mut aside = self.file.with_extension("broken");
        for number in 2..=MAX_ASIDE {
            if !aside.try_exists().map_err(failed(&aside))? {
                break;
            }
            aside = self.file.with_extension(format!("broken-{number}"));
        }
        fs::rename(&self.file, &aside).map_err(failed(&self.file))?;
        Ok(aside)
    }
}

// Paths that differ only in how they are written are the same; each is preceded by its length.
fn file_key(paths: &[PathBuf], server: &str) -> String {
    let canonical = |path: &PathBuf| path.canonicalize().or_else(|_| std::path::absolute(path));
    let mut paths: Vec<PathBuf> =
        paths.iter().map(|path| canonical(path).unwrap_or_else(|_| path.clone())).collect();
    paths.sort();
    paths.dedup();
    let mut hash = Sha256::new();
    let texts = paths.iter().map(|path| path.as_os_str().as_encoded_bytes());
    for text in [server.as_bytes()].into_iter().chain(texts) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |error| IdentityError::File { path, error }
}

fn open_lock(path: &Path) -> Result<File, IdentityError> {
    private(OpenOptions::new().read(true).write(true).create(true)).open(path).map_err(failed(path))
}

fn remove(path: &Path) -> Result<(), IdentityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

// On Windows the profile's folders are already their owner's alone.
#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

// So that the rename itself survives a power cut.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn here(dir: &Path) -> Result<OpenIdentity, IdentityError> {
        Identity::open(dir, &[PathBuf::from("/"), PathBuf::from(".")], "embedded")
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_same_paths_have_the_same_identity() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = here(dir.path()).unwrap();
        first.set_port(4711).unwrap();
        let (share, secret, private) = (
            first.identity().owner_key.share_id(),
            first.identity().secret.clone(),
            first.identity().keys_private,
        );
        assert!(first.is_stored() && first.is_new());
        drop(first);

        let again =
            Identity::open(dir.path(), &[PathBuf::from("./"), PathBuf::from("/")], "embedded").unwrap();
        assert_eq!(again.identity().owner_key.share_id(), share);
        assert!(again.identity().secret == secret);
        assert_eq!(again.identity().keys_private, private);
        assert_eq!(again.identity().port, Some(4711));
        assert!(!again.is_new());
        for (paths, server) in
            [(vec![PathBuf::from("/")], "embedded"), (vec![".".into(), "/".into()], "other")]
        {
            let other = Identity::open(dir.path(), &paths, server).unwrap();
            assert_ne!(other.identity().owner_key.share_id(), share);
        }
    }

    #[test]
    fn two_are_never_the_same_share_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = here(dir.path()).unwrap();
        let second = here(dir.path()).unwrap();
        assert!(!second.is_stored());
        assert_ne!(first.identity().owner_key.share_id(), second.identity().owner_key.share_id());
        let share = first.identity().owner_key.share_id();
        second.forget().unwrap();
        drop(first);
        assert_eq!(here(dir.path()).unwrap().identity().owner_key.share_id(), share);
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = here(dir.path()).unwrap();
        let share = first.identity().owner_key.share_id();
        first.forget().unwrap();
        assert_eq!(names(dir.path()), [GATE]);
        assert_ne!(here(dir.path()).unwrap().identity().owner_key.share_id(), share);
    }

    #[test]
    fn a_broken_file_is_kept_aside_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let first = here(dir.path()).unwrap();
        let (path, share) =
            (first.store.as_ref().unwrap().place.file.clone(), first.identity().owner_key.share_id());
        drop(first);
        let whole = fs::read_to_string(&path).unwrap();
        let later = whole.replace("\"version\":1", "\"version\":2");
        assert_ne!(later, whole);
        for broken in [&whole[..whole.len() / 2], "", later.as_str()] {
            fs::write(&path, broken).unwrap();
            let opened = here(dir.path()).unwrap();
            assert!(opened.is_stored());
            assert_ne!(opened.identity().owner_key.share_id(), share);
            assert_eq!(fs::read_to_string(opened.set_aside().unwrap()).unwrap(), broken);
        }
        assert_eq!(names(dir.path()).iter().filter(|name| name.contains("broken")).count(), 3);
    }

    #[test]
    fn a_crash_while_writing_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let first = here(dir.path()).unwrap();
        let (new, share) =
            (first.store.as_ref().unwrap().place.new_path(), first.identity().owner_key.share_id());
        drop(first);
        fs::write(&new, "{\"version\":1,").unwrap();
        let mut again = here(dir.path()).unwrap();
        assert_eq!(again.identity().owner_key.share_id(), share);
        again.set_port(1).unwrap();
        assert!(!new.exists());
        drop(again);
        assert_eq!(here(dir.path()).unwrap().identity().port, Some(1));
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = here(dir.path()).unwrap();
        let place = &first.store.as_ref().unwrap().place;
        let (file, new) = (place.file.clone(), place.new_path());
        let before = fs::read(&file).unwrap();
        // Can't be removed as a file, so the new one can't be written.
        fs::create_dir(&new).unwrap();
        assert!(matches!(first.set_port(2), Err(IdentityError::File { path, .. }) if path == new));
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("a/shares");
        let mut opened = here(&dir).unwrap();
        opened.set_port(1).unwrap();
        assert_eq!(mode(&dir), 0o700);
        for name in names(&dir) {
            assert_eq!(mode(&dir.join(&name)), 0o600, "{name}");
        }
    }

    #[test]
    fn nothing_secret_prints() {
        let dir = tempfile::tempdir().unwrap();
        let opened = here(dir.path()).unwrap();
        let printed = format!("{opened:?}");
        assert!(printed.contains(&opened.identity().owner_key.share_id().to_text()));
        assert!(!printed.contains("keys_private"));
        assert!(!printed.contains(&opened.identity().secret.to_text()));
    }
}
