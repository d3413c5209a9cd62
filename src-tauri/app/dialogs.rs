//! The system's own dialogs for files and folders: the only way, beside drops, by which a path comes in.

use crate::texts::Texts;
use rfd::AsyncFileDialog;
use std::path::{Path, PathBuf};
use tauri::{Runtime, WebviewWindow};

/// Asks for files; none if the person cancelled.
pub async fn choose_files<R: Runtime>(window: &WebviewWindow<R>, texts: &Texts) -> Vec<PathBuf> {
    let title = texts.get("choose_files", &[]);
    let chosen = AsyncFileDialog::new().set_parent(window).set_title(title).pick_files().await;
    chosen.unwrap_or_default().iter().map(|file| file.path().to_owned()).collect()
}

/// Asks for a folder to share.
pub async fn choose_folder<R: Runtime>(window: &WebviewWindow<R>, texts: &Texts) -> Option<PathBuf> {
    let title = texts.get("choose_folder", &[]);
    let chosen = AsyncFileDialog::new().set_parent(window).set_title(title).pick_folder().await;
    chosen.map(|folder| folder.path().to_owned())
}

/// Asks where something is to go, beginning at `from`.
pub async fn choose_destination<R: Runtime>(
    window: &WebviewWindow<R>,
    texts: &Texts,
    from: &Path,
) -> Option<PathBuf> {
    let title = texts.get("choose_destination", &[]);
    let there = from.ancestors().find(|folder| folder.is_dir()).unwrap_or(from);
    let dialog = AsyncFileDialog::new().set_parent(window).set_title(title).set_directory(there);
    dialog.pick_folder().await.map(|folder| folder.path().to_owned())
}
