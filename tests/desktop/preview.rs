//! The window's views without a shell: the page that plays recordings, served with the window's own policy and opened in
//! the bare browser of the library that draws the app's window.

use crate::desk::Desk;
use crate::process::top;
use crate::window::Window;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

/// Draws a view; tells nothing, or why it could not be drawn.
const DRAW: &str = "
    const done = arguments[0];
    draw(NAME, FILES).then(() => done(null), (error) => done(String(error)));
";

/// Pixels that the browser's bar takes from the height of its window.
const BAR: u32 = 38;

/// Height of a view, in pixels.
const HEIGHT: u32 = 720;

/// The page in a browser; it is served until the test's process ends.
pub struct Preview<'a> {
    /// The browser.
    pub window: Window<'a>,
}

impl<'a> Preview<'a> {
    /// Builds the page and opens it, with the fonts that Debian's own desktop has, where they are installed.
    #[track_caller]
    pub fn open(desk: &'a Desk, dark: bool) -> Self {
        let build = Command::new("npm")
            .args(["run", "--silent", "build:preview"])
            .current_dir(top().join("ui"))
            .output();
        let build = build.expect("npm; cargo xtask setup");
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        let mut likes =
            File::options().append(true).open(desk.home().join(".config/gtk-3.0/settings.ini")).unwrap();
        likes.write_all(b"gtk-font-name=Cantarell 11\n").unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/preview.html", listener.local_addr().unwrap());
        let policy = policy();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let policy = policy.clone();
                // A browser opens connections that it never uses, and closes others in the middle.
                std::thread::spawn(move || answer(stream, &policy));
            }
        });
        let arguments: &[&str] = if dark { &["--dark-mode"] } else { &[] };
        let preview = Self { window: Window::browse(desk, &address, arguments) };
        let found =
            preview.window.run("return matchMedia('(prefers-color-scheme: dark)').matches", Vec::new());
        assert_eq!(found, dark);
        preview.window.until("the first view", "return document.documentElement.dataset.drawn");
        preview
    }

    /// The names of all views.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        let names = self.window.run("return views", Vec::new());
        names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Draws a view, and waits until nothing in it moves any more. With a number of files it has a large tree.
    #[track_caller]
    pub fn show(&self, view: &str, files: u32) {
        let script = DRAW.replace("NAME", &format!("{view:?}")).replace("FILES", &files.to_string());
        assert_eq!(self.window.run_async(&script), Value::Null, "{view}");
    }

    /// Makes views this wide, in pixels.
    #[track_caller]
    pub fn widen(&self, width: u32) {
        self.window.size(width, HEIGHT + BAR);
        let script = format!("return innerWidth === {width} && innerHeight === {HEIGHT}");
        self.window.until(&format!("a width of {width}"), &script);
    }
}

/// The window's policy for what a page may load and run.
fn policy() -> String {
    let configuration = fs::read_to_string(top().join("tauri.conf.json")).unwrap();
    let configuration: Value = serde_json::from_str(&configuration).unwrap();
    configuration["app"]["security"]["csp"].as_str().unwrap().to_owned()
}

/// Answers one request with a file of the built page.
fn answer(stream: TcpStream, policy: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let target = request.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let file: PathBuf = top().join("ui/dist/preview").join(path);
    let kind = match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        _ => "application/octet-stream",
    };
    let (status, body) = fs::read(&file).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let mut stream = &stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: {policy}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
