//! A share for people: the link, its QR code, and one live line a receiver, or lines now and then.

use super::meter::Meter;
use super::{LINE_EVERY, NAMED_ENTRIES, Style, json_line, note, out_line, qr, text};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sluice_engine::event::ShareEvent;
use sluice_engine::rtc::Path;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::time::Instant;

/// What is known of a connected receiver.
struct Receiver {
    name: String,
    path: Option<Path>,
    bytes: u64,
    meter: Meter,
    bar: ProgressBar,
}

/// Tells what happens to a share.
pub struct View {
    style: Style,
    slots: u16,
    multi: MultiProgress,
    head: ProgressBar,
    receivers: HashMap<PeerId, Receiver>,
    joined: HashSet<PeerId>,
    done: HashSet<PeerId>,
    waiting: u32,
    entries: u64,
    bytes: u64,
    walked: bool,
    failures: u64,
    last_line: Instant,
    last_told: u64,
    columns: usize,
}

impl View {
    /// A view in this style of a share with so many slots.
    pub fn new(style: Style, slots: u16) -> Self {
        let live = style == Style::Live;
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        View {
            style,
            slots,
            multi: MultiProgress::with_draw_target(target),
            head: ProgressBar::hidden(),
            receivers: HashMap::new(),
            joined: HashSet::new(),
            done: HashSet::new(),
            waiting: 0,
            entries: 0,
            bytes: 0,
            walked: false,
            failures: 0,
            last_line: Instant::now(),
            last_told: 0,
            columns: usize::from(console::Term::stderr().size().1),
        }
    }

    /// Tells of an event.
    pub fn show(&mut self, event: &ShareEvent, now: Instant) {
        if self.style == Style::Json {
            json_line(event);
            return;
        }
        match event {
            ShareEvent::Shared { link, name, .. } => self.shared(link, name),
            ShareEvent::Walked { entries, bytes, unreadable, complete } => {
                (self.entries, self.bytes) = (*entries, *bytes);
                if *complete && !std::mem::replace(&mut self.walked, true) {
                    self.say_when_walked(*unreadable);
                }
            }
            ShareEvent::Waiting { count } => self.waiting = *count,
            ShareEvent::ReceiverJoined { receiver } => {
                self.joined.insert(*receiver);
            }
            ShareEvent::ReceiverConnected { receiver, name, path } => self.connected(*receiver, name, *path),
            ShareEvent::ReceiverProgress { receiver, bytes, .. } => {
                if let Some(receiver) = self.receivers.get_mut(receiver) {
                    receiver.bytes = *bytes;
                    receiver.meter.record(now, *bytes);
                }
            }
            ShareEvent::ReceiverDone { receiver, bytes, entries } => {
                self.done.insert(*receiver);
                let name = self.remove(*receiver);
                let what = text::counted(*entries, "entry", "entries");
                self.say(&format!("{name} has everything it chose: {}, {what}.", text::bytes(*bytes)));
            }
            ShareEvent::ReceiverLost { receiver, code } => {
                let name = self.remove(*receiver);
                self.say(&match code {
                    Code::PeerLeft | Code::Interrupted => format!("{name} left; it may come back."),
                    _ => format!("{name} is gone ({code}); it may come back."),
                });
            }
            ShareEvent::ReceiverLeft { receiver } => {
                self.joined.remove(receiver);
            }
            ShareEvent::EntryFailed { receiver, path, code } => self.failed(*receiver, path, code.as_str()),
            ShareEvent::ServerLost { code } => {
                self.say(&format!("{} Transfers go on, and it is tried again.", code.sentence()));
            }
            ShareEvent::ServerBack => self.say("The share is open at the server again."),
            ShareEvent::Ended => self.close(),
        }
        if self.style == Style::Live {
            self.tick(now);
        }
    }

    /// Brings up to date what changes with time.
    pub fn tick(&mut self, now: Instant) {
        let mut speed = 0;
        for receiver in self.receivers.values_mut() {
            let rate = receiver.meter.rate(now);
            speed += rate.unwrap_or(0);
            receiver.bar.set_length(self.bytes.max(1));
            receiver.bar.set_position(receiver.bytes.min(self.bytes));
            receiver.bar.set_message(status(receiver.bytes, self.bytes, self.walked, rate, receiver.path));
        }
        match self.style {
            Style::Json => {}
            Style::Live => self.head.set_message(self.summary(speed)),
            Style::Lines => {
                let told = self.receivers.values().map(|receiver| receiver.bytes).fold(0, u64::wrapping_add);
                let due = now.saturating_duration_since(self.last_line) >= LINE_EVERY;
                if due && !self.receivers.is_empty() && told != self.last_told {
                    self.last_line = now;
                    self.last_told = told;
                    note(&self.summary(speed));
                }
            }
        }
    }

