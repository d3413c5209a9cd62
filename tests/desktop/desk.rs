//! A desktop for one app: display, window manager, session bus, home, notifications, tray and dialogs, none of which anybody
//! else sees.

use crate::process::{self, PATIENCE, lines, program, wait_for};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use tempfile::TempDir;

/// A bus on which nothing starts by itself; its socket lies in RUN.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=RUN</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Names on the bus behind which a desktop keeps its tray, its dialogs, and what may not send it to sleep.
const TRAY: &str = "org.kde.StatusNotifierWatcher";
const DIALOGS: &str = "org.freedesktop.portal.Desktop";
const LOGIN: &str = "org.freedesktop.login1";

/// Where files are dragged from: near a corner of the screen, which no window covers.
const GRIP: (u32, u32) = (1230, 910);

/// What a desktop has, and what the person likes.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Whether there is a place for tray icons.
    pub tray: bool,
    /// Whether the person likes it dark.
    pub dark: bool,
}

/// A whole and light one.
pub const USUAL: Kind = Kind { tray: true, dark: false };

/// A desktop, and the home of the person at it. All that was started on it ends with it.
pub struct Desk {
    root: TempDir,
    environment: Vec<(&'static str, String)>,
    stand_in: RefCell<StandIn>,
    notifications: Receiver<String>,
    children: Vec<Child>,
    /// Where a webview that is started here listens for a driver.
    pub inspector: String,
}

/// `desktop.py`.
struct StandIn {
    orders: ChildStdin,
    events: Receiver<String>,
}

impl Desk {
    /// A usual one.
    pub fn new() -> Self {
        Self::of(USUAL)
    }

