//! The packages: who may depend on whom, and what each must declare.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::files::top;
use crate::holds;

/// Every package of the workspace, and which others of it each may depend on.
const MAY_IMPORT: [(&str, &[&str]); 7] = [
    ("sluice-protocol", &[]),
    ("sluice-engine", &["sluice-protocol"]),
    ("sluice-server", &["sluice-protocol"]),
    ("sluice-cli", &["sluice-protocol", "sluice-engine", "sluice-server"]),
    ("sluice-desktop", &["sluice-protocol", "sluice-engine", "sluice-server"]),
    ("sluice-tests", &["sluice-protocol", "sluice-engine", "sluice-server"]),
    ("xtask", &[]),
];

/// Libraries that one package alone may depend on.
const KEPT_IN: [(&str, &str); 5] = [
    ("webrtc", "sluice-engine"),
    ("axum", "sluice-server"),
    ("redis", "sluice-server"),
    ("tauri", "sluice-desktop"),
    ("tauri-build", "sluice-desktop"),
];

/// Libraries that bring sockets, a clock or chance, none of which `protocol` may have.
const IMPURE: [&str; 12] = [
    "async-std",
    "chrono",
    "fastrand",
    "getrandom",
    "mio",
    "rand",
    "rand_core",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
];

/// What `cargo metadata` says of one package, as far as the rules ask.
struct Package {
    name: String,
    manifest: String,
    license: Option<String>,
    /// Names of what is built into it, and of what only its tests use.
    imports: Vec<String>,
    test_imports: Vec<String>,
}

impl Package {
    fn parse(value: &Value) -> Self {
        let names = |for_tests: bool| {
            let dependencies = value["dependencies"].as_array().unwrap();
            let wanted = dependencies.iter().filter(|import| (import["kind"] == "dev") == for_tests);
            wanted.map(|import| import["name"].as_str().unwrap().to_owned()).collect()
        };
        Self {
            name: value["name"].as_str().unwrap().into(),
            manifest: fs::read_to_string(value["manifest_path"].as_str().unwrap()).unwrap(),
            license: value["license"].as_str().map(str::to_owned),
            imports: names(false),
            test_imports: names(true),
        }
    }

    fn sample(name: &str, imports: &[&str]) -> Self {
        Self {
            name: name.into(),
            manifest: "[lints]\nworkspace = true\n".into(),
            license: Some("MIT OR Apache-2.0".into()),
            imports: imports.iter().map(|&import| import.into()).collect(),
            test_imports: Vec::new(),
        }
    }
}

/// Every package of the workspace.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(top().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(Package::parse).collect()
}

fn wrong_way(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("{} has no place in the map of imports", package.name)];
    };
    let ours = |import: &&String| MAY_IMPORT.iter().any(|(name, _)| name == import);
    let imports = package.imports.iter().chain(&package.test_imports).filter(ours);
    imports
        .filter(|import| !allowed.contains(&import.as_str()))
        .map(|import| format!("{} must not import {import}", package.name))
        .collect()
}

fn strayed(package: &Package) -> Vec<String> {
    let imports = package.imports.iter().chain(&package.test_imports);
    imports
        .filter_map(|import| KEPT_IN.iter().find(|(library, _)| library == import))
        .filter(|(_, home)| *home != package.name)
        .map(|(library, home)| format!("{} imports {library}; only {home} may", package.name))
        .collect()
}

fn impure(package: &Package) -> Vec<String> {
    let imports = package.imports.iter().filter(|_| package.name == "sluice-protocol");
    imports
        .filter(|import| IMPURE.contains(&import.as_str()))
        .map(|import| format!("{} is pure, and must not import {import}", package.name))
        .collect()
}

fn undeclared(package: &Package) -> Vec<String> {
    let name = &package.name;
    let mut complaints = Vec::new();
    if !package.manifest.contains("[lints]\nworkspace = true") {
        complaints.push(format!("{name} does not inherit the workspace's lints"));
    }
    if package.license.as_deref() != Some("MIT OR Apache-2.0") {
        complaints.push(format!("{name} has the licence {:?}", package.license));
    }
    complaints
}

#[test]
fn packages_import_each_other_in_one_direction() {
    let packages = packages();
    assert_eq!(packages.len(), MAY_IMPORT.len());
    holds(packages.iter().flat_map(wrong_way));

    for (name, import) in [
        ("sluice-protocol", "sluice-engine"),
        ("sluice-engine", "sluice-server"),
        ("sluice-server", "sluice-engine"),
        ("sluice-cli", "sluice-desktop"),
        ("sluice-tests", "sluice-desktop"),
    ] {
        let complaints = wrong_way(&Package::sample(name, &["serde", import]));
        assert_eq!(complaints, [format!("{name} must not import {import}")]);
    }
    assert_eq!(wrong_way(&Package::sample("sluice-extra", &[])).len(), 1);
}

#[test]
fn each_heavy_library_has_one_home() {
    holds(packages().iter().flat_map(strayed));

    for (library, home) in KEPT_IN {
        assert!(strayed(&Package::sample(home, &[library])).is_empty());
        assert_eq!(strayed(&Package::sample("sluice-cli", &[library])).len(), 1, "{library}");
    }
}

#[test]
fn the_protocol_has_no_sockets_clock_or_chance() {
    holds(packages().iter().flat_map(impure));

    assert_eq!(impure(&Package::sample("sluice-protocol", &["sha2", "tokio", "rand"])).len(), 2);
}

#[test]
fn every_package_inherits_the_lints_and_has_the_licence() {
    holds(packages().iter().flat_map(undeclared));

    let mut bare = Package::sample("sluice-cli", &[]);
    bare.manifest.clear();
    bare.license = None;
    assert_eq!(undeclared(&bare).len(), 2);
}

#[test]
fn the_full_text_of_both_licences_is_there() {
    for (file, words) in [("LICENSE-MIT", "MIT License"), ("LICENSE-APACHE", "Version 2.0")] {
        let text = fs::read_to_string(Path::new(&top()).join(file)).unwrap();
        assert!(text.contains(words), "{file}");
    }
}
