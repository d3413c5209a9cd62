//! The order in which the app comes to life.

use crate::awake;
use crate::clipboard::Clipboard;
use crate::links::{self, HIDDEN};
use crate::places::Places;
use crate::state::Shell;
use crate::surface::{MAIN, Surface};
use crate::updates::{Source, Updates};
use std::path::Path;
use std::time::Duration;
use tauri::{App, AppHandle, Manager, WebviewWindowBuilder};
use tauri_plugin_deep_link::DeepLinkExt;

/// How often, and how long after each other, a start asks the one that is just ending to make room.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(200);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Sets everything up: hands over to an app that runs already, or opens the window and goes on where it was left.
///
/// # Errors
/// The system has no place for what is kept, or no window to give.
pub fn setup(app: &mut App) -> Result<()> {
    let app = app.handle();
    let here = std::env::current_dir().unwrap_or_default();
    let asked = links::read(std::env::args_os().skip(1), &here);
    be_the_only_one(app);
    let places = Places::of_system().ok_or("this system has no folder for settings")?;
    let (shell, news) = tauri::async_runtime::block_on(async { Shell::start(places) });
    app.manage(shell.clone());
    app.manage(Clipboard::default());
    app.manage(Surface::new(app, shell.clone()));
    app.manage(Updates::new(shell.clone(), Source::built_in().filter(|_| replaces_itself(app))));
    open_window(app)?;
    app.state::<Surface>().handle_asked(&asked);
    listen_for_links(app);
    tauri::async_runtime::spawn(Surface::tell_news(app.clone(), news));
    tauri::async_runtime::spawn(Surface::tell_tray(app.clone()));
    tauri::async_runtime::spawn(Surface::miss_tray(app.clone()));
    tauri::async_runtime::spawn(Surface::keep_autostart(app.clone()));
    tauri::async_runtime::spawn(end_on_signal(app.clone()));
    tauri::async_runtime::spawn(Updates::keep_looking(app.clone()));
    let texts = app.clone();
    tauri::async_runtime::spawn(awake::keep(shell.standing(), move || texts.state::<Surface>().texts()));
    Ok(())
}

// Where an app runs already, this start hands over to it and ends within this call. One that is just ending answers
// with an error; where nothing helps, two apps are better than none.
fn be_the_only_one(app: &AppHandle) {
    for _ in 0..TRIES {
        let plugin = tauri_plugin_single_instance::init(|app, arguments, from| {
            let asked = links::read(arguments.into_iter().skip(1), Path::new(&from));
            if let Some(surface) = app.try_state::<Surface>() {
                surface.handle_asked(&asked);
            }
        });
        match app.plugin(plugin) {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the app that runs already does not answer"),
        }
        std::thread::sleep(BETWEEN);
    }
}

fn open_window(app: &AppHandle) -> Result<()> {
    let windows = &app.config().app.windows;
    let config = windows.iter().find(|window| window.label == MAIN).ok_or("the window is not configured")?;
    // It is shown once it is known whether anybody asked for that.
    WebviewWindowBuilder::from_config(app, config)?.visible(false).build()?;
    Ok(())
}

// On macOS the bundle says which links are ours, and the system hands them over as events.
#[cfg(target_os = "macos")]
fn listen_for_links(app: &AppHandle) {
    let listening = app.clone();
    app.deep_link().on_open_url(move |event| {
        let links = event.urls().iter().map(|url| url.as_str().to_owned()).collect();
        listening.state::<Surface>().handle_asked(&links::Asked { links, ..links::Asked::default() });
    });
}

// Elsewhere they come as the arguments of a start. Programs must be run to say which are ours, which may take a while.
#[cfg(not(target_os = "macos"))]
fn listen_for_links(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn_blocking(move || {
        // A package says it for everybody, and takes it back when it goes; what is said here stays with the person.
        #[cfg(target_os = "linux")]
        if links::are_packaged(&links::data_folders()) {
            return;
        }
        if let Err(error) = app.deep_link().register_all() {
            tracing::warn!(%error, "links that are clicked can't be opened here");
        }
    });
}

// What a package manager has installed it brings up to date itself: on Linux only an AppImage is ours to replace.
#[cfg(target_os = "linux")]
fn replaces_itself(app: &AppHandle) -> bool {
    app.env().appimage.is_some()
}

#[cfg(not(target_os = "linux"))]
fn replaces_itself(_: &AppHandle) -> bool {
    true
}

/// The arguments of a start with the person's session.
pub const AT_LOGIN: [&str; 1] = [HIDDEN];

#[cfg(unix)]
async fn end_on_signal(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminated), Ok(mut interrupted)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    app.exit(0);
}

#[cfg(not(unix))]
async fn end_on_signal(app: AppHandle) {
    if tokio::signal::ctrl_c().await.is_ok() {
        app.exit(0);
    }
}
