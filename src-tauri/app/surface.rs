//! What a person sees of the shell beside the page: the window itself, the tray, notifications, and how the app ends.

use crate::api::{AppEvent, Notice};
use crate::clipboard::Clipboard;
use crate::links::Asked;
use crate::notify::{self, Notifier};
use crate::state::{News, Shell, Standing};
use crate::texts::{Texts, system_language};
use crate::tray::{self, Tray};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tauri::{AppHandle, DragDropEvent, Manager, RunEvent, WebviewWindow, WindowEvent};
use tauri_plugin_autostart::ManagerExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The window's label.
pub const MAIN: &str = "main";
/// How long a tray may take to come up, where the app is started with the person's session.
const TRAY_COMES: Duration = Duration::from_secs(3);
/// The least time between two changes of the tray.
const TRAY_PACE: Duration = Duration::from_secs(1);
/// How long an end may take before it is one all the same.
const FAREWELL: Duration = Duration::from_secs(5);

/// The app's surface.
pub struct Surface {
    app: AppHandle,
    shell: Shell,
    tray: Option<Tray>,
    closed: AtomicBool,
}

impl Surface {
    /// One for `shell`, with an icon in the tray where that can be had.
    pub fn new(app: &AppHandle, shell: Shell) -> Self {
        // The library that draws it is looked for only now, and its absence is a panic.
        let tray = match catch_unwind(AssertUnwindSafe(|| Tray::new(app))) {
            Ok(Ok(tray)) => Some(tray),
            Ok(Err(error)) => {
                tracing::warn!(%error, "there is no tray icon");
                None
            }
            Err(_) => None,
        };
        Surface { app: app.clone(), shell, tray, closed: AtomicBool::new(false) }
    }

    /// The words in the person's language.
    pub fn texts(&self) -> Texts {
        let language = self.shell.settings().borrow().language.clone();
        Texts::of(&language.unwrap_or_else(system_language))
    }

    /// Brings the window to the front.
    pub fn show(&self) {
        let Some(window) = self.window() else { return };
        let shown = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!(%error, "the window can't be shown");
        }
    }

    /// Does what a start asks for, the first or a later one.
    pub fn handle_asked(&self, asked: &Asked) {
        if !asked.paths.is_empty() {
            self.shell.share_and_show(&asked.paths);
        }
        asked.links.iter().for_each(|link| self.shell.open_and_show(link));
        if !asked.hidden {
            self.show();
        }
    }

    /// Whether the tray has a way back to a window that is hidden. Blocks for a moment.
    pub fn has_tray(&self) -> bool {
        self.tray.is_some() && tray::is_there()
    }

    fn window(&self) -> Option<WebviewWindow> {
        self.app.get_webview_window(MAIN)
    }

    fn is_watched(&self) -> bool {
        let yes = |answer: tauri::Result<bool>| answer.unwrap_or(false);
        self.window().is_some_and(|window| yes(window.is_visible()) && yes(window.is_focused()))
    }

    /// What happens to the window.
    pub fn handle_window(&self, event: &WindowEvent) {
        match event {
            WindowEvent::CloseRequested { api, .. } => {
                let Standing { shares, downloads, .. } = *self.shell.standing().borrow();
                if shares + downloads > 0
                    && self.has_tray()
                    && let Some(window) = self.window()
                {
                    api.prevent_close();
                    if let Err(error) = window.hide() {
                        tracing::warn!(%error, "the window can't be hidden");
                    }
                }
            }
            WindowEvent::DragDrop(event) => self.handle_drag(event),
            _ => {}
        }
    }

    fn handle_drag(&self, event: &DragDropEvent) {
        let over = match event {
            DragDropEvent::Enter { paths, .. } => !paths.is_empty(),
            DragDropEvent::Drop { paths, .. } => {
                if !paths.is_empty() {
                    self.shell.share_and_show(paths);
                }
                false
            }
            DragDropEvent::Leave => false,
            _ => return,
        };
        self.shell.say(AppEvent::Dragging { over });
    }

    /// What happens to the app: before it ends, shares part from their receivers and what is kept is written.
    pub fn handle_run(&self, event: &RunEvent) {
        let RunEvent::ExitRequested { api, .. } = event else { return };
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        api.prevent_exit();
        if let Some(window) = self.window() {
            // It need not be looked at while that takes its time.
            let _ = window.hide();
        }
        let (app, shell) = (self.app.clone(), self.shell.clone());
        tauri::async_runtime::spawn(async move {
            let _ = timeout(FAREWELL, shell.close()).await;
            app.state::<Surface>().closed.store(true, Ordering::SeqCst);
            app.exit(0);
        });
    }

    /// Says what a person may want to hear of, for as long as the app runs.
    pub async fn tell_news(app: AppHandle, mut heard: mpsc::UnboundedReceiver<News>) {
        let mut notifier = Notifier::default();
        while let Some(news) = heard.recv().await {
            let surface = app.state::<Surface>();
            if let News::LinkMade { link } = &news {
                let (clipboard, link) = (app.state::<Clipboard>().inner().clone(), link.clone());
                let copied = tauri::async_runtime::spawn_blocking(move || clipboard.copy(link)).await;
                if let Ok(Err(failure)) = copied {
                    tracing::info!(detail = failure.detail, "the link could not be copied");
                }
            }
            let wanted = surface.shell.settings().borrow().notifications;
            let watched = surface.is_watched();
            let text = notifier.text(&news, watched, &surface.texts(), Instant::now());
            if let Some(text) = text.filter(|_| wanted) {
                notify::show(text).await;
            }
        }
    }

    /// Keeps the tray true, for as long as the app runs.
    pub async fn tell_tray(app: AppHandle) {
        let surface = app.state::<Surface>();
        let (mut standing, mut settings) = (surface.shell.standing(), surface.shell.settings());
        loop {
            let stands = *standing.borrow_and_update();
            settings.mark_unchanged();
            if let Some(tray) = &surface.tray {
                tray.tell(&stands, &surface.texts());
            }
            sleep(TRAY_PACE).await;
            tokio::select! {
                changed = standing.changed() => if changed.is_err() { return },
                changed = settings.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Says once if there is no tray, and shows the window that nobody could find otherwise.
    pub async fn miss_tray(app: AppHandle) {
        sleep(TRAY_COMES).await;
        let asking = app.clone();
        let there = tauri::async_runtime::spawn_blocking(move || asking.state::<Surface>().has_tray()).await;
        if !there.unwrap_or(false) {
            let surface = app.state::<Surface>();
            surface.shell.say(AppEvent::Notice { notice: Notice::NoTray });
            if surface.window().is_some_and(|window| !window.is_visible().unwrap_or(true)) {
                surface.show();
            }
        }
    }

    /// Sees to it that the app starts with the person's session, or does not.
    pub async fn keep_autostart(app: AppHandle) {
        let mut settings = app.state::<Surface>().shell.settings();
        let mut known = false;
        loop {
            let wanted = settings.borrow_and_update().start_at_login;
            if wanted != known {
                known = wanted;
                let autostart = app.autolaunch();
                let done = if wanted { autostart.enable() } else { autostart.disable() };
                if let Err(error) = done {
                    tracing::warn!(%error, wanted, "starting at login can't be changed");
                }
            }
            if settings.changed().await.is_err() {
                return;
            }
        }
    }
}
