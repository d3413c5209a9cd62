//! What was built for Windows, run under wine: it sends to and receives from this system, and is installed and removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process::{Program, root, target};
use crate::share::Share;

/// Names that Windows can't hold, and what Sluice writes there instead.
const NAMES: [(&str, &str); 8] = [
    ("aux.txt", "_aux.txt"),
    ("CON", "_CON"),
    ("trailing dot.", "trailing dot_"),
    ("trailing space ", "trailing space_"),
    ("what? a:b*c", "what_ a_b_c"),
    ("\"<|>\\", "_____"),
    ("plain.txt", "plain.txt"),
    ("ünï 文件.txt", "ünï 文件.txt"),
];

/// Folders in each other, of so many letters each, and a file in them of so many: together longer than the 260 that
/// Windows' oldest calls know. The folders alone are shorter, because wine can't name a handle whose path is not.
const DEPTH: usize = 4;
const LETTERS: usize = 50;
const LONG: usize = 120;

/// Bytes of the largest file.
const LARGE: usize = 5 << 20;

/// The call that wine 8 answers with an error for a socket of IPv4, and one that means the same.
const ASKS: &str = "get_socket_option::<u32>(&*socket.0, WinSock::IPPROTO_IPV6, WinSock::IPV6_V6ONLY as _)";
const ASKS_LESS: &str = "if is_ipv6 { get_socket_option::<u32>(&*socket.0, WinSock::IPPROTO_IPV6, WinSock::IPV6_V6ONLY as _) } else { Ok(1) }";

/// Copies the library that speaks UDP, changed so that it runs under wine 8, and returns what tells cargo to take it.
/// The lock file stays as it is, and so does what is released.
pub fn patch() -> Result<String, Error> {
    let told = Program::cargo().args(["metadata", "--format-version", "1", "--locked"]).output()?;
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
    let packages = told["packages"].as_array().cloned().unwrap_or_default();
    let manifest = packages.iter().find(|package| package["name"] == "quinn-udp");
    let Some(from) = manifest.and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
    else {
        return Err(Error::Measure("there is no quinn-udp any more: wine may need no help now".into()));
    };
    let to = place("quinn-udp")?;
    Program::new("rm").arg("-rf").arg(&to).run()?;
    Program::new("cp").args(["--recursive", "--no-preserve=timestamps"]).arg(from).arg(&to).run()?;
    let path = to.join("src/windows.rs");
    let text = fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    if !text.contains(ASKS) {
        return Err(Error::Measure(format!("{} is another than this was written for", path.display())));
    }
    write(&path, text.replace(ASKS, ASKS_LESS).as_bytes())?;
    Ok(format!("paths=[{:?}]", to.to_string_lossy()))
}

/// Sends a tree from here to `sluice`, which is that of Windows, and another from it to here.
pub fn journey(sluice: &Path) -> Result<(), Error> {
    let wine = Wine::start()?;
    wine.help(sluice)?;
    let here = target().join("debug").join("sluice");
    let folder = place("journey")?;
    renew(&folder)?;

    let offered = folder.join("from linux");
    let wanted = fill(&offered, |name| {
        NAMES.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| to).into()
    })?;
    let share = Share::start(sender(Command::new(&here), &folder, &offered))?;
    let arrived = wine.drive().join("arrived");
    renew(&arrived)?;
    wine.run(sluice).args(["receive", &share.link, "--bind", "127.0.0.1:0", "--out", r"C:\arrived"]).run()?;
    same(&wanted, &read(&arrived.join("from linux"))?)?;
    drop(share);

    let offered = wine.drive().join("from windows");
    renew(&offered)?;
    let wanted = fill(&offered.join("tree"), |name| name.into())?;
    let mut command = wine.command(sluice);
    command.env_remove("XDG_STATE_HOME");
    let share = Share::start(sender(command, &folder, Path::new(r"C:\from windows\tree")))?;
    let arrived = folder.join("arrived");
    let receive = ["receive", &share.link, "--bind", "127.0.0.1:0", "--out"];
    Program::new(&here.to_string_lossy()).args(receive).arg(&arrived).run()?;
    same(&wanted, &read(&arrived.join("tree"))?)
}

