//! The app's window, as a person has it: what it shows, found by role and name as a screen reader finds it, and hands.

use crate::desk::{Desk, free_port};
use crate::process::{self, BEAT, PATIENCE, program, top, wait_for};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use thirtyfour::error::WebDriverResult;
use thirtyfour::session::scriptret::ScriptRet;
use thirtyfour::{Capabilities, Key, WebDriver, WebElement};
use tokio::runtime::Runtime;

/// How long one command to the driver may take.
const COMMAND: Duration = Duration::from_secs(30);

/// Testing Library finds elements as the tests of `ui/` do: one way to say which one is meant.
const FINDER: &str = "node_modules/@testing-library/dom/dist/@testing-library/dom.umd.min.js";

/// What is in the window with a role and a name: all that are called so, or else all whose name begins so.
const FIND: &str = "
    const [role, name] = arguments;
    const { queryAllByRole, queryAllByLabelText } = TestingLibraryDom;
    // A field for a password has no role.
    const secret = { selector: 'input[type=password]' };
    const by = (pattern) => [
        ...queryAllByRole(document.body, role, { name: pattern }),
        ...(role === 'textbox' ? queryAllByLabelText(document.body, pattern, secret) : []),
    ];
    const escaped = name.replace(/[.*+?^${}()|[\\]\\\\]/g, '\\\\$&');
    const exact = by(name);
    return exact.length > 0 ? exact : by(new RegExp('^' + escaped));
";

/// Watches for the click that an element is about to get, and whether it came.
const AIM: &str = "
    window.sluiceHit = false;
    arguments[0].addEventListener('click', () => { window.sluiceHit = true; }, { capture: true, once: true });
";
const HIT: &str = "return window.sluiceHit";

/// Tells what is wrong for those who see badly, or not at all.
const AXE: &str = "node_modules/axe-core/axe.min.js";

/// What axe finds wrong, each as its rule and the elements; or that it found nothing to look at.
const AUDIT: &str = "
    const done = arguments[0];
    const told = ({ violations, passes }) => passes.length === 0 ? ['nothing was looked at'] : violations.map(
        ({ id, nodes }) => id + ': ' + nodes.map(({ target, failureSummary }) => target + ' ' + failureSummary).join('; '));
    axe.run(document, { resultTypes: ['violations'] }).then((found) => done(told(found)), (error) => done([String(error)]));
";

/// A running app, and a driver in its webview. When this is dropped the driver ends, and the app with it.
pub struct Window<'a> {
    desk: &'a Desk,
    driver: Cell<Option<WebDriver>>,
    process: Child,
    runtime: Runtime,
}

impl<'a> Window<'a> {
    /// Starts the app with `arguments` and waits until its page is there.
    #[track_caller]
    pub fn open(desk: &'a Desk, arguments: &[&str]) -> Self {
        // A port that is free now may be another's a moment later.
        let started = std::iter::repeat_with(|| Self::start(desk, arguments)).take(3).flatten().next();
        started.unwrap_or_else(|| panic!("no session with the window:\n{}", desk.log())).ready()
    }

    /// Takes over the window of an app that something else has started, by [`Desk::open`].
    #[track_caller]
    pub fn attach(desk: &'a Desk) -> Self {
        wait_for("the app", || desk.app());
        wait_for("the webview", || std::net::TcpStream::connect(&desk.inspector).ok());
        let port = free_port();
        let mut driver = desk.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg(format!("--target={}", desk.inspector));
        let options = json!({ "browserName": "wry" });
        Self::connect(desk, driver, port, options).expect("no session with the window").ready()
    }

    /// Opens a page in the bare browser that comes with the library behind the app's window. No app runs.
    #[track_caller]
    pub fn browse(desk: &'a Desk, address: &str, arguments: &[&str]) -> Self {
        let libraries = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
        let browser =
            libraries.map(|path| path.join("webkit2gtk-4.1/MiniBrowser")).find(|path| path.exists());
        let browser = browser.expect("no MiniBrowser; cargo xtask setup");
        let arguments: Vec<&str> = [&["--automation"], arguments].concat();
        let options = json!({
            "browserName": "MiniBrowser",
            "webkitgtk:browserOptions": { "binary": browser, "args": arguments },
        });
        let started = std::iter::repeat_with(|| {
            let port = free_port();
            let mut driver = desk.command("WebKitWebDriver");
            driver.arg(format!("--port={port}"));
            Self::connect(desk, driver, port, options.clone())
        });
        let window = started.take(3).flatten().next();
        let window = window.unwrap_or_else(|| panic!("no session with the browser:\n{}", desk.log()));
        window.go(address);
        window.ready()
    }