    /// Tells a person something, above what is drawn. Programs read events instead, but a warning is for both.
    pub fn say(&self, line: &str) {
        self.multi.suspend(|| note(line));
    }

    /// Takes away what was drawn, so that other words can follow.
    pub fn close(&mut self) {
        for receiver in self.receivers.values() {
            receiver.bar.finish_and_clear();
        }
        self.head.finish_and_clear();
    }

    fn shared(&mut self, link: &str, name: &str) {
        note(&format!("Sharing {}. Whoever has this link can receive it:", text::clean(name)));
        // A person whose terminal shows only standard error needs the link there too.
        if !std::io::stdout().is_terminal() {
            note(link);
        }
        out_line(link);
        if self.style == Style::Live {
            note("");
            match qr::draw(link, self.columns) {
                Some(lines) => lines.iter().for_each(|line| note(&qr::coloured(line))),
                None => note("(The terminal is too narrow for the QR code.)"),
            }
            note("");
            self.head = self.multi.add(ProgressBar::new(1));
            if let Ok(plain) = ProgressStyle::with_template("{wide_msg}") {
                self.head.set_style(plain);
            }
        }
    }

    fn say_when_walked(&self, unreadable: u64) {
        let what = text::counted(self.entries, "entry", "entries");
        if self.style == Style::Lines {
            self.say(&format!("It holds {what}, {}.", text::bytes(self.bytes)));
        }
        if unreadable > 0 {
            let what = text::counted(unreadable, "entry", "entries");
            self.say(&format!("{what} can't be read; receivers see which."));
        }
    }