/// Makes the installer of what is in `built`, installs it, looks at what it told Windows, and removes it.
pub fn install(built: &Path) -> Result<(), Error> {
    let wine = Wine::start()?;
    let setup = place("Sluice setup.exe")?;
    let script = root().join("src-tauri/package/windows/sluice.nsi");
    let make = |version: &str| -> Result<(), Error> {
        // What is packed here is thrown away at once, so it need not be small.
        let quick = ["-V2", "-XSetCompressor /FINAL zlib"];
        let mut make = Program::new("makensis").args(quick).arg(format!("-DVERSION={version}"));
        make = make.arg(format!("-DBUILT={}", built.display())).arg(format!("-DOUT={}", setup.display()));
        if let Some(loader) = loader(built)? {
            make = make.arg(format!("-DLOADER={}", loader.display()));
        }
        make.arg(&script).run()
    };
    make("0.0.1")?;
    wine.run(&setup).arg("/S").run()?;
    // What a person owns, of either kind, must outlive an upgrade and a removal that was not told to take it.
    let home = wine.drive().join("users").join(user());
    let owned = [
        home.join("AppData/Roaming/sluice/config/settings.json"),
        home.join("AppData/Local/sluice/data/shares/key"),
    ];
    for path in &owned {
        folder(path.parent().unwrap_or(path))?;
        write(path, b"owned")?;
    }
    make(env!("CARGO_PKG_VERSION"))?;
    wine.run(&setup).arg("/S").run()?;

    let installed = home.join("AppData/Local/Programs/Sluice");
    for name in ["sluice.exe", "sluice-desktop.exe"] {
        let bytes = |path: PathBuf| fs::read(&path).map_err(|source| Error::File { path, source });
        if bytes(installed.join(name))? != bytes(built.join(name))? {
            return Err(Error::Measure(format!("{name} is installed as another")));
        }
    }
    let user = user();
    let app = format!(r"C:\users\{user}\AppData\Local\Programs\Sluice\sluice-desktop.exe");
    let links = format!(r#""{app}" "%1""#);
    let menu = format!(r#""{app}" -- "%1""#);
    let uninstall = r"Software\Microsoft\Windows\CurrentVersion\Uninstall\Sluice";
    for (key, value, wanted) in [
        (r"Software\Classes\sluice\shell\open\command", "", links.as_str()),
        (r"Software\Classes\sluice", "URL Protocol", ""),
        (r"Software\Classes\*\shell\Sluice\command", "", &menu),
        (r"Software\Classes\Directory\shell\Sluice\command", "", &menu),
        (r"Software\Classes\Directory\shell\Sluice", "", "Share with Sluice"),
        (uninstall, "DisplayVersion", env!("CARGO_PKG_VERSION")),
        (uninstall, "DisplayName", "Sluice"),
    ] {
        let found = wine.value(key, value)?;
        if found.as_deref() != Some(wanted) {
            return Err(Error::Measure(format!(
                "the registry has {found:?} and not {wanted:?} in {key} {value}"
            )));
        }
    }
    let start_menu = home.join("AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Sluice.lnk");
    there(&start_menu, true)?;
    let sluice = installed.join("sluice.exe");
    wine.help(&sluice)?;
    wine.run(&sluice).arg("--version").run()?;
    Program::new("rm").arg("-f").arg(installed.join("bcryptprimitives.dll")).run()?;

    // `_?=` makes the uninstaller wait for its end, but leaves itself behind.
    let uninstaller = installed.join("uninstall.exe");
    let inside = format!(r"_?=C:\users\{user}\AppData\Local\Programs\Sluice");
    wine.run(&uninstaller).args(["/S", &inside]).run()?;
    for key in [
        r"Software\Classes\sluice",
        r"Software\Classes\*\shell\Sluice",
        r"Software\Classes\Directory\shell\Sluice",
        uninstall,
    ] {
        if let Some(left) = wine.value(key, "")? {
            return Err(Error::Measure(format!("{key} is left behind: {left:?}")));
        }
    }
    there(&start_menu, false)?;
    let left = read(&installed)?;
    if left.keys().any(|name| name != "uninstall.exe") {
        return Err(Error::Measure(format!("left behind: {:?}", left.keys())));
    }
    owned.iter().try_for_each(|path| there(path, true))?;
    wine.run(&setup).arg("/S").run()?;
    wine.run(&uninstaller).args(["/S", "/DATA", &inside]).run()?;
    owned.iter().try_for_each(|path| there(path, false))
}

/// A Windows of its own below `target/`; what runs in it ends when this is dropped.
struct Wine {
    prefix: PathBuf,
}

impl Wine {
    fn start() -> Result<Self, Error> {
        let wine = Self { prefix: place("wine")? };
        renew(&wine.prefix)?;
        wine.run(Path::new("wineboot")).arg("--init").run()?;
        Ok(wine)
    }

    fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    fn run(&self, program: &Path) -> Program {
        Program::new("wine")
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            .env("DISPLAY", "")
            .arg(program)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("wine");
        command.env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all").env("DISPLAY", "").arg(program);
        command
    }

    /// Puts beside `program` the library that wine lacks before its version 9.
    fn help(&self, program: &Path) -> Result<(), Error> {
        if self.drive().join("windows/system32/bcryptprimitives.dll").exists() {
            return Ok(());
        }
        Program::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-o"])
            .arg(program.with_file_name("bcryptprimitives.dll"))
            .arg(root().join("tests/packages/bcryptprimitives.c"))
            .arg("-ladvapi32")
            .run()
    }

    /// A value of the person's part of the registry; "" is a key's own.
    fn value(&self, key: &str, name: &str) -> Result<Option<String>, Error> {
        let key = format!(r"HKCU\{key}");
        let query = self.run(Path::new("reg")).args(["query", &key]);
        let query = if name.is_empty() { query.arg("/ve") } else { query.args(["/v", name]) };
        let Some(told) = query.answer() else { return Ok(None) };
        let line = told.lines().find_map(|line| line.split_once("REG_SZ"));
        Ok(line.map(|(_, value)| value.trim().to_owned()))
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // It has nothing to run, or ends what it runs.
        let _ = Program::new("wineserver").arg("--kill").env("WINEPREFIX", &self.prefix).answer();
    }
}

fn sender(mut sluice: Command, folder: &Path, path: &Path) -> Command {
    sluice.args(["send", "--json", "--listen", "127.0.0.1:0", "--bind", "127.0.0.1:0"]).arg(path);
    sluice.env("XDG_STATE_HOME", folder.join("state"));
    sluice
}

/// Fills the folder `top`, and returns what must arrive, under the names that `written` says.
fn fill(top: &Path, written: impl Fn(&str) -> String) -> Result<Tree, Error> {
    let mut wanted = Tree::new();
    // Windows gives its files the names that it can hold.
    let on_windows = top.to_string_lossy().contains("drive_c");
    let deep = vec!["d".repeat(LETTERS); DEPTH].join("/");
    folder(&top.join(&deep))?;
    folder(&top.join("empty"))?;
    for (index, (name, held)) in NAMES.iter().enumerate() {
        let name = if on_windows { held } else { name };
        let bytes = format!("the content of {index}: {name}").into_bytes();
        write(&top.join(name), &bytes)?;
        wanted.insert(written(name), Some(bytes));
    }
    let large: Vec<u8> = (0..LARGE).map(|at| u8::try_from((at * 31 + at / 251) % 251).unwrap_or(0)).collect();
    for (name, bytes) in
        [(format!("{deep}/{}.bin", "f".repeat(LONG)), large), ("none.txt".into(), Vec::new())]
    {
        write(&top.join(&name), &bytes)?;
        wanted.insert(name, Some(bytes));
    }
    wanted.insert("empty".into(), None);
    for depth in 1..=DEPTH {
        wanted.insert(vec!["d".repeat(LETTERS); depth].join("/"), None);
    }
    Ok(wanted)
}

/// Paths, and what is there: bytes, or a folder.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn read(top: &Path) -> Result<Tree, Error> {
    fn into(tree: &mut Tree, folder: &Path, within: &str) -> Result<(), Error> {
        let failed = |source| Error::File { path: folder.into(), source };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = if within.is_empty() { name.into_owned() } else { format!("{within}/{name}") };
            if path.is_dir() {
                into(tree, &path, &name)?;
                tree.insert(name, None);
            } else {
                tree.insert(name, Some(fs::read(&path).map_err(failed)?));
            }
        }
        Ok(())
    }
    let mut tree = Tree::new();
    into(&mut tree, top, "")?;
    Ok(tree)
}

