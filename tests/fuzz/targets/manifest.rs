//! Fuzzes pages of the manifest, and the names that a receiver would write for what they list.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_protocol::manifest::{EntryKind, PageBuilder, decode_page};
use sluice_protocol::name::{Platform, portable};

fuzz_target!(|input: &[u8]| {
    let Ok(entries) = decode_page(input) else {
        return;
    };
    let mut builder = PageBuilder::new();
    let mut again = Vec::new();
    for entry in &entries {
        assert!(entry.path.names().all(|name| !matches!(name, "" | "." | "..")));
        for name in entry.path.names() {
            for platform in [Platform::Unix, Platform::MacOs, Platform::Windows] {
                let written = portable(name, platform);
                assert!(
                    !written.is_empty() && !written.contains(['/', '\0']) && !matches!(&*written, "." | "..")
                );
            }
        }
        if let EntryKind::Symlink { target } = &entry.kind {
            let _ = entry.path.link_stays_inside(target);
        }
        if !builder.push(entry) {
            again.extend(decode_page(&builder.take()).expect("what was built can be read"));
            assert!(builder.push(entry), "an empty page has room for any entry");
        }
    }
    again.extend(decode_page(&builder.take()).expect("what was built can be read"));
    assert_eq!(again, entries);
});
