//! A download for people: one bar, or a line now and then.

use super::meter::Meter;
use super::{LINE_EVERY, NAMED_ENTRIES, Style, json_line, note, out_line, text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sluice_engine::disk::{Outcome, Report, Skip, Summary};
use sluice_engine::event::ReceiveEvent;
use sluice_protocol::queue::Tier;
use std::time::{Duration, Instant};

/// Columns that the words beside a bar usually take.
const WORDS: usize = 54;

/// How far a download is, as last told.
#[derive(Debug, Clone, Copy, Default)]
struct Far {
    bytes: u64,
    entries: u64,
    total_bytes: u64,
    total_entries: u64,
    complete: bool,
}

/// Tells what happens to a download.
pub struct View {
    style: Style,
    bar: ProgressBar,
    drawn: bool,
    far: Far,
    meter: Meter,
    last_line: Instant,
    last_told: u64,
    reports: u64,
    offered: bool,
    summary: Option<String>,
}

impl View {
    /// A view in this style.
    pub fn new(style: Style) -> Self {
        let target =
            if style == Style::Live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(plain) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(plain);
        }
        View {
            style,
            bar,
            drawn: false,
            far: Far::default(),
            meter: Meter::default(),
            last_line: Instant::now(),
            last_told: 0,
            reports: 0,
            offered: false,
            summary: None,
        }
    }

    /// Tells of an event; false when nobody reads the answer any more.
    pub fn show(&mut self, event: &ReceiveEvent, now: Instant) -> bool {
        if self.style == Style::Json {
            return json_line(event);
        }
        match event {
            ReceiveEvent::Progress { bytes, entries, total_bytes, total_entries, complete, .. } => {
                self.far = Far {
                    bytes: *bytes,
                    entries: *entries,
                    total_bytes: *total_bytes,
                    total_entries: *total_entries,
                    complete: *complete,
                };
                self.meter.record(now, *bytes);
                self.tick(now);
            }
            ReceiveEvent::Entry { path, kind, size, .. } => {
                return self.bar.suspend(|| out_line(&entry(path, kind, *size)));
            }
            ReceiveEvent::Report(report) => self.report(report),
            ReceiveEvent::Done(summary) => {
                self.bar.finish_and_clear();
                for line in done(summary, self.far.entries, self.reports) {
                    note(&line);
                }
            }
            _ => {
                if let Some(line) = self.words(event) {
                    self.say(&line);
                }
            }
        }
        true
    }

    /// Brings up to date what changes with time.
    pub fn tick(&mut self, now: Instant) {
        let rate = self.meter.rate(now);
        match self.style {
            Style::Json => {}
            Style::Live if self.far.total_entries > 0 => {
                self.draw_bar();
                let (bytes, total) = (self.far.bytes, self.far.total_bytes);
                // A share of empty files is measured in entries.
                let (at, of) =
                    if total > 0 { (bytes, total) } else { (self.far.entries, self.far.total_entries) };
                self.bar.set_length(of);
                self.bar.set_position(at.min(of));
                self.bar.set_message(status(&self.far, rate));
            }
            Style::Live => {}
            Style::Lines => {
                let moved = self.far.bytes != self.last_told;
                if moved && now.saturating_duration_since(self.last_line) >= LINE_EVERY {
                    self.last_line = now;
                    self.last_told = self.far.bytes;
                    note(&status(&self.far, rate));
                }
            }
        }
    }

    /// Takes away what was drawn, so that other words can follow.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn draw_bar(&mut self) {
        if std::mem::replace(&mut self.drawn, true) {
            return;
        }
        let columns = usize::from(console::Term::stderr().size().1);
        // The words come first; where they leave no room there is no bar.
        let width = columns.saturating_sub(WORDS).min(30);
        let template =
            if width >= 6 { format!("{{bar:{width}.cyan/dim}} {{wide_msg}}") } else { "{wide_msg}".into() };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
    }

    fn say(&mut self, line: &str) {
        match self.style {
            Style::Live if self.drawn => self.bar.suspend(|| note(line)),
            Style::Live => self.bar.set_message(line.to_owned()),
            Style::Lines => note(line),
            Style::Json => {}
        }
    }

    fn report(&mut self, report: &Report) {
        // What is there already is the rule in a folder that is received again.
        if matches!(report.outcome, Outcome::Skipped { reason: Skip::Identical }) {
            return;
        }
        self.reports += 1;
        if self.reports <= NAMED_ENTRIES {
            let line = outcome(report);
            self.bar.suspend(|| note(&line));
        }
    }

    fn words(&mut self, event: &ReceiveEvent) -> Option<String> {
        Some(match event {
            // A slot is free for it: connecting is the next that it hears of.
            ReceiveEvent::Place { tier: Tier::Active, .. } => return None,
            ReceiveEvent::Place { ahead, slots, wait_seconds, .. } => {
                let place = waiting(*ahead, *slots, wait_seconds.map(Duration::from_secs));
                match &self.summary {
                    // There is one line for both.
                    Some(summary) if self.style == Style::Live => format!("{place} {summary}"),
                    _ => place,
                }
            }
            ReceiveEvent::Summary { name, entries, bytes, complete } => {
                let summary = summary(name, *entries, *bytes, *complete);
                let is_first = self.summary.replace(summary.clone()).is_none();
                // While it grows, the next place tells of it.
                return (is_first || *complete).then_some(summary);
            }
            ReceiveEvent::SenderAway => "The sender is away; waiting for it to come back.".to_owned(),
            ReceiveEvent::SenderBack => "The sender is back.".to_owned(),
            ReceiveEvent::SenderPaused { paused: true } => "The sender has paused this share.".to_owned(),
            ReceiveEvent::SenderPaused { paused: false } => "The sender goes on.".to_owned(),
            ReceiveEvent::Connecting { attempt: 1 } => "Connecting to the sender…".to_owned(),
            ReceiveEvent::Connecting { attempt } => format!("Connecting to the sender, attempt {attempt}…"),
            ReceiveEvent::Connected { name, path } => {
                format!("Connected to the sender of {} ({}).", text::clean(name), text::path(*path))
            }
            ReceiveEvent::Offered { entries, bytes, unreadable, complete: true } if !self.offered => {
                self.offered = true;
                let what = text::counted(*entries, "entry", "entries");
                let unreadable = match unreadable {
                    0 => String::new(),
                    some => format!("; {} can't be read at the source", text::count(*some)),
                };
                format!("Offered: {what}, {}{unreadable}.", text::bytes(*bytes))
            }
            ReceiveEvent::Resumed { bytes, entries } => format!(
                "Going on from an earlier run: {} and {} are here.",
                text::bytes(*bytes),
                text::counted(*entries, "entry", "entries")
            ),
            ReceiveEvent::Retrying { code, seconds } => {
                format!("{} Trying again in {seconds:.0} s.", code.sentence())
            }
            _ => return None,
        })
    }
}