fn same(wanted: &Tree, found: &Tree) -> Result<(), Error> {
    if wanted == found {
        println!("{} files and folders have arrived, bit for bit", wanted.len());
        return Ok(());
    }
    let differs = |(name, bytes): (&String, &Option<Vec<u8>>), in_other: &Tree| {
        (in_other.get(name) != Some(bytes)).then(|| name.clone())
    };
    let missing: Vec<_> = wanted.iter().filter_map(|entry| differs(entry, found)).collect();
    let strange: Vec<_> = found.iter().filter_map(|entry| differs(entry, wanted)).collect();
    Err(Error::Measure(format!("what arrived is not what was sent: wanted {missing:?}, found {strange:?}")))
}

/// The library that a GNU build loads its webview with.
fn loader(built: &Path) -> Result<Option<PathBuf>, Error> {
    let builds = built.join("build");
    let entries = fs::read_dir(&builds).map_err(|source| Error::File { path: builds, source })?;
    let mut paths = entries.flatten().map(|entry| entry.path().join("out/x64/WebView2Loader.dll"));
    Ok(paths.find(|path| path.is_file()))
}

/// Whom wine runs for.
fn user() -> String {
    let id = Program::new("id").args(["--user", "--name"]).answer();
    id.unwrap_or_default().trim().to_owned()
}

fn there(path: &Path, wanted: bool) -> Result<(), Error> {
    if path.exists() == wanted {
        return Ok(());
    }
    let is = if wanted { "is not there" } else { "is left behind" };
    Err(Error::Measure(format!("{} {is}", path.display())))
}

/// A path below `target/cross`, which is made.
fn place(name: &str) -> Result<PathBuf, Error> {
    let top = target().join("cross");
    folder(&top)?;
    Ok(top.join(name))
}

fn renew(path: &Path) -> Result<(), Error> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|source| Error::File { path: path.into(), source })?;
    }
    folder(path)
}

fn folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File { path: path.into(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::File { path: path.into(), source })
}