    fn connected(&mut self, peer: PeerId, name: &str, path: Option<Path>) {
        let name = text::clean(name);
        if self.style == Style::Lines {
            self.say(&format!("{name} is connected ({}).", text::path(path)));
        }
        let bar = match self.style {
            Style::Live => self.multi.add(ProgressBar::new(1)),
            _ => ProgressBar::hidden(),
        };
        let (names, width) = if self.columns >= 72 { (20, 16) } else { (12, 6) };
        let template = format!("{{prefix:{names}!}} {{bar:{width}.cyan/dim}} {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(name.clone());
        let receiver = Receiver { name, path, bytes: 0, meter: Meter::default(), bar };
        if let Some(before) = self.receivers.insert(peer, receiver) {
            self.take_away(&before.bar);
        }
    }

    fn failed(&mut self, receiver: PeerId, path: &str, code: &str) {
        self.failures += 1;
        let name = self.receivers.get(&receiver).map_or("a receiver", |receiver| receiver.name.as_str());
        if self.failures <= NAMED_ENTRIES {
            self.say(&format!("{}: could not be sent to {name} ({code})", text::clean(path)));
        } else if self.failures == NAMED_ENTRIES + 1 {
            self.say("… and more; --json tells of each.");
        }
    }

    fn remove(&mut self, receiver: PeerId) -> String {
        match self.receivers.remove(&receiver) {
            Some(receiver) => {
                self.take_away(&receiver.bar);
                receiver.name
            }
            None => "A receiver".to_owned(),
        }
    }

    fn take_away(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.multi.remove(bar);
    }

    fn summary(&self, speed: u64) -> String {
        let so_far = if self.walked { "" } else { " so far" };
        let mut parts = vec![
            format!("{}{so_far}", text::counted(self.entries, "entry", "entries")),
            text::bytes(self.bytes),
            format!("{} out", text::rate(speed)),
            format!("{} of {} slots", self.joined.len(), self.slots),
        ];
        if self.waiting > 0 {
            parts.push(format!("{} waiting", text::count(u64::from(self.waiting))));
        }
        if !self.done.is_empty() {
            parts.push(format!("{} done", text::count(self.done.len() as u64)));
        }
        parts.join("  ")
    }
}

// What matters most stands first, because a narrow terminal cuts the end.
fn status(bytes: u64, total: u64, walked: bool, rate: Option<u64>, path: Option<Path>) -> String {
    let mut parts = Vec::new();
    if walked && total > 0 {
        parts.push(format!("{}%", u128::from(bytes.min(total)) * 100 / u128::from(total)));
    }
    parts.extend(rate.map(text::rate));
    if walked {
        parts.extend(text::time_left(total.saturating_sub(bytes), rate));
    }
    parts.push(text::path(path).to_owned());
    parts.push(text::bytes(bytes));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sluice_protocol::id::ShareId;

    const PEER: PeerId = PeerId([0; 16]);

    #[test]
    fn a_receivers_line_tells_what_is_known() {
        let local = Some(Path::Local);
        assert_eq!(status(420, 1000, true, Some(58), local), "42%  58 B/s  10 s left  local  420 B");
        assert_eq!(status(420, 1000, false, Some(58), None), "58 B/s  connected  420 B");
        assert_eq!(status(0, 0, true, None, local), "local  0 B");
    }

    #[test]
    fn the_summary_follows_the_receivers() {
        let now = Instant::now();
        let mut view = View::new(Style::Lines, 20);
        assert_eq!(view.summary(0), "0 entries so far  0 B  0 B/s out  0 of 20 slots");
        let connected =
            |name: &str| ShareEvent::ReceiverConnected { receiver: PEER, name: name.into(), path: None };
        for event in [
            ShareEvent::Walked { entries: 1204, bytes: 38_240_000_000, unreadable: 0, complete: true },
            ShareEvent::Waiting { count: 7 },
            ShareEvent::ReceiverJoined { receiver: PEER },
            connected("Ana\u{1b}"),
        ] {
            view.show(&event, now);
        }
        assert_eq!(
            view.summary(84_200_000),
            "1,204 entries  38.2 GB  84.2 MB/s out  1 of 20 slots  7 waiting"
        );
        assert_eq!(view.receivers[&PEER].name, "Ana\u{fffd}");
        view.show(&connected("Ana"), now);
        view.show(&ShareEvent::ReceiverDone { receiver: PEER, bytes: 1, entries: 1 }, now);
        view.show(&ShareEvent::ReceiverLeft { receiver: PEER }, now);
        assert!(view.receivers.is_empty());
        assert_eq!(view.summary(0), "1,204 entries  38.2 GB  0 B/s out  0 of 20 slots  7 waiting  1 done");
    }

    // As docs/cli.md has them; programs rely on these texts.
    #[test]
    fn the_events_are_as_documented() {
        let guide = include_str!("../../../../docs/cli.md");
        let receiver = PEER;
        for (event, text) in [
            (
                ShareEvent::Shared {
                    link: "http://192.168.1.20:7575/s/ID#KEY".into(),
                    deep_link: "sluice://192.168.1.20:7575/p/ID#KEY".into(),
                    share: ShareId([0; 16]),
                    name: "photos".into(),
                },
                r#"{"event":"shared","link":"http://192.168.1.20:7575/s/ID#KEY","deep_link":"sluice://192.168.1.20:7575/p/ID#KEY","share":"AAAAAAAAAAAAAAAAAAAAAA","name":"photos"}"#,
            ),
            (
                ShareEvent::Walked { entries: 1204, bytes: 38_200_000_000, unreadable: 0, complete: true },
                r#"{"event":"walked","entries":1204,"bytes":38200000000,"unreadable":0,"complete":true}"#,
            ),
            (
                ShareEvent::ServerLost { code: Code::ServerUnreachable },
                r#"{"event":"server_lost","code":"server_unreachable"}"#,
            ),
            (ShareEvent::ServerBack, r#"{"event":"server_back"}"#),
            (ShareEvent::Waiting { count: 7 }, r#"{"event":"waiting","count":7}"#),
            (
                ShareEvent::ReceiverJoined { receiver },
                r#"{"event":"receiver_joined","receiver":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
            ),
            (
                ShareEvent::ReceiverConnected {
                    receiver,
                    name: "Ana's laptop".into(),
                    path: Some(Path::Direct),
                },
                r#"{"event":"receiver_connected","receiver":"AAAAAAAAAAAAAAAAAAAAAA","name":"Ana's laptop","path":"direct"}"#,
            ),
            (
                ShareEvent::ReceiverProgress { receiver, bytes: 2048, entries: 1, total_bytes: Some(4096) },
                r#"{"event":"receiver_progress","receiver":"AAAAAAAAAAAAAAAAAAAAAA","bytes":2048,"entries":1,"total_bytes":4096}"#,
            ),
            (
                ShareEvent::ReceiverDone { receiver, bytes: 4096, entries: 2 },
                r#"{"event":"receiver_done","receiver":"AAAAAAAAAAAAAAAAAAAAAA","bytes":4096,"entries":2}"#,
            ),
            (
                ShareEvent::ReceiverLost { receiver, code: Code::PeerLeft },
                r#"{"event":"receiver_lost","receiver":"AAAAAAAAAAAAAAAAAAAAAA","code":"peer_left"}"#,
            ),
            (
                ShareEvent::ReceiverLeft { receiver },
                r#"{"event":"receiver_left","receiver":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
            ),
            (
                ShareEvent::EntryFailed { receiver, path: "photos/a.jpg".into(), code: Code::SourceChanged },
                r#"{"event":"entry_failed","receiver":"AAAAAAAAAAAAAAAAAAAAAA","path":"photos/a.jpg","code":"source_changed"}"#,
            ),
            (ShareEvent::Ended, r#"{"event":"ended"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
            assert!(guide.contains(text), "docs/cli.md lacks {text}");
        }
    }
}
