//! What a Linux package holds beside the desktop app, and where it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{found, release, write};
use crate::error::Error;
use crate::process::{Program, root, target};

/// Shells, and where each looks for the script that completes a command's words: on Debian, and where .rpm is at home.
const SHELLS: [(&str, &str, &str); 3] = [
    (
        "bash",
        "/usr/share/bash-completion/completions/sluice",
        "/usr/share/bash-completion/completions/sluice",
    ),
    ("zsh", "/usr/share/zsh/vendor-completions/_sluice", "/usr/share/zsh/site-functions/_sluice"),
    (
        "fish",
        "/usr/share/fish/vendor_completions.d/sluice.fish",
        "/usr/share/fish/vendor_completions.d/sluice.fish",
    ),
];

/// Files of the project that are installed as they are.
const AS_THEY_ARE: [(&str, &str); 3] = [
    ("src-tauri/package/linux/sluice-serve.service", "/usr/lib/systemd/user/sluice-serve.service"),
    (
        "src-tauri/package/linux/app.sluice.desktop.metainfo.xml",
        "/usr/share/metainfo/app.sluice.desktop.metainfo.xml",
    ),
    ("icons/icon.svg", "/usr/share/icons/hicolor/scalable/apps/sluice-desktop.svg"),
];

/// Where that which is made for packages is.
pub fn made() -> PathBuf {
    target().join("package")
}

/// Makes what has to be made, and returns every file of a package of this format under the path that it is installed at.
pub fn gather(format: &str) -> Result<BTreeMap<String, PathBuf>, Error> {
    let sluice = release("sluice");
    let mut files = BTreeMap::from([("/usr/bin/sluice".to_owned(), sluice.clone())]);
    for (from, to) in AS_THEY_ARE {
        files.insert(to.into(), root().join(from));
    }
    let folder = made();
    let manual = folder.join("manual");
    renew(&manual)?;
    let sluice = sluice.to_string_lossy().into_owned();
    Program::new(&sluice).arg("manual").arg(&manual).output()?;
    for page in found(&manual, ".1")? {
        Program::new("gzip").args(["--best", "--no-name"]).arg(&page).output()?;
    }
    for page in found(&manual, ".1.gz")? {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(format!("/usr/share/man/man1/{name}"), page);
    }
    for (shell, on_debian, elsewhere) in SHELLS {
        let script = folder.join(format!("sluice.{shell}"));
        write(&script, &Program::new(&sluice).args(["completions", shell]).output()?)?;
        files.insert(if format == "rpm" { elsewhere } else { on_debian }.into(), script);
    }
    let copyright = folder.join("copyright");
    write(&copyright, copyright_text()?.as_bytes())?;
    files.insert("/usr/share/doc/sluice/copyright".into(), copyright);
    Ok(files)
}

/// The licences of the project, as Debian wants to find them.
fn copyright_text() -> Result<String, Error> {
    let mut text = String::from(
        "Sluice is free software under either of two licences, as you choose: the Apache License,\n\
         Version 2.0 (on Debian in /usr/share/common-licenses/Apache-2.0), or this one:\n\n",
    );
    let path = root().join("LICENSE-MIT");
    text += &fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
    Ok(text)
}

/// Makes `folder` anew, and empty.
pub fn renew(folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { path: folder.into(), source };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)
}
