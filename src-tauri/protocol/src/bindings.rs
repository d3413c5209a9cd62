//! Writes `ui/protocol/bindings.ts`, the messages and the numbers of this crate in TypeScript, and holds it to them.

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::error::Code;
    use crate::{
        control, frame, handshake, link, manifest, path, queue, receive, send, session, signal, summary,
    };
    use std::fmt::Write as _;
    use std::path::Path;
    use ts_rs::{Config, TS};

    const HEAD: &str = "// The messages, limits and codes of the protocol; made from `src-tauri/protocol` by its tests with SLUICE_BLESS=1.

import type { JoinHash, JoinKey, OwnerKey, PeerId, ShareId } from './id';
import type { RelPath } from './path';

";

    fn declare<T: TS>(text: &mut String, config: &Config) {
        if let Some(docs) = T::docs() {
            text.push_str(&docs);
        }
        writeln!(text, "export {}\n", T::decl(config)).unwrap();
    }

    fn numbers(text: &mut String) {
        macro_rules! numbers {
            ($($name:literal = $value:expr;)*) => { $(writeln!(text, "export const {} = {};", $name, $value).unwrap();)* };
        }
        numbers! {
            "VERSION" = crate::VERSION;
            "CHUNK_SIZE" = crate::CHUNK_SIZE;
            "MAX_FILE_SIZE" = crate::MAX_FILE_SIZE;
            "TAG_LEN" = crate::crypto::TAG_LEN;
            "HEADER_LEN" = frame::HEADER_LEN;
            "MIN_MESSAGE_LEN" = frame::MIN_MESSAGE_LEN;
            "MAX_MESSAGE_LEN" = frame::MAX_MESSAGE_LEN;
            "MAX_CONTROL_LEN" = frame::MAX_CONTROL_LEN;
            "MAX_DISPLAY_NAME_LEN" = handshake::MAX_NAME_LEN;
            "MAX_LINK_LEN" = link::MAX_LINK_LEN;
            "MAX_PAGE_LEN" = manifest::MAX_PAGE_LEN;
            "MAX_PAGE_ENTRIES" = manifest::MAX_PAGE_ENTRIES;
            "MAX_ENTRIES" = manifest::MAX_ENTRIES;
            "MAX_TARGET_LEN" = manifest::MAX_TARGET_LEN;
            "MAX_PATH_LEN" = path::MAX_PATH_LEN;
            "MAX_NAME_LEN" = path::MAX_NAME_LEN;
            "MAX_DEPTH" = path::MAX_DEPTH;
            "MAX_WANT_ITEMS" = control::MAX_WANT_ITEMS;
            "MAX_REQUESTS" = send::MAX_REQUESTS;
            "BATCH_LEN" = send::BATCH_LEN;
            "DATA_FRAME_LEN" = send::DATA_FRAME_LEN;
            "CREDIT_WINDOW" = receive::CREDIT_WINDOW;
            "PAGE_WINDOW" = receive::PAGE_WINDOW;
            "SUMMARY_LEN" = summary::PLAIN_LEN;
            "SEALED_SUMMARY_LEN" = summary::SEALED_LEN;
            "ALIVE_AFTER_MS" = session::ALIVE_AFTER.as_millis();
            "STALLED_AFTER_MS" = session::STALLED_AFTER.as_millis();
            "MAX_SIGNAL_LEN" = signal::MAX_MESSAGE_LEN;
            "MAX_SDP_LEN" = signal::MAX_SDP_LEN;
            "MAX_CANDIDATE_LEN" = signal::MAX_CANDIDATE_LEN;
            "MAX_SLOTS" = signal::MAX_SLOTS;
            "DEFAULT_SLOTS" = signal::DEFAULT_SLOTS;
            "MAX_SUMMARY_TEXT_LEN" = signal::MAX_SUMMARY_LEN;
        }
    }

    fn bindings() -> String {
        // What the protocol computes with is far below 2^53; what may be more is only shown.
        let config = Config::new().with_large_int("number");
        let mut text = String::from(HEAD);
        text.push_str("/** Every code that an error can have, and what is said to a person. */\nexport const SENTENCES = {\n");
        for code in Code::ALL {
            writeln!(text, "  {code}: {:?},", code.sentence()).unwrap();
        }
        text.push_str(
            "} as const;\n\n/** A stable error code. */\nexport type Code = keyof typeof SENTENCES;\n\n",
        );
        text.push_str(
            "// Lengths are in bytes, times in milliseconds; docs/protocol.md says what each is.\n",
        );
        numbers(&mut text);
        text.push('\n');
        macro_rules! declare_all {
            ($($name:ty),* $(,)?) => { $(declare::<$name>(&mut text, &config);)* };
        }
        declare_all!(
            control::ReceiverMessage,
            control::SenderMessage,
            control::WantItem,
            control::EntryFailure,
            manifest::Entry,
            manifest::EntryKind,
            manifest::Mtime,
            manifest::Unreadable,
            manifest::Totals,
            frame::RecordHeader,
            receive::Want,
            send::Piece,
            summary::Summary,
            signal::CreateShare,
            signal::ShareCreated,
            signal::JoinShare,
            signal::ShareJoined,
            signal::Place,
            queue::Tier,
            queue::Progress,
            signal::IceServer,
            signal::IceServers,
            signal::Summary,
            signal::ErrorBody,
            signal::Signal,
            signal::ClientMessage,
            signal::ServerMessage,
        );
        text
    }

    #[test]
    fn the_bindings_are_those_of_these_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/protocol/bindings.ts");
        let made = bindings();
        if std::env::var_os("SLUICE_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), made, "run this test with SLUICE_BLESS=1");
    }
}
