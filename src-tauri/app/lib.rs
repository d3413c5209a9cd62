//! The desktop shell: one window that draws the page under `ui/app`.

pub mod api;

/// Opens the window and returns when it has been closed.
///
/// # Errors
///
/// When the system has no display or no webview to draw with.
pub fn run() -> tauri::Result<()> {
    tauri::Builder::default().run(context())
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
        for source in ["unsafe", "http", "*", "data:", "blob:"] {
            assert!(!policy.contains(source), "{source} in {policy}");
        }
    }
}
