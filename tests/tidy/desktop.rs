//! The desktop app's configuration: what the window may call, and the files that it is built from.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::files::top;
use crate::holds;

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The folder whose files the build takes as capabilities: tauri-build is silent about a pattern
/// that matches nothing, and the window could then call everything.
fn capabilities_folder(build: &str) -> Option<&str> {
    build.split_once("capabilities_path_pattern(\"./")?.1.split_once("/**/*\"")?.0.into()
}

fn too_wide(capability: &Value) -> Vec<String> {
    let name = &capability["identifier"];
    let mut complaints = Vec::new();
    let windows = capability["windows"].as_array().unwrap();
    if windows.is_empty() || windows.iter().any(|window| window.as_str().unwrap().contains('*')) {
        complaints.push(format!("capability {name} does not name its windows"));
    }
    if !capability["remote"].is_null() {
        complaints.push(format!("capability {name} lets a page from elsewhere call in"));
    }
    let permissions = capability["permissions"].as_array().unwrap().iter();
    let wide = permissions.filter(|permission| {
        permission.as_str().is_some_and(|id| id.starts_with("fs:") || id.starts_with("shell:"))
    });
    complaints.extend(wide.map(|permission| format!("capability {name} has {permission}")));
    complaints
}

#[test]
fn the_capabilities_that_the_build_looks_for_are_there_and_in_use() {
    let build = fs::read_to_string(top().join("src-tauri/build.rs")).unwrap();
    let folder = capabilities_folder(&build).unwrap();
    let files = fs::read_dir(top().join(folder)).unwrap();
    let capabilities: Vec<Value> = files.map(|file| json(&file.unwrap().path())).collect();

    let found: Vec<&Value> = capabilities.iter().map(|one| &one["identifier"]).collect();
    let config = json(&top().join("tauri.conf.json"));
    let named: Vec<&Value> = config["app"]["security"]["capabilities"].as_array().unwrap().iter().collect();
    assert!(!found.is_empty());
    assert_eq!(found, named);
    holds(capabilities.iter().flat_map(too_wide));
}

#[test]
fn a_capability_that_is_too_wide_is_seen() {
    let wide = serde_json::json!({
        "identifier": "wide",
        "windows": ["*"],
        "remote": { "urls": ["https://example.org"] },
        "permissions": ["core:default", "fs:default", "shell:allow-open"],
    });
    assert_eq!(too_wide(&wide).len(), 4);
    assert_eq!(capabilities_folder("capabilities_path_pattern(\"./caps/**/*\")"), Some("caps"));
    assert_eq!(capabilities_folder("fn main() {}"), None);
}

#[test]
fn every_icon_that_the_configuration_names_is_there() {
    let config = json(&top().join("tauri.conf.json"));
    let icons = config["bundle"]["icon"].as_array().unwrap();
    assert!(icons.len() >= 5);
    let path = |icon: &Value| top().join(icon.as_str().unwrap());
    holds(icons.iter().filter(|icon| !path(icon).is_file()).map(|icon| format!("no {icon}")));
}

#[test]
fn the_version_is_in_the_workspace_and_nowhere_else() {
    let of = |name: &str| json(&top().join(name))["version"].clone();
    let config = ["tauri.conf.json", "ui/package.json", "ui/package-lock.json"];
    holds(config.iter().filter(|name| !of(name).is_null()).map(|name| format!("{name} has a version")));
}
