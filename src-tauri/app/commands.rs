//! What the window may ask of the shell: each command unpacks, asks, and hands back a code when that fails.

use crate::api::{
    AppEvent, Check, ConflictChoice, Failure, HistoryItem, QrCode, Rows, SettingsChange, ShareTerms, Snapshot,
};
use crate::check;
use crate::clipboard::Clipboard;
use crate::dialogs;
use crate::qr;
use crate::state::Shell;
use crate::surface::Surface;
use crate::updates::Updates;
use sluice_protocol::error::Code;
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow, Wry};

type Result<T> = std::result::Result<T, Failure>;

/// The names of all commands; `build.rs` makes a permission of each, and `capabilities/main.json` gives them.
macro_rules! commands {
    ($($name:ident),* $(,)?) => {
        /// Answers the window's commands.
        pub fn handler() -> impl Fn(tauri::ipc::Invoke<Wry>) -> bool + Send + Sync + 'static {
            tauri::generate_handler![$($name),*]
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

commands!(
    subscribe,
    share_files,
    share_folder,
    set_terms,
    pause_share,
    end_share,
    restart_share,
    remove_share,
    pause_receiver,
    limit_receiver,
    let_go,
    copy_link,
    qr,
    open_link,
    give_password,
    rows,
    open_row,
    tick_row,
    tick_all,
    choose_folder,
    set_conflict,
    start_download,
    pause_download,
    retry_download,
    remove_download,
    show_download,
    history,
    forget_history,
    show_history,
    save_settings,
    choose_download_folder,
    test_connection,
    look_for_update,
    fetch_update,
    install_update,
    quit,
);

#[tauri::command]
async fn subscribe(shell: State<'_, Shell>, channel: Channel<AppEvent>) -> Result<Snapshot> {
    // A window that is gone is told nothing more as soon as there is another.
    Ok(shell.subscribe(Box::new(move |event| drop(channel.send(event)))))
}

#[tauri::command]
async fn share_files(
    shell: State<'_, Shell>,
    surface: State<'_, Surface>,
    window: WebviewWindow,
    terms: ShareTerms,
) -> Result<Option<String>> {
    let files = dialogs::choose_files(&window, &surface.texts()).await;
    if files.is_empty() { Ok(None) } else { shell.share(&files, terms).map(Some) }
}

#[tauri::command]
async fn share_folder(
    shell: State<'_, Shell>,
    surface: State<'_, Surface>,
    window: WebviewWindow,
    terms: ShareTerms,
) -> Result<Option<String>> {
    let folder = dialogs::choose_folder(&window, &surface.texts()).await;
    folder.map(|folder| shell.share(&[folder], terms)).transpose()
}

#[tauri::command]
async fn set_terms(shell: State<'_, Shell>, id: String, terms: ShareTerms) -> Result<()> {
    shell.set_terms(&id, terms)
}

#[tauri::command]
async fn pause_share(shell: State<'_, Shell>, id: String, paused: bool) -> Result<()> {
    shell.pause_share(&id, paused)
}

#[tauri::command]
async fn end_share(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.end_share(&id)
}

#[tauri::command]
async fn restart_share(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.restart_share(&id)
}

#[tauri::command]
async fn remove_share(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.remove_share(&id)
}

#[tauri::command]
async fn pause_receiver(shell: State<'_, Shell>, id: String, receiver: String, paused: bool) -> Result<()> {
    shell.pause_receiver(&id, &receiver, paused)
}

#[tauri::command]
async fn limit_receiver(
    shell: State<'_, Shell>,
    id: String,
    receiver: String,
    limit: Option<u64>,
) -> Result<()> {
    shell.limit_receiver(&id, &receiver, limit)
}

#[tauri::command]
async fn let_go(shell: State<'_, Shell>, id: String, receiver: String) -> Result<()> {
    shell.let_go(&id, &receiver)
}

#[tauri::command]
async fn copy_link(
    shell: State<'_, Shell>,
    clipboard: State<'_, Clipboard>,
    id: String,
    deep: bool,
) -> Result<()> {
    clipboard.copy(shell.link(&id, deep)?)
}

#[tauri::command]
async fn qr(shell: State<'_, Shell>, id: String) -> Result<QrCode> {
    qr::draw(&shell.link(&id, false)?)
}

#[tauri::command]
async fn open_link(shell: State<'_, Shell>, text: String) -> Result<String> {
    shell.open_link(&text)
}

#[tauri::command]
async fn give_password(shell: State<'_, Shell>, id: String, password: String) -> Result<()> {
    shell.give_password(&id, password)
}

#[tauri::command]
async fn rows(shell: State<'_, Shell>, id: String, from: u32, count: u32) -> Result<Rows> {
    shell.rows(&id, from, count)
}

#[tauri::command]
async fn open_row(shell: State<'_, Shell>, id: String, node: u32, open: bool) -> Result<()> {
    shell.open_row(&id, node, open)
}

#[tauri::command]
async fn tick_row(shell: State<'_, Shell>, id: String, node: u32, ticked: bool) -> Result<()> {
    shell.tick(&id, Some(node), ticked)
}

#[tauri::command]
async fn tick_all(shell: State<'_, Shell>, id: String, ticked: bool) -> Result<()> {
    shell.tick(&id, None, ticked)
}

#[tauri::command]
async fn choose_folder(
    shell: State<'_, Shell>,
    surface: State<'_, Surface>,
    window: WebviewWindow,
    id: String,
) -> Result<bool> {
    let from = shell.folder_of(&id)?;
    let folder = dialogs::choose_destination(&window, &surface.texts(), &from).await;
    folder.map_or(Ok(false), |folder| shell.set_folder(&id, &folder).map(|()| true))
}

#[tauri::command]
async fn set_conflict(shell: State<'_, Shell>, id: String, conflict: ConflictChoice) -> Result<()> {
    shell.set_conflict(&id, conflict)
}

#[tauri::command]
async fn start_download(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.start_download(&id)
}

#[tauri::command]
async fn pause_download(shell: State<'_, Shell>, id: String, paused: bool) -> Result<()> {
    shell.pause_download(&id, paused)
}

#[tauri::command]
async fn retry_download(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.retry_download(&id)
}

#[tauri::command]
async fn remove_download(shell: State<'_, Shell>, id: String) -> Result<()> {
    shell.remove_download(&id)
}

#[tauri::command]
async fn show_download(shell: State<'_, Shell>, id: String) -> Result<()> {
    reveal(&shell.folder_of(&id)?)
}

#[tauri::command]
async fn history(shell: State<'_, Shell>) -> Result<Vec<HistoryItem>> {
    Ok(shell.history())
}

#[tauri::command]
async fn forget_history(shell: State<'_, Shell>, id: Option<String>) -> Result<()> {
    shell.forget_history(id.as_deref());
    Ok(())
}

#[tauri::command]
async fn show_history(shell: State<'_, Shell>, id: String) -> Result<()> {
    reveal(&shell.history_folder(&id)?)
}

#[tauri::command]
async fn save_settings(shell: State<'_, Shell>, change: SettingsChange) -> Result<()> {
    shell.save_settings(change).await
}

#[tauri::command]
async fn choose_download_folder(
    shell: State<'_, Shell>,
    surface: State<'_, Surface>,
    window: WebviewWindow,
) -> Result<()> {
    let from = shell.download_folder();
    let folder = dialogs::choose_destination(&window, &surface.texts(), &from).await;
    folder.into_iter().for_each(|folder| shell.set_download_folder(&folder));
    Ok(())
}

#[tauri::command]
async fn test_connection(shell: State<'_, Shell>) -> Result<Vec<Check>> {
    Ok(check::all(&shell).await)
}

#[tauri::command]
async fn look_for_update(app: AppHandle, updates: State<'_, Updates>) -> Result<()> {
    updates.look(&app).await;
    Ok(())
}

#[tauri::command]
async fn fetch_update(updates: State<'_, Updates>) -> Result<()> {
    updates.fetch().await;
    Ok(())
}

#[tauri::command]
async fn install_update(app: AppHandle, updates: State<'_, Updates>) -> Result<bool> {
    updates.install(&app).await
}

#[tauri::command]
async fn quit(app: AppHandle) -> Result<()> {
    app.exit(0);
    Ok(())
}

// Opens the folder itself: what was downloaded lies in it.
fn reveal(folder: &std::path::Path) -> Result<()> {
    let gone = |error: &dyn std::fmt::Display| Failure::detailed(Code::DestinationGone, error);
    if !folder.is_dir() {
        return Err(gone(&folder.display()));
    }
    tauri_plugin_opener::open_path(folder, None::<&str>).map_err(|error| gone(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::NAMES;
    use std::collections::BTreeSet;

    #[test]
    fn the_window_may_call_these_commands_and_nothing_else() {
        let capability: serde_json::Value =
            serde_json::from_str(include_str!("../capabilities/main.json")).unwrap();
        let allowed: Vec<&str> =
            capability["permissions"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let commands: Vec<String> =
            NAMES.iter().map(|name| format!("allow-{}", name.replace('_', "-"))).collect();
        assert_eq!(allowed, commands);
        assert_eq!(capability["windows"], serde_json::json!(["main"]));
    }

    #[test]
    fn the_build_makes_a_permission_of_each() {
        let build = include_str!("../build.rs");
        let list = build.split_once("COMMANDS: &[&str] = &[").unwrap().1.split_once(']').unwrap().0;
        let made: BTreeSet<&str> = list
            .split(',')
            .map(|name| name.trim().trim_matches('"'))
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(made, NAMES.iter().copied().collect());
    }
}