    /// Sets one up and waits until all of it is there.
    pub fn of(kind: Kind) -> Self {
        let root = TempDir::with_prefix("sluice-desk-").unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let run = folder("run");
        fs::set_permissions(&run, Permissions::from_mode(0o700)).unwrap();
        let home = folder("home");
        let places = [
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_CACHE_HOME", ".cache"),
        ];
        let mut environment = vec![("HOME", text(&home)), ("XDG_RUNTIME_DIR", text(&run))];
        for (variable, place) in places {
            fs::create_dir_all(home.join(place)).unwrap();
            environment.push((variable, text(&home.join(place))));
        }
        environment.push(("LC_ALL", "C.UTF-8".into()));
        environment.push(("XDG_CURRENT_DESKTOP", "GNOME".into()));
        environment.push(("XDG_SESSION_TYPE", "x11".into()));
        // There is no bus of its own for screen readers here.
        environment.push(("NO_AT_BRIDGE", "1".into()));
        let likes = format!("[Settings]\ngtk-application-prefer-dark-theme={}\n", u8::from(kind.dark));
        fs::create_dir_all(home.join(".config/gtk-3.0")).unwrap();
        fs::write(home.join(".config/gtk-3.0/settings.ini"), likes).unwrap();

        let inspector = format!("127.0.0.1:{}", free_port());
        let mut children = Vec::new();
        let start = |command: &mut Command, environment: &[(&'static str, String)]| {
            place(command, environment);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command.stderr(File::options().create(true).append(true).open(root.path().join("log")).unwrap());
            let name = command.get_program().to_owned();
            let mut child =
                command.spawn().unwrap_or_else(|error| panic!("{name:?}: {error}; cargo xtask setup"));
            let (stdin, stdout) = (child.stdin.take().unwrap(), lines(child.stdout.take().unwrap()));
            (child, stdin, stdout)
        };

        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1280x960x24", "-nolisten", "tcp"]);
        let (child, _, told) = start(&mut command, &environment);
        children.push(child);
        environment.push(("DISPLAY", format!(":{}", told.recv_timeout(PATIENCE).expect("Xvfb starts"))));

        let config = root.path().join("bus.conf");
        fs::write(&config, BUS.replace("RUN", &text(&run))).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.args(["--nofork", "--print-address=1", "--config-file"]).arg(&config);
        let (child, _, told) = start(&mut command, &environment);
        children.push(child);
        let bus = told.recv_timeout(PATIENCE).expect("the bus starts");
        // One bus is both, so that nothing here asks the computer's own for anything.
        environment.push(("DBUS_SYSTEM_BUS_ADDRESS", bus.clone()));
        environment.push(("DBUS_SESSION_BUS_ADDRESS", bus));

        // Says nothing when it is ready, and nothing here depends on it until a window has to be closed.
        let (child, _, _) = start(Command::new("openbox").arg("--sm-disable"), &environment);
        children.push(child);

        let likes = root.path().join("dunst.conf");
        fs::write(&likes, "").unwrap();
        let mut command = Command::new("dunst");
        let (child, _, notifications) = start(command.args(["-print", "-conf", &text(&likes)]), &environment);
        children.push(child);

        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/desktop.py");
        // The system's own Python, which is the one that Debian's packages extend.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([DIALOGS, LOGIN]).args(kind.tray.then_some(TRAY));
        let (child, orders, events) = start(&mut command, &environment);
        children.push(child);

        let stand_in = RefCell::new(StandIn { orders, events });
        let desk = Desk { root, environment, stand_in, notifications, children, inspector };
        desk.event("ready");
        let mut wait = desk.command("gdbus");
        wait.args(["wait", "--session", "--timeout", "30", "org.freedesktop.Notifications"]);
        assert!(wait.status().unwrap().success(), "dunst does not start");
        desk
    }

    /// A path in the desk's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A folder in the desk's folder, made if it isn't there.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The home of the person.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The person's folder for downloads.
    pub fn downloads(&self) -> PathBuf {
        self.home().join("Downloads")
    }

    /// The file with the app's settings.
    pub fn settings(&self) -> PathBuf {
        self.home().join(".config/sluice/settings.json")
    }

    /// Settles something before the app is started for the first time.
    pub fn settle(self, settings: &Value) -> Self {
        fs::create_dir_all(self.settings().parent().unwrap()).unwrap();
        fs::write(self.settings(), json!({ "version": 1, "content": settings }).to_string()).unwrap();
        self
    }

    /// A program that is started on this desktop, with what it prints kept in the desk's log.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        place(&mut command, &self.environment);
        let log = File::options().append(true).open(self.path("log")).unwrap();
        command.current_dir(self.home()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// What programs said here that were started on it.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).unwrap()).into_owned()
    }

    /// Starts the app once more with `arguments`, as a file manager or a terminal does, and waits for its end: one that
    /// runs already takes over.
    #[track_caller]
    pub fn start_again(&self, arguments: &[&str]) {
        let status = self.command(program()).args(arguments).status().unwrap();
        assert!(status.success(), "the second start ended with {status}");
    }

    /// Opens a link as a browser does: the system is asked who is in charge of it. The webview of an app that this starts
    /// can be attached to.
    #[track_caller]
    pub fn open(&self, link: &str) {
        let mut command = self.command("xdg-open");
        command
            .arg(link)
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("WEBKIT_INSPECTOR_SERVER", &self.inspector);
        assert!(command.status().unwrap().success(), "xdg-open failed:\n{}", self.log());
    }

    /// The app's process, if it runs here.
    pub fn app(&self) -> Option<u32> {
        process::with(&self.mark()).into_iter().find(|pid| process::runs(*pid, program()))
    }

    /// `kill -9` of the app's process; returns when it is gone.
    #[track_caller]
    pub fn kill_app(&self) {
        process::signal(self.app().expect("the app does not run"), "KILL");
        self.wait_for_end();
    }

    /// Waits until the app has ended.
    #[track_caller]
    pub fn wait_for_end(&self) {
        wait_for("the end of the app", || self.app().is_none().then_some(()));
    }

    /// The next event of the tray and dialogs with this name; those before it are passed over.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let stand_in = self.stand_in.borrow();
        loop {
            let line = stand_in.events.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the event {name} did not come:\n{}", self.log()));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
            assert!(event["event"] != "failed", "{event}");
        }
    }

    /// The lines of the tray's menu as they are now; none without a tray icon.
    #[track_caller]
    pub fn tray_menu(&self) -> Vec<String> {
        self.order(&json!({ "order": "menu" }));
        let labels = self.event("menu")["labels"].clone();
        labels.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
    }

    /// Clicks a line of the tray's menu.
    #[track_caller]
    pub fn click_tray(&self, label: &str) {
        let lines = wait_for(&format!("{label:?} in the tray"), || {
            let lines = self.tray_menu();
            lines.iter().any(|line| line == label).then_some(lines)
        });
        self.order(&json!({ "order": "click", "label": label }));
        let clicked = self.event("clicked");
        assert_eq!(clicked["label"], label, "{lines:?}");
    }

