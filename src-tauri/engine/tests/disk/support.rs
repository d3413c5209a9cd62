//! A share, a destination, and the loop between them that the drivers are in the real thing.

use sha2::{Digest, Sha256};
use sluice_engine::disk::{Catalog, Destination, Options, Plan, Report, Skip, Source, Summary, Want};
use sluice_protocol::chunk_len;
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::{Entry, decode_page};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub const SHARE: ShareId = ShareId([7; 16]);
pub const SENDER: [u8; 16] = [9; 16];
pub const CHUNK: usize = sluice_protocol::CHUNK_SIZE as usize;

/// A source folder named `share`, and a place to receive into.
pub struct Bed {
    pub temp: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("share")).unwrap();
        Bed { temp }
    }

    pub fn share(&self) -> PathBuf {
        self.temp.path().join("share")
    }

    pub fn out(&self) -> PathBuf {
        self.temp.path().join("out")
    }

    /// Where an entry of the share arrives.
    pub fn arrived(&self, path: &str) -> PathBuf {
        self.out().join("share").join(path)
    }

    pub fn file(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.share().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        age(&path, 1_600_000_000);
        path
    }

    pub fn catalog(&self) -> Catalog {
        walked(&[self.share()])
    }

    pub fn open(&self) -> Destination {
        self.open_with(Options::default())
    }

    pub fn open_with(&self, options: Options) -> Destination {
        Destination::open(&self.out(), SHARE, SENDER, options).unwrap()
    }

    /// The partial of a path in the share, as `record.rs` documents it.
    pub fn partial(&self, path: &str) -> PathBuf {
        let hash = Sha256::digest(path.as_bytes());
        let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = self.out().join(path);
        folder.parent().unwrap().join(format!(".sluice-07070707-{hex}.part"))
    }

    pub fn journal(&self) -> PathBuf {
        self.out().join(format!(".sluice-{SHARE}.journal"))
    }
}

pub fn age(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_700);
    fs::File::open(path).unwrap().set_times(fs::FileTimes::new().set_modified(time)).unwrap();
}

pub fn mtime(path: &Path) -> SystemTime {
    fs::symlink_metadata(path).unwrap().modified().unwrap()
}

/// A catalog whose walk is over.
pub fn walked(roots: &[PathBuf]) -> Catalog {
    let catalog = Catalog::walk(roots).unwrap();
    let mut watch = catalog.watch();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { while watch.changed().await.is_ok() {} });
    assert!(catalog.totals().complete, "{:?}", catalog.failure());
    catalog
}

pub fn entries(catalog: &Catalog) -> Vec<Entry> {
    (0..catalog.totals().pages)
        .flat_map(|page| decode_page(&catalog.page(page).unwrap().encoded).unwrap())
        .collect()
}

/// Plans every page; the plans as one.
pub fn plan_all(catalog: &Catalog, destination: &mut Destination) -> Plan {
    let mut all = Plan::default();
    for page in 0..catalog.totals().pages {
        let page = catalog.page(page).unwrap();
        let plan = destination.plan(page.first_entry, decode_page(&page.encoded).unwrap()).unwrap();
        all.wants.extend(plan.wants);
        all.reports.extend(plan.reports);
        all.chosen_bytes += plan.chosen_bytes;
        all.chosen_entries += plan.chosen_entries;
        all.have_bytes += plan.have_bytes;
        all.have_entries += plan.have_entries;
    }
    all
}

/// The chunks of `wants` in order: entry, chunk, whether it is the entry's last.
pub fn chunks(wants: &[Want]) -> Vec<(Want, u32, bool)> {
    wants
        .iter()
        .flat_map(|want| {
            let numbers: Vec<u32> = want.ranges.iter().cloned().flatten().collect();
            let last = *numbers.last().unwrap();
            numbers.into_iter().map(move |chunk| (want.clone(), chunk, chunk == last))
        })
        .collect()
}

pub fn fetch(source: &mut Source, destination: &mut Destination, (want, chunk, last): &(Want, u32, bool)) {
    let mut buf = vec![0; chunk_len(want.size, *chunk) as usize];
    source.read(want.entry, *chunk, &mut buf).unwrap();
    destination.write(want.entry, *chunk, &buf, *last).unwrap();
}

/// Receives all that is missing; the plan, and how it ended.
pub fn receive(catalog: &Catalog, mut destination: Destination) -> (Plan, Summary) {
    let plan = plan_all(catalog, &mut destination);
    let mut source = Source::new(catalog.clone());
    for item in chunks(&plan.wants) {
        fetch(&mut source, &mut destination, &item);
    }
    destination.flush().unwrap();
    let durable = destination.durable();
    assert_eq!(plan.have_bytes + durable.bytes, plan.chosen_bytes);
    assert_eq!(plan.have_entries + durable.entries, plan.chosen_entries);
    (plan, destination.finish(true).unwrap())
}

pub fn outcome(reports: &[Report], path: &str) -> serde_json::Value {
    let report = reports.iter().find(|report| report.path == path);
    serde_json::to_value(report.unwrap_or_else(|| panic!("no report of {path} in {reports:?}"))).unwrap()
}

pub fn skipped(reports: &[Report], path: &str, reason: Skip) {
    let expected = serde_json::json!({ "path": path, "outcome": "skipped", "reason": reason.as_str() });
    assert_eq!(outcome(reports, path), expected);
}

pub fn renamed(reports: &[Report], path: &str, to: &str) {
    assert_eq!(outcome(reports, path), serde_json::json!({ "path": path, "outcome": "renamed", "to": to }));
}

/// What is below `dir`, sorted, with `/` at the end of folders.
pub fn listing(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap() {
            let item = item.unwrap();
            let path = item.path();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if item.file_type().unwrap().is_dir() {
                found.push(format!("{name}/"));
                folders.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// Bytes that differ from chunk to chunk and from seed to seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = Seeded(seed);
    let mut bytes: Vec<u8> = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(state.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// SplitMix64.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
