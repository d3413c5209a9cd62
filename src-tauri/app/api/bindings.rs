//! Writes `ui/app/bindings.ts`, the types of this module in TypeScript, and holds it to them.

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::*;
    use std::fmt::Write as _;
    use std::path::Path;
    use ts_rs::{Config, TS};

    fn declare<T: TS>(text: &mut String, config: &Config) {
        if let Some(docs) = T::docs() {
            text.push_str(&docs);
        }
        writeln!(text, "export {}\n", T::decl(config)).unwrap();
    }

    fn bindings() -> String {
        // Sizes and times are far below 2^53.
        let config = Config::new().with_large_int("number");
        let mut text = String::from(
            "// The types that the window and the shell speak in; made from `src-tauri/app/api` by its tests with SLUICE_BLESS=1.\n\n",
        );
        writeln!(text, "/** All codes that an error can have, in the order of the protocol. */").unwrap();
        let codes: Vec<_> = Code::ALL.iter().map(|code| format!("  '{code}',\n")).collect();
        writeln!(text, "export const CODES = [\n{}] as const;\n", codes.concat()).unwrap();
        text.push_str("/** A stable error code. */\nexport type Code = (typeof CODES)[number];\n\n");
        text.push_str(
            "/** How far from a slot a receiver is. */\nexport type Tier = 'active' | 'near' | 'far';\n\n",
        );
        macro_rules! declare_all {
            ($($name:ty),* $(,)?) => { $(declare::<$name>(&mut text, &config);)* };
        }
        declare_all!(
            Snapshot,
            AppEvent,
            UpdateView,
            Place,
            Notice,
            Failure,
            QrCode,
            PathKind,
            ShareTerms,
            ShareView,
            ShareState,
            Reach,
            ReceiverView,
            ReceiverState,
            DownloadView,
            DownloadState,
            Offer,
            Chosen,
            ConflictChoice,
            DownloadProgress,
            ReportView,
            ReportOutcome,
            Rows,
            Row,
            RowKind,
            Tick,
            Settings,
            IceSetting,
            Check,
            CheckOf,
            CheckResult,
            HistoryItem,
        );
        text
    }

    #[test]
    fn the_bindings_are_those_of_these_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/app/bindings.ts");
        let made = bindings();
        if std::env::var_os("SLUICE_BLESS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), made, "run this test with SLUICE_BLESS=1");
    }
}
