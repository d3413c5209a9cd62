//! `cargo xtask bench server`: a real `sluice serve` under load from processes of this machine, each figure beside the
//! same load on a bare `axum`.

mod idle;
mod process;
mod rates;
mod report;
mod scale;

use crate::error::Error;

use super::Build;
use super::scratch::Scratch;
use super::table;
use process::Bench;
use report::Report;
use scale::{FULL, QUICK, Scale};

/// Something that is measured, as the command line names it.
type Measurement = (&'static str, fn(&Bench, &Scale, &mut Report) -> Result<(), Error>);

const ALL: [Measurement; 6] = [
    ("streams", idle::streams),
    ("sockets", idle::sockets),
    ("tickets", idle::tickets),
    ("joins", rates::joins),
    ("promotions", rates::promotions),
    ("handover", rates::handover),
];

/// Measures what `names` name, or everything; `quick` with a few hundred connections.
pub fn bench(build: Build, quick: bool, names: &[&String]) -> Result<(), Error> {
    if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|(known, _)| known == **name)) {
        let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        let sentence = format!("there is no measurement server {unknown}, only {}", known.join(", "));
        return Err(Error::Usage(sentence));
    }
    build.make("sluice-server", &["load", "bare_axum"])?;

    let scratch = Scratch::new(&[])?;
    let bench = Bench::new(&scratch, build)?;
    let before = table::machine();
    let mut report = Report::default();
    for (name, measure) in ALL {
        if names.is_empty() || names.iter().any(|wanted| *wanted == name) {
            measure(&bench, if quick { &QUICK } else { &FULL }, &mut report)
                .map_err(|error| Error::Step { name: name.to_owned(), source: Box::new(error) })?;
        }
    }
    print!("{}", report.print(&before));
    Ok(())
}