fn waiting(ahead: u32, slots: u16, wait: Option<Duration>) -> String {
    let place = match ahead {
        0 => "next in line".to_owned(),
        ahead => format!("{} ahead of you", text::count(u64::from(ahead))),
    };
    let wait = wait.map_or_else(String::new, |wait| format!("; {}", text::about(wait)));
    format!(
        "Waiting for {}: {place}{wait}.",
        if slots == 1 { "the slot".into() } else { format!("one of {slots} slots") }
    )
}

fn summary(name: &str, entries: u64, bytes: u64, complete: bool) -> String {
    let so_far = if complete { "" } else { " so far" };
    let what = text::counted(entries, "entry", "entries");
    format!("{} holds {what}, {}{so_far}.", text::clean(name), text::bytes(bytes))
}

// What matters most stands first, because a narrow terminal cuts the end.
fn status(far: &Far, rate: Option<u64>) -> String {
    let mut parts = Vec::new();
    if far.complete && far.total_bytes > 0 {
        let percent = u128::from(far.bytes.min(far.total_bytes)) * 100 / u128::from(far.total_bytes);
        parts.push(format!("{percent}%"));
    }
    parts.extend(rate.map(text::rate));
    if far.complete {
        parts.extend(text::time_left(far.total_bytes.saturating_sub(far.bytes), rate));
    }
    let so_far = if far.complete { "" } else { " so far" };
    parts.push(if far.total_bytes > 0 {
        format!("{} of {}{so_far}", text::bytes(far.bytes), text::bytes(far.total_bytes))
    } else {
        let total = text::counted(far.total_entries, "entry", "entries");
        format!("{} of {total}{so_far}", text::count(far.entries))
    });
    parts.join("  ")
}