    fn start(desk: &'a Desk, arguments: &[&str]) -> Option<Self> {
        let (port, native) = (free_port(), free_port());
        let mut driver = desk.command("tauri-driver");
        driver.args(["--port", &port.to_string(), "--native-port", &native.to_string()]);
        driver.args(["--native-host", "127.0.0.1"]);
        let application = json!({ "application": program(), "args": arguments });
        Self::connect(desk, driver, port, json!({ "browserName": "wry", "tauri:options": application }))
    }

    fn connect(desk: &'a Desk, mut driver: Command, port: u16, options: Value) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut process =
            driver.spawn().unwrap_or_else(|error| panic!("{driver:?}: {error}; cargo xtask setup"));
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(BEAT);
        }
        // The HTTP client wants to know whose cryptography is meant, even if it uses none of it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Value::Object(options) = options else { unreachable!() };
        let capabilities = Capabilities::from(options);
        let session = runtime.block_on(async {
            let session = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities);
            tokio::time::timeout(PATIENCE, session).await
        });
        match session {
            Ok(Ok(session)) => {
                let window = Window { desk, driver: Cell::new(Some(session)), process, runtime };
                // The library's own process may end as it starts, which the first question tells.
                window.is_alive().then_some(window)
            }
            other => {
                eprintln!("no session: {other:?}");
                process::signal(process.id(), "TERM");
                let _ = process.wait();
                None
            }
        }
    }

    #[track_caller]
    fn ready(self) -> Self {
        // A session is there before the page is.
        self.until(
            "the page",
            "return document.readyState === 'complete' && document.querySelector('main, nav')",
        );
        self
    }

    fn with<T, F>(&self, what: &str, work: impl FnOnce(WebDriver) -> F) -> Result<T, String>
    where
        F: Future<Output = WebDriverResult<T>>,
    {
        let driver = self.driver.take().expect("the driver is there until the window is dropped");
        self.driver.set(Some(driver.clone()));
        let outcome = self.runtime.block_on(async { tokio::time::timeout(COMMAND, work(driver)).await });
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: the driver does not answer")),
        }
    }

    fn try_run(&self, script: &str, arguments: Vec<Value>) -> Result<ScriptRet, String> {
        let script = script.to_owned();
        self.with("a script", |driver| async move { driver.execute(script, arguments).await })
    }

    /// Whether the driver still has a page to speak to.
    fn is_alive(&self) -> bool {
        self.try_run("return 1", Vec::new()).is_ok()
    }

    /// What a script in the page returns.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.try_run(script, arguments).unwrap_or_else(|error| self.fail(&error)).json().clone()
    }

    /// Waits until a script returns something that is true, and returns it.
    #[track_caller]
    pub fn until(&self, what: &str, script: &str) -> Value {
        self.until_with(what, script, &[])
    }

    /// The same, for a script with arguments.
    #[track_caller]
    pub fn until_with(&self, what: &str, script: &str, arguments: &[Value]) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The page may just be on its way.
            let found = self.try_run(script, arguments.to_vec()).map(|found| found.json().clone());
            match found {
                Ok(Value::Null | Value::Bool(false)) | Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(BEAT);
                }
                Ok(Value::Null | Value::Bool(false)) => self.fail(&format!("{what} did not come in time")),
                Ok(found) => return found,
                Err(error) => self.fail(&format!("{what}: {error}")),
            }
        }
    }

    /// What a script in the page calls its only argument with, later.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        let script = script.to_owned();
        let told =
            self.with("a script", |driver| async move { driver.execute_async(script, Vec::new()).await });
        told.unwrap_or_else(|error| self.fail(&error)).json().clone()
    }

    /// Opens another page in the browser.
    #[track_caller]
    pub fn go(&self, address: &str) {
        let went = self.with("a page", |driver| async move { driver.goto(address).await });
        went.unwrap_or_else(|error| self.fail(&error));
    }

    /// Runs a library of `ui/` in the page, unless `global` is there already.
    #[track_caller]
    pub fn load(&self, library: &str, global: &str) {
        if self.run(&format!("return typeof {global} === 'undefined'"), Vec::new()) == true {
            let text = fs::read_to_string(top().join("ui").join(library)).expect("npm ci in ui/");
            self.run(&text, Vec::new());
        }
    }

    /// Everything with this role and name that can be perceived; see [`FIND`].
    #[track_caller]
    pub fn all(&self, role: &str, name: &str) -> Vec<WebElement> {
        self.load(FINDER, "TestingLibraryDom");
        let found = self.try_run(FIND, vec![role.into(), name.into()]);
        found
            .and_then(|found| found.elements().map_err(|error| error.to_string()))
            .unwrap_or_else(|error| self.fail(&error))
    }

    /// The first thing with this role and name, once it is there.
    #[track_caller]
    pub fn find(&self, role: &str, name: &str) -> WebElement {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(first) = self.all(role, name).into_iter().next() {
                return first;
            }
            if Instant::now() > deadline {
                self.fail(&format!("there is no {role} {name:?}"));
            }
            std::thread::sleep(BEAT);
        }
    }

    /// Clicks it, once it is there and can be clicked.
    #[track_caller]
    pub fn click(&self, role: &str, name: &str) {
        let what = format!("a click on {role} {name:?}");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let element = self.find(role, name);
            let clicked = element.to_json().map_err(|error| error.to_string()).and_then(|reference| {
                self.try_run(AIM, vec![reference])?;
                let clicked = self.with(&what, |_| async move { element.click().await });
                // An app that ends with the click takes the session with it, whatever word the driver has for that.
                clicked.or_else(|error| if self.is_alive() { Err(error) } else { Ok(()) })
            });
            // The driver aims at a place. What moves, is drawn anew or is disabled at that moment is not hit, and of that it
            // says nothing. A page that does not answer any more has taken the click.
            let missed = match clicked {
                Ok(()) if self.try_run(HIT, Vec::new()).is_ok_and(|hit| hit.json() == false) => {
                    format!("{what} does not reach it")
                }
                Ok(()) => return,
                Err(error) => error,
            };
            if Instant::now() > deadline {
                self.fail(&missed);
            }
            std::thread::sleep(BEAT);
        }
    }

    /// Writes `text` into a field in place of what it holds.
    #[track_caller]
    pub fn write(&self, role: &str, name: &str, text: &str) {
        self.click(role, name);
        let field = self.find(role, name);
        let text = text.to_owned();
        let written = self.with(&format!("writing into {name:?}"), |_| async move {
            field.send_keys(Key::Control + "a").await?;
            field.send_keys(Key::Delete + "").await?;
            if !text.is_empty() {
                field.send_keys(text).await?;
            }
            Ok(())
        });
        written.unwrap_or_else(|error| self.fail(&error));
    }

    /// Presses a key, wherever the keyboard is.
    #[track_caller]
    pub fn press(&self, key: Key) {
        let pressed = self.with("a key", |driver| async move {
            driver.action_chain().key_down(key.clone()).key_up(key).perform().await
        });
        pressed.unwrap_or_else(|error| self.fail(&error));
    }

    /// All the text in the window.
    #[track_caller]
    pub fn text(&self) -> String {
        self.run("return document.body.innerText", Vec::new()).as_str().unwrap().to_owned()
    }

    /// Waits until the window has this text, with whatever space between its words.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let script = "return document.body.innerText.replace(/\\s+/g, ' ').includes(arguments[0])";
        self.until_with(&format!("the text {text:?}"), script, &[text.into()]);
    }

    /// The window's title.
    #[track_caller]
    pub fn title(&self) -> String {
        self.with("the title", |driver| async move { driver.title().await })
            .unwrap_or_else(|error| self.fail(&error))
    }

    /// Sets the window's size, in pixels.
    #[track_caller]
    pub fn size(&self, width: u32, height: u32) {
        let sized =
            self.with("a size", |driver| async move { driver.set_window_rect(0, 0, width, height).await });
        sized.unwrap_or_else(|error| self.fail(&error));
    }

    /// Draws the window into a PNG file.
    #[track_caller]
    pub fn picture(&self, path: &Path) {
        let to = path.to_owned();
        let drawn = self.with("a picture", |driver| async move { driver.screenshot(&to).await });
        drawn.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What axe finds wrong with all that is in the window, its contrasts included.
    #[track_caller]
    pub fn violations(&self) -> Vec<String> {
        self.load(AXE, "axe");
        self.run_async(AUDIT).as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// Ends the test with what the window shows.
    #[track_caller]
    fn fail(&self, sentence: &str) -> ! {
        let shown =
            self.try_run("return document.body.innerText", Vec::new()).map(|text| text.json().to_string());
        let picture = std::env::temp_dir().join(format!("sluice-window-{}.png", std::process::id()));
        let to = picture.clone();
        let drawn = self.with("a picture", |driver| async move { driver.screenshot(&to).await });
        let drawn = drawn.map_or_else(|error| error, |()| picture.display().to_string());
        panic!("{sentence}\nthe window shows: {shown:?}\npicture: {drawn}\nlog:\n{}", self.desk.log());
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        // With the app gone, a farewell to its session would wait for nobody.
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
        process::signal(self.process.id(), "TERM");
        let _ = self.process.wait();
        if let Some(app) = self.desk.app() {
            process::signal(app, "KILL");
            wait_for("the end of the app", || self.desk.app().is_none().then_some(()));
        }
    }
}
