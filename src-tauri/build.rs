//! Builds the desktop app's Tauri context: its configuration, its icons, and what its window may call.

/// The commands that there is a permission for each of; those of `app/commands.rs`.
const COMMANDS: &[&str] = &[
    "subscribe",
    "share_files",
    "share_folder",
    "set_terms",
    "pause_share",
    "end_share",
    "restart_share",
    "remove_share",
    "pause_receiver",
    "limit_receiver",
    "let_go",
    "copy_link",
    "qr",
    "open_link",
    "give_password",
    "rows",
    "open_row",
    "tick_row",
    "tick_all",
    "choose_folder",
    "set_conflict",
    "start_download",
    "pause_download",
    "retry_download",
    "remove_download",
    "show_download",
    "history",
    "forget_history",
    "show_history",
    "save_settings",
    "choose_download_folder",
    "test_connection",
    "look_for_update",
    "fetch_update",
    "install_update",
    "quit",
];

fn main() {
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(manifest);
    tauri_build::try_build(attributes).expect("tauri.conf.json and the capabilities are valid");
}
