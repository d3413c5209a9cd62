//! The desktop shell: one window that draws the page under `ui/app`, and all that goes on behind it.
//!
//! `state` keeps everything and knows no window; `shares` and `downloads` drive the engine; `model` folds what that
//! tells into what is shown, as `api` says it. `commands` answers the window; `surface` is the window from outside,
//! the tray and the notifications; `start` puts all of it together.

pub mod api;
mod awake;
mod check;
mod clipboard;
mod commands;
mod dialogs;
mod downloads;
mod history;
mod hosting;
mod keeping;
mod kept;
#[cfg(test)]
mod lab;
mod links;
mod model;
mod notify;
mod places;
mod qr;
mod settings;
mod shares;
mod start;
mod state;
mod store;
mod surface;
mod texts;
mod tray;
mod updates;
mod window;

use std::panic::{self, AssertUnwindSafe};
use surface::Surface;
use tauri::{App, Manager, Wry};

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No display is there to draw on.
    #[error("there is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set)")]
    NoDisplay,
    /// The display can't be drawn on.
    #[error("the display can't be opened; is DISPLAY or WAYLAND_DISPLAY that of somebody else?")]
    Display,
    /// The system's webview, or what the shell keeps, is not to be had.
    #[error(transparent)]
    System(#[from] tauri::Error),
}

/// Opens the window and returns when the app has ended.
///
/// # Errors
/// When the system has no display or no webview to draw with.
pub fn run() -> Result<(), StartError> {
    if !has_display() {
        return Err(StartError::NoDisplay);
    }
    let builder = tauri::Builder::default()
        .plugin(tauri_plugin_deep_link::init())
        .plugin(updates::plugin())
        .plugin(tauri_plugin_autostart::Builder::new().args(start::AT_LOGIN).build())
        .invoke_handler(commands::handler())
        .on_window_event(|window, event| {
            if let Some(surface) = window.try_state::<Surface>() {
                surface.handle_window(event);
            }
        })
        .setup(start::setup);
    build(builder)?.run(|app, event| {
        if let Some(surface) = app.try_state::<Surface>() {
            surface.handle_run(&event);
        }
    });
    Ok(())
}

// The library beneath knows no error for a display that is not there: it panics, in words that are of no use here.
fn build(builder: tauri::Builder<Wry>) -> Result<App, StartError> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let built = panic::catch_unwind(AssertUnwindSafe(|| builder.build(context())));
    panic::set_hook(hook);
    Ok(built.map_err(|_| StartError::Display)??)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn has_display() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn has_display() -> bool {
    true
}

/// What `tauri.conf.json`, the icons, the capabilities and the built page became at build time.
fn context<R: tauri::Runtime>() -> tauri::Context<R> {
    tauri::generate_context!()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tauri::test::{MockRuntime, mock_builder};

    use super::context;

    #[test]
    fn has_one_window_named_sluice_and_the_page_that_it_draws() {
        let app = mock_builder().build(context::<MockRuntime>()).unwrap();

        let windows = &app.config().app.windows;
        assert_eq!(windows.iter().map(|window| window.label.as_str()).collect::<Vec<_>>(), ["main"]);
        assert_eq!(windows[0].title, "Sluice");
        let page = app.asset_resolver().get("index.html".into()).unwrap();
        assert_eq!(page.mime_type, "text/html");
    }

    #[test]
    fn the_page_may_load_and_run_only_what_is_built_in() {
        let context = context::<MockRuntime>();

        let policy = context.config().app.security.csp.clone().unwrap().to_string();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("style-src 'self';") && policy.contains("script-src 'self';"), "{policy}");
        // The way to the shell, under its two names; it leads to no network.
        let way = "connect-src ipc: http://ipc.localhost;";
        assert!(policy.contains(way), "{policy}");
        let rest = policy.replace(way, "");
        for source in ["unsafe", "http", "*", "data:", "blob:"] {
            assert!(!rest.contains(source), "{source} in {policy}");
        }
    }
}