    /// Waits for a file dialog and answers it with `paths`; with none, it is cancelled. Returns what was asked for.
    #[track_caller]
    pub fn answer(&self, paths: &[&Path]) -> Value {
        let dialog = self.event("dialog");
        self.order(&json!({ "order": "answer", "paths": paths }));
        self.event("answered");
        dialog
    }

    /// What the computer is kept from doing of itself now, such as `sleep`, by whom.
    #[track_caller]
    pub fn held(&self) -> Vec<(String, String)> {
        self.order(&json!({ "order": "held" }));
        let locks = self.event("held")["locks"].clone();
        let text = |lock: &Value, name: &str| lock[name].as_str().unwrap().to_owned();
        let mut held: Vec<_> =
            locks.as_array().unwrap().iter().map(|lock| (text(lock, "what"), text(lock, "who"))).collect();
        held.sort();
        held
    }

    /// Drags files and folders from another program's window onto the middle of the one with `title`, and drops them once
    /// `welcome` has returned: it waits for a sign that the window has seen them come.
    #[track_caller]
    pub fn drop_on(&self, title: &str, paths: &[&Path], welcome: impl FnOnce()) {
        let (x, y) = (GRIP.0.to_string(), GRIP.1.to_string());
        let mut command = self.command("/usr/bin/python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/drag.py")).args([&x, &y]).args(paths);
        let mut source = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ready = lines(source.stdout.take().unwrap()).recv_timeout(PATIENCE);
        assert_eq!(ready.as_deref(), Ok("ready"), "{}", self.log());

        let windows = self.pointer(&["search", "--onlyvisible", "--name", &format!("^{title}$")]);
        let window = windows.lines().next().unwrap();
        self.pointer(&["mousemove", "--sync", &x, &y, "mousedown", "1"]);
        // What is moved by less is not dragged; the window under the pointer is told of the files when it moves there.
        for (x, y) in [(-20, -20), (-40, -40), (-60, -60)] {
            self.pointer(&["mousemove_relative", "--sync", "--", &x.to_string(), &y.to_string()]);
        }
        for place in ["500", "520", "540"] {
            self.pointer(&["mousemove", "--sync", "--window", window, place, "360"]);
        }
        welcome();
        self.pointer(&["mouseup", "1"]);
        drop(source.stdin.take());
        source.wait().unwrap();
    }

    /// What `xdotool` says, who has pointer and keyboard here.
    #[track_caller]
    fn pointer(&self, arguments: &[&str]) -> String {
        let output = self.command("xdotool").args(arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "xdotool {arguments:?} failed:\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for a notification that the daemon has shown, with all of these words.
    #[track_caller]
    pub fn notification(&self, words: &[&str]) -> String {
        let mut seen = String::new();
        loop {
            let Ok(line) = self.notifications.recv_timeout(PATIENCE) else {
                panic!("no notification with {words:?}, only:\n{seen}")
            };
            seen.push_str(&line);
            seen.push('\n');
            if words.iter().all(|word| seen.contains(word)) {
                return seen;
            }
        }
    }

    /// Closes the app's window, as its cross does; returns when it can't be seen any more.
    #[track_caller]
    pub fn close_window(&self) {
        wait_for("the window to close", || {
            // A window that has just come may not have the keyboard yet.
            let mut focus = self.command("xdotool");
            focus.args(["search", "--onlyvisible", "--name", "^Sluice$", "windowfocus"]);
            if focus.status().unwrap().success() {
                self.pointer(&["key", "--clearmodifiers", "alt+F4"]);
            }
            (!self.shows("Sluice")).then_some(())
        });
    }

    /// Whether a window with this title can be seen.
    pub fn shows(&self, title: &str) -> bool {
        let mut search = self.command("xdotool");
        search.args(["search", "--onlyvisible", "--name", &format!("^{title}$")]);
        search.status().unwrap().success()
    }

    fn order(&self, order: &Value) {
        writeln!(self.stand_in.borrow_mut().orders, "{order}").unwrap();
    }

    /// What the environment of every process of this desk has, and no other's.
    fn mark(&self) -> String {
        format!("XDG_RUNTIME_DIR={}", text(&self.path("run")))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- {}: the end of its log", self.path("log").display());
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        // What the app, the driver and the system started belongs to it as well.
        for pid in process::with(&self.mark()) {
            process::signal(pid, "KILL");
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A TCP port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn place(command: &mut Command, environment: &[(&'static str, String)]) {
    command.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
