//! What was measured, as a table for people, with what is to be reached next to it.

use std::fmt::Write;
use std::fs;

use super::Sample;
use super::scratch::Scratch;
use super::work::{RECEIVER_MIB, SENDER_MIB, Work};

/// All runs of one program with one piece of work.
pub struct Row {
    pub work: Work,
    pub name: &'static str,
    pub samples: Vec<Sample>,
}

impl Row {
    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }
}

/// The machine as it was before the first run.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gib = kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / f64::from(1 << 20);
    format!(
        "{cpus} processors ({}), {gib:.0} GiB of memory, {} {}; load average {} before",
        model.map_or("unknown", |(_, model)| model),
        std::env::consts::OS,
        read("/proc/sys/kernel/osrelease").trim(),
        load(),
    )
}

/// The same, and where the files are.
pub fn machine_and_files(scratch: &Scratch) -> String {
    let place = if scratch.in_memory { "in memory (/dev/shm)" } else { "on this machine's disk" };
    format!("{}\nFiles at both ends {place}, sources in the page cache.", machine())
}

/// The whole report.
pub fn print(rows: &[Row], machine: &str, missing: &[&str], runs: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\n{machine} Load average {} after.", load());
    let _ = match runs {
        1 => writeln!(text, "One run of each."),
        _ => writeln!(text, "Medians of {runs} runs; in every run the programs take turns."),
    };
    if !missing.is_empty() {
        let _ = writeln!(text, "Not installed: {}.", missing.join(", "));
    }
    text.push_str(
        "\n| work | program | whole s | moving s | moving MB/s | CPU s sender | CPU s receivers \
         | MiB sender | MiB receiver | fastest/slowest |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let megabytes = row.work.bytes() as f64 / 1e6;
        let mib = |figure: f64| if figure > 0.0 { format!("{figure:.0}") } else { "–".to_owned() };
        let fairness = row.median(|sample| sample.fairness);
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} | {} | {} | {} |",
            row.work.title,
            row.name,
            row.median(|sample| sample.whole),
            row.median(|sample| sample.moving),
            row.median(|sample| megabytes / sample.moving),
            row.median(|sample| sample.sender.cpu_seconds),
            row.median(|sample| sample.receivers.cpu_seconds),
            mib(row.median(|sample| sample.sender.peak_mib)),
            mib(row.median(|sample| sample.receivers.peak_mib)),
            if row.work.receivers > 1 { format!("{fairness:.2}") } else { "–".to_owned() },
        );
    }
    text.push_str("\n| work | to reach | measured | |\n| --- | --- | ---: | --- |\n");
    for row in rows.iter().filter(|row| row.name == "sluice") {
        let beside = |name| rows.iter().find(|other| other.work == row.work && other.name == name);
        for target in targets(row, beside("bare channel"), beside("rsync daemon")) {
            let _ = writeln!(text, "| {} | {target}", row.work.title);
        }
    }
    text
}

/// What is to be reached, what was, and whether that will do, each as the rest of a table's line.
fn targets(ours: &Row, bare: Option<&Row>, rsync: Option<&Row>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |what: String, measured: f64, reached: bool| {
        let verdict = if reached { "reached" } else { "**missed**" };
        lines.push(format!("{what} | {measured:.2} | {verdict} |"));
    };
    if let (Some(least), Some(bare)) = (ours.work.of_bare, bare) {
        let part = ratio(bare, ours, |sample| sample.moving);
        line(format!("{least} of the bare channel's speed or more"), part, part >= least);
    }
    if let Some(least) = ours.work.fairness {
        let part = ours.median(|sample| sample.fairness);
        line(format!("the slowest at {least} of the fastest or more"), part, part >= least);
    }
    if let (Some(most), Some(rsync)) = (ours.work.of_rsync, rsync) {
        let times = ratio(ours, rsync, |sample| sample.whole);
        line(format!("less than {most} times rsync's time"), times, times < most);
    }
    let sender = ours.samples.iter().map(|sample| sample.sender.peak_mib).fold(0.0, f64::max);
    line(format!("sender below {SENDER_MIB} MiB, in every run"), sender, sender < SENDER_MIB);
    let receiver = ours.samples.iter().map(|sample| sample.receivers.peak_mib).fold(0.0, f64::max);
    line(format!("receiver below {RECEIVER_MIB} MiB, in every run"), receiver, receiver < RECEIVER_MIB);
    lines
}

/// The median over all rounds of one figure over another's of the same round, which had the same moods to bear.
fn ratio(above: &Row, below: &Row, figure: impl Fn(&Sample) -> f64) -> f64 {
    let rounds = above.samples.iter().zip(&below.samples);
    median(rounds.map(|(above, below)| figure(above) / figure(below)).collect())
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => figures[middle],
        _ => (figures[middle - 1] + figures[middle]) / 2.0,
    }
}

/// The load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::Usage;
    use super::super::work::ALL;
    use super::*;

    fn row(work: &Work, name: &'static str, times: &[f64], peak_mib: f64, fairness: f64) -> Row {
        let usage = Usage { cpu_seconds: 1.0, peak_mib };
        let sample =
            |&time: &f64| Sample { whole: time, moving: time, sender: usage, receivers: usage, fairness };
        Row { work: *work, name, samples: times.iter().map(sample).collect() }
    }

    #[test]
    fn medians_are_of_rounds_and_not_of_luck() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        let (slow, fast) =
            (row(&ALL[0], "a", &[2.0, 20.0, 6.0], 1.0, 1.0), row(&ALL[0], "b", &[1.0, 10.0, 2.0], 1.0, 1.0));
        assert_eq!(ratio(&slow, &fast, |sample| sample.whole), 2.0);
    }

    #[test]
    fn a_figure_that_falls_short_is_called_missed() {
        let bare = row(&ALL[2], "bare channel", &[7.0], 1.0, 1.0);
        let verdicts = |time, peak_mib, fairness| {
            let ours = row(&ALL[2], "sluice", &[time], peak_mib, fairness);
            targets(&ours, Some(&bare), None).iter().map(|line| line.contains("missed")).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(9.0, 63.0, 0.8), [false, false, false, false]);
        assert_eq!(verdicts(10.0, 64.0, 0.79), [true, true, false, true]);

        let rsync = row(&ALL[1], "rsync daemon", &[1.0], 0.0, 1.0);
        let small = row(&ALL[1], "sluice", &[2.0], 1.0, 1.0);
        assert!(targets(&small, None, Some(&rsync))[0].contains("| 2.00 | **missed** |"));
    }
}
