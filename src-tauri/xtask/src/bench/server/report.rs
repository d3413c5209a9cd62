//! What was measured, as tables for people.

use std::fmt::Write;

use super::process::{Contender, Spent};
use super::table::load;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<String>,
    targets: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    /// One figure of one server, and what it took.
    pub fn row(&mut self, work: &str, contender: Contender, figure: &str, spent: &Spent) {
        let redis =
            if contender == Contender::Redis { format!(" + {:.2}", spent.redis_cpu) } else { String::new() };
        let row = format!(
            "| {work} | {} | {figure} | {:.1} | {:.2}{redis} | {:.2} | {:.0} |",
            contender.name(),
            spent.seconds,
            spent.server_cpu,
            spent.load_cpu,
            spent.server_mib,
        );
        eprintln!("{row}");
        self.rows.push(row);
    }

    /// What is to be reached: at most, or less than, `most`.
    pub fn target(&mut self, work: &str, what: &str, measured: f64, most: f64) {
        let verdict = if measured <= most { "reached" } else { "**missed**" };
        self.targets.push(format!("| {work} | {what} | {measured:.2} | {verdict} |"));
    }

    /// What a reader must know.
    pub fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// The whole report.
    pub fn print(&self, machine: &str) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "\n{machine}. Load average {} after.", load());
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text.push_str(
            "\n| work | server | measured | seconds | CPU s server | CPU s load | MiB server |\n\
             | --- | --- | --- | ---: | ---: | ---: | ---: |\n",
        );
        self.rows.iter().for_each(|row| text.push_str(&format!("{row}\n")));
        text.push_str("\n| work | to reach | measured | |\n| --- | --- | ---: | --- |\n");
        self.targets.iter().for_each(|target| text.push_str(&format!("{target}\n")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_falls_short_is_called_missed() {
        let mut report = Report::default();
        let spent = Spent { seconds: 2.0, server_cpu: 1.0, redis_cpu: 0.5, load_cpu: 3.0, server_mib: 4.0 };
        report.row("joins", Contender::Redis, "12 ms", &spent);
        report.target("joins", "p99 at most 50 ms", 50.0, 50.0);
        report.target("joins", "p99 at most 50 ms", 50.1, 50.0);
        report.note("Not installed: x.");
        let text = report.print("machine");
        assert!(
            text.contains("| joins | sluice on Redis | 12 ms | 2.0 | 1.00 + 0.50 | 3.00 | 4 |"),
            "{text}"
        );
        assert!(text.contains("50.00 | reached |") && text.contains("50.10 | **missed** |"), "{text}");
        assert!(text.contains("Not installed: x."));
    }
}