fn entry(path: &str, kind: &str, size: u64) -> String {
    let size = if kind == "file" { text::bytes(size) } else { String::new() };
    format!("{kind:<10}  {size:>9}  {}", text::clean(path))
}

fn outcome(report: &Report) -> String {
    let path = text::clean(&report.path);
    match &report.outcome {
        Outcome::Renamed { to } => format!("{path}: written as {}", text::clean(to)),
        Outcome::Skipped { reason } => format!("{path}: skipped, {}", reason_words(*reason)),
        Outcome::Failed { code } => format!("{path}: failed ({code})"),
    }
}

fn reason_words(reason: Skip) -> &'static str {
    match reason {
        Skip::Identical => "it is here already",
        Skip::Exists => "another file is here",
        Skip::UnsafeLink => "a symlink that leads out of the share or that this system can't make",
        Skip::Duplicate => "it is listed twice",
        Skip::Unreadable(_) => "it can't be read at the source",
    }
}

fn done(summary: &Summary, entries: u64, reports: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(more) = reports.checked_sub(NAMED_ENTRIES).filter(|&more| more > 0) {
        lines.push(format!("… and {} more; --json tells of each.", text::count(more)));
    }
    let mut parts = vec![format!("{} verified and on disk", text::counted(entries, "entry", "entries"))];
    for (number, word) in
        [(summary.renamed, "renamed"), (summary.skipped, "skipped"), (summary.failed, "failed")]
    {
        if number > 0 {
            parts.push(format!("{} {word}", text::count(number)));
        }
    }
    lines.push(format!("{}.", parts.join(", ")));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sluice_engine::disk::Durable;
    use sluice_engine::rtc::Path;
    use sluice_protocol::error::Code;

    fn json(event: &ReceiveEvent) -> String {
        serde_json::to_string(event).unwrap()
    }

    #[test]
    fn the_status_tells_what_is_known() {
        let far = Far { bytes: 420, entries: 1, total_bytes: 1000, total_entries: 9, complete: true };
        assert_eq!(status(&far, Some(58)), "42%  58 B/s  10 s left  420 B of 1.0 kB");
        assert_eq!(status(&far, None), "42%  420 B of 1.0 kB");
        let growing = Far { complete: false, ..far };
        assert_eq!(status(&growing, Some(58)), "58 B/s  420 B of 1.0 kB so far");
        let empty = Far { entries: 3, total_entries: 9, complete: true, ..Far::default() };
        assert_eq!(status(&empty, None), "3 of 9 entries");
        let beyond = Far { bytes: 2000, ..far };
        assert!(status(&beyond, None).starts_with("100%"));
    }

    #[test]
    fn the_end_names_what_was_not_simply_written() {
        let plain = done(&Summary::default(), 1204, 0);
        assert_eq!(plain, ["1,204 entries verified and on disk."]);
        let summary = Summary { renamed: 1, skipped: 30, failed: 2, ..Summary::default() };
        assert_eq!(
            done(&summary, 9, 33),
            [
                "… and 13 more; --json tells of each.",
                "9 entries verified and on disk, 1 renamed, 30 skipped, 2 failed."
            ]
        );
    }

    #[test]
    fn one_that_waits_sees_its_place_and_what_for() {
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        assert_eq!(
            waiting(3, 20, minutes(4)),
            "Waiting for one of 20 slots: 3 ahead of you; about 4 minutes."
        );
        assert_eq!(waiting(0, 1, None), "Waiting for the slot: next in line.");
        assert_eq!(summary("a\u{1b}", 1, 1000, false), "a\u{fffd} holds 1 entry, 1.0 kB so far.");
        let event = |complete| ReceiveEvent::Summary { name: "a".into(), entries: 2, bytes: 0, complete };
        let place = |tier| ReceiveEvent::Place { tier, ahead: 1, slots: 2, wait_seconds: None };
        let mut view = View::new(Style::Live);
        assert_eq!(view.words(&event(false)).unwrap(), "a holds 2 entries, 0 B so far.");
        assert_eq!(view.words(&event(false)), None);
        assert_eq!(
            view.words(&place(Tier::Near)).unwrap(),
            "Waiting for one of 2 slots: 1 ahead of you. a holds 2 entries, 0 B so far."
        );
        assert_eq!(view.words(&place(Tier::Active)), None);
    }

    #[test]
    fn hostile_names_are_shown_harmless() {
        let report = Report { path: "a\u{1b}[2J".into(), outcome: Outcome::Renamed { to: "b\r".into() } };
        assert_eq!(outcome(&report), "a\u{fffd}[2J: written as b\u{fffd}");
        assert_eq!(entry("x\n", "file", 1000), "file           1.0 kB  x\u{fffd}");
    }

    // As docs/cli.md has them; programs rely on these texts.
    #[test]
    fn the_events_are_as_documented() {
        let guide = include_str!("../../../../docs/cli.md");
        let report = |outcome| ReceiveEvent::Report(Report { path: "photos/a.jpg".into(), outcome });
        for (event, text) in [
            (
                ReceiveEvent::Place { tier: Tier::Near, ahead: 3, slots: 20, wait_seconds: Some(240) },
                r#"{"event":"place","tier":"near","ahead":3,"slots":20,"wait_seconds":240}"#,
            ),
            (
                ReceiveEvent::Place { tier: Tier::Far, ahead: 30, slots: 20, wait_seconds: None },
                r#"{"event":"place","tier":"far","ahead":30,"slots":20}"#,
            ),
            (
                ReceiveEvent::Summary {
                    name: "photos".into(),
                    entries: 1204,
                    bytes: 38_200_000_000,
                    complete: true,
                },
                r#"{"event":"summary","name":"photos","entries":1204,"bytes":38200000000,"complete":true}"#,
            ),
            (ReceiveEvent::SenderAway, r#"{"event":"sender_away"}"#),
            (ReceiveEvent::SenderBack, r#"{"event":"sender_back"}"#),
            (ReceiveEvent::Connecting { attempt: 1 }, r#"{"event":"connecting","attempt":1}"#),
            (
                ReceiveEvent::Connected { name: "photos".into(), path: Some(Path::Local) },
                r#"{"event":"connected","name":"photos","path":"local"}"#,
            ),
            (
                ReceiveEvent::Offered { entries: 1204, bytes: 38_200_000_000, unreadable: 0, complete: true },
                r#"{"event":"offered","entries":1204,"bytes":38200000000,"unreadable":0,"complete":true}"#,
            ),
            (
                ReceiveEvent::Entry {
                    path: "photos/a.jpg".into(),
                    kind: "file",
                    size: 4096,
                    mtime: 1_700_000_000,
                },
                r#"{"event":"entry","path":"photos/a.jpg","kind":"file","size":4096,"mtime":1700000000}"#,
            ),
            (
                ReceiveEvent::Resumed { bytes: 16_777_216, entries: 12 },
                r#"{"event":"resumed","bytes":16777216,"entries":12}"#,
            ),
            (
                ReceiveEvent::Progress {
                    bytes: 2048,
                    durable_bytes: 1024,
                    entries: 1,
                    total_bytes: 4096,
                    total_entries: 2,
                    complete: true,
                    current: Some("photos/a.jpg".into()),
                },
                r#"{"event":"progress","bytes":2048,"durable_bytes":1024,"entries":1,"total_bytes":4096,"total_entries":2,"complete":true,"current":"photos/a.jpg"}"#,
            ),
            (ReceiveEvent::SenderPaused { paused: true }, r#"{"event":"sender_paused","paused":true}"#),
            (
                report(Outcome::Renamed { to: "photos/a (2).jpg".into() }),
                r#"{"event":"report","path":"photos/a.jpg","outcome":"renamed","to":"photos/a (2).jpg"}"#,
            ),
            (
                report(Outcome::Skipped { reason: Skip::Identical }),
                r#"{"event":"report","path":"photos/a.jpg","outcome":"skipped","reason":"identical"}"#,
            ),
            (
                report(Outcome::Failed { code: Code::SourceChanged }),
                r#"{"event":"report","path":"photos/a.jpg","outcome":"failed","code":"source_changed"}"#,
            ),
            (
                ReceiveEvent::Retrying { code: Code::Stalled, seconds: 2.0 },
                r#"{"event":"retrying","code":"stalled","seconds":2.0}"#,
            ),
            (
                ReceiveEvent::Done(Summary {
                    durable: Durable { bytes: 4096, entries: 2 },
                    renamed: 1,
                    ..Summary::default()
                }),
                r#"{"event":"done","durable":{"bytes":4096,"entries":2},"renamed":1,"skipped":0,"failed":0,"reports":[]}"#,
            ),
        ] {
            assert_eq!(json(&event), text);
            assert!(guide.contains(text), "docs/cli.md lacks {text}");
        }
    }
}
