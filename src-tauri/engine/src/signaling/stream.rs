//! Server-sent events (WHATWG HTML §9.2), read from bytes as they come.

use std::time::Duration;

/// The longest line and the most data of one event, in bytes; ours have some hundred.
const MAX_LEN: usize = 64 * 1024;

/// What a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// An event.
    Event {
        /// Its kind; `message` where it names none.
        name: String,
        /// Its data, lines joined by line feeds.
        data: String,
        /// The last id that the stream told, in this event or before.
        id: String,
    },
    /// How long to wait before the stream is opened again.
    Retry(Duration),
    /// A line that says nothing but that the server is there.
    Comment,
}

/// A line or an event is longer than any of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too long")]
pub(super) struct TooLong;

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    // A line feed behind a carriage return belongs to it.
    after_return: bool,
    begun: bool,
    name: String,
    data: Option<String>,
    id: String,
}

impl EventReader {
    /// Takes the next bytes, and gives what is whole by now.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no more use then.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Item>, TooLong> {
        let mut items = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    items.extend(self.handle_line(&String::from_utf8_lossy(&line))?);
                }
                _ if self.line.len() >= MAX_LEN => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(items)
    }

    fn handle_line(&mut self, line: &str) -> Result<Option<Item>, TooLong> {
        let line = match std::mem::replace(&mut self.begun, true) {
            true => line,
            false => line.strip_prefix('\u{feff}').unwrap_or(line),
        };
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Ok(Some(Item::Comment)),
            "event" => self.name = value.to_owned(),
            "data" => {
                let data = match self.data.take() {
                    Some(data) => data + "\n" + value,
                    None => value.to_owned(),
                };
                if data.len() > MAX_LEN {
                    return Err(TooLong);
                }
                self.data = Some(data);
            }
            "id" if !value.contains('\0') => self.id = value.to_owned(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Ok(value.parse().ok().map(|ms| Item::Retry(Duration::from_millis(ms))));
            }
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Item> {
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Item::Event { name, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Item> {
        EventReader::default().handle_bytes(text.as_bytes()).unwrap()
    }

    fn event(name: &str, data: &str, id: &str) -> Item {
        Item::Event { name: name.into(), data: data.into(), id: id.into() }
    }

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        assert_eq!(
            read("event: place\nid: f9\ndata: {\"a\":1}\n\n:\n\nretry: 500\n\n"),
            [event("place", "{\"a\":1}", "f9"), Item::Comment, Item::Retry(Duration::from_millis(500))]
        );
        // The examples of the standard.
        assert_eq!(read("data: YHOO\ndata: +2\ndata: 10\n\n"), [event("message", "YHOO\n+2\n10", "")]);
        assert_eq!(
            read(
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
            ),
            [
                Item::Comment,
                event("message", "first event", "1"),
                event("message", "second event", ""),
                event("message", " third event", "")
            ]
        );
        assert_eq!(
            read("data\n\ndata\ndata\n\ndata:"),
            [event("message", "", ""), event("message", "\n", "")]
        );
        assert_eq!(read("data:test\n\ndata: test\n\n"), vec![event("message", "test", ""); 2]);
    }

    #[test]
    fn all_ends_of_lines_are_the_same_and_a_mark_at_the_start_is_nothing() {
        for end in ["\n", "\r", "\r\n"] {
            let text = "\u{feff}event: a\nid: 1\ndata: x\n\ndata: y\n\n".replace('\n', end);
            assert_eq!(read(&text), [event("a", "x", "1"), event("message", "y", "1")], "{end:?}");
        }
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        assert_eq!(
            read("other: x\nevent: a\n\nid: a\0b\nretry: soon\nretry:\nretry: -1\ndata: x\n\n"),
            [event("message", "x", "")]
        );
        assert!(read("retry: 99999999999999999999999\n\n").is_empty());
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let mut reader = EventReader::default();
        assert_eq!(reader.handle_bytes(&[b'a'; MAX_LEN + 1]), Err(TooLong));
        let line = format!("data:{}\n", "x".repeat(MAX_LEN / 2));
        assert_eq!(EventReader::default().handle_bytes(line.repeat(3).as_bytes()), Err(TooLong));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            lines in proptest::collection::vec("(data|event|id|retry|x|)(:)?( )?[a-z0-9é\u{0}]{0,5}(\r\n|\n|\r|\n\n)", 0..20),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = lines.concat().into_bytes();
            let whole = EventReader::default().handle_bytes(&bytes).unwrap();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let mut reader = EventReader::default();
            let parts: Vec<Item> =
                at.windows(2).flat_map(|part| reader.handle_bytes(&bytes[part[0]..part[1]]).unwrap()).collect();
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = EventReader::default().handle_bytes(&bytes);
        }
    }
}
