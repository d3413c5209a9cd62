//! The tray: that something is shared, how fast, and the way back to the window.

use crate::state::{Shell, Standing};
use crate::surface::Surface;
use crate::texts::Texts;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Wry};

/// The icon and its menu.
pub struct Tray {
    icon: TrayIcon,
    status: MenuItem<Wry>,
    show: MenuItem<Wry>,
    pause: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

impl Tray {
    /// Puts the icon into the tray.
    ///
    /// # Errors
    /// The system has none.
    pub fn new(app: &AppHandle) -> tauri::Result<Self> {
        let item = |id: &str, enabled: bool| MenuItem::with_id(app, id, "", enabled, None::<&str>);
        let (status, show) = (item("status", false)?, item("show", true)?);
        let (pause, quit) = (item("pause", true)?, item("quit", true)?);
        let line = PredefinedMenuItem::separator(app)?;
        let menu = Menu::with_items(app, &[&status, &line, &show, &pause, &quit])?;
        let mut builder = TrayIconBuilder::with_id("main")
            .menu(&menu)
            .show_menu_on_left_click(false)
            .on_menu_event(|app, event| chosen(app, event.id().as_ref()))
            .on_tray_icon_event(|icon, event| {
                let left = TrayIconEvent::is_left_click(&event);
                if left {
                    icon.app_handle().state::<Surface>().show();
                }
            });
        if let Some(icon) = app.default_window_icon() {
            builder = builder.icon(icon.clone());
        }
        Ok(Tray { icon: builder.build(app)?, status, show, pause, quit })
    }

    /// Says how things stand. What can't be said is old until the next time.
    pub fn tell(&self, standing: &Standing, texts: &Texts) {
        let status = status(standing, texts);
        let pause = if standing.paused { "go_on_all" } else { "pause_all" };
        let said = [
            self.status.set_text(&status),
            self.show.set_text(texts.get("show", &[])),
            self.pause.set_text(texts.get(pause, &[])),
            self.pause.set_enabled(standing.shares + standing.downloads > 0),
            self.quit.set_text(texts.get("quit", &[])),
            self.icon.set_tooltip(Some(&status)),
        ];
        if let Some(error) = said.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "the tray");
        }
    }
}

trait LeftClick {
    fn is_left_click(event: &Self) -> bool;
}

impl LeftClick for TrayIconEvent {
    fn is_left_click(event: &Self) -> bool {
        matches!(event, Self::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. })
    }
}

fn status(standing: &Standing, texts: &Texts) -> String {
    if standing.shares + standing.downloads == 0 {
        return texts.get("idle", &[]);
    }
    let (shares, downloads) = (standing.shares.to_string(), standing.downloads.to_string());
    let values =
        [("shares", shares.as_str()), ("downloads", &downloads), ("rate", &texts.rate(standing.rate))];
    texts.get("status", &values)
}

fn chosen(app: &AppHandle, item: &str) {
    match item {
        "show" => app.state::<Surface>().show(),
        "pause" => {
            let shell = app.state::<Shell>();
            shell.pause_all(!shell.standing().borrow().paused);
        }
        "quit" => app.exit(0),
        _ => {}
    }
}

/// Whether there is a tray to show an icon in. Blocks for a moment.
#[cfg(target_os = "linux")]
pub fn is_there() -> bool {
    let asked = zbus::blocking::Connection::session().and_then(|bus| {
        let watcher = ("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher");
        let properties = ("org.freedesktop.DBus.Properties", "Get");
        let what = ("org.kde.StatusNotifierWatcher", "IsStatusNotifierHostRegistered");
        let answer = bus.call_method(Some(watcher.0), watcher.1, Some(properties.0), properties.1, &what)?;
        let value: zbus::zvariant::OwnedValue = answer.body().deserialize()?;
        Ok(bool::try_from(value).unwrap_or(false))
    });
    asked.unwrap_or(false)
}

/// Whether there is a tray to show an icon in.
#[cfg(not(target_os = "linux"))]
pub fn is_there() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_shared_and_how_fast() {
        let texts = Texts::of("en");
        assert_eq!(status(&Standing::default(), &texts), "Nothing is shared");
        let standing = Standing { shares: 2, downloads: 1, rate: 12_400_000, moving: true, paused: false };
        assert_eq!(status(&standing, &texts), "2 shared, 1 coming in, 12.4 MB/s");
    }
}
