//! Lists the files of the browser's page, `ui/dist/browser`, so that `src/http/page.rs` has them in the program. Where
//! they were not built, as without Node, a small page stands in for them, so that cargo alone always succeeds.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let built = package.join("../../ui/dist/browser");
    // Cargo takes a folder that is not there for one that has changed, each time. Where it can't be made, so be it.
    let _ = fs::create_dir_all(&built);
    println!("cargo::rerun-if-changed={}", built.display());
    println!("cargo::rerun-if-changed=src/http/page.html");

    let mut files = Vec::new();
    if built.join("index.html").is_file() {
        for folder in ["", "assets"] {
            list(&built, folder, &mut files)?;
        }
    } else {
        files.push(("/index.html".to_owned(), package.join("src/http/page.html")));
    }
    files.sort();

    let mut code = String::from("static FILES: &[File] = &[\n");
    for (path, file) in &files {
        let kind = kind(file);
        let gzip = PathBuf::from(format!("{}.gz", file.display()));
        let gzip = if gzip.is_file() { format!("Some({})", bytes(&gzip)) } else { "None".to_owned() };
        let plain = bytes(file);
        // A String takes all that is written.
        let _ =
            writeln!(code, "    File {{ path: {path:?}, kind: {kind:?}, plain: {plain}, gzip: {gzip} }},");
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("page.rs"), code)
}

// The files of one folder, as they are served and where they lie. Compressed twins go with what they are of.
fn list(built: &Path, folder: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let within = built.join(folder);
    if !within.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&within)? {
        let file = entry?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if file.is_file() && !name.ends_with(".gz") {
            let prefix = if folder.is_empty() { String::new() } else { format!("/{folder}") };
            files.push((format!("{prefix}/{name}"), file));
        }
    }
    Ok(())
}

fn bytes(file: &Path) -> String {
    format!("include_bytes!({:?})", file.display().to_string())
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        other => panic!("the page has a file of a kind that is not served: {other:?}"),
    }
}
