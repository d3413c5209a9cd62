//! Many that wait: what a connection costs, and what a ticket does.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Bench, Contender, Loader, Server, Spent};
use super::report::Report;
use super::scale::{CONNECTION_KIB, Scale, TICKETS_MIB};
use crate::error::Error;

/// Processes among which idle connections are divided: each has the file descriptors of one.
const LOADERS: u8 = 2;

/// Receivers that listen to event streams.
pub fn streams(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let work = format!("{} idle event streams", scale.streams);
    let load = json!({ "streams": { "count": scale.streams / u32::from(LOADERS) } });
    connections(bench, scale, report, &work, &load)
}

/// WebSockets: one sender and 20 receivers in slots a share.
pub fn sockets(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let work = format!("{} idle WebSockets", scale.sockets);
    let load = json!({ "sockets": { "count": scale.sockets / u32::from(LOADERS), "slots": 20 } });
    connections(bench, scale, report, &work, &load)
}

fn connections(
    bench: &Bench,
    scale: &Scale,
    report: &mut Report,
    work: &str,
    load: &Value,
) -> Result<(), Error> {
    for contender in [Contender::Memory, Contender::Bare] {
        let server = bench.start(contender)?;
        let (each, spent) = hold(bench, &server, scale, load)?;
        report.row(work, contender, &format!("{each:.1} KiB each"), &spent);
        if scale.judges_cost && contender == Contender::Memory {
            report.target(work, &format!("at most {CONNECTION_KIB} KiB each"), each, CONNECTION_KIB);
        }
    }
    Ok(())
}

/// KiB of memory that each connection takes, and what all took while they were idle.
fn hold(bench: &Bench, server: &Server, scale: &Scale, load: &Value) -> Result<(f64, Spent), Error> {
    let empty = server.mark(&[]).server_mib;
    let loaders = (0..LOADERS).map(|number| bench.load(server, number, load));
    let mut loaders: Vec<Loader> = loaders.collect::<Result<_, _>>()?;
    let mut open = 0.0;
    for loader in &mut loaders {
        open += loader.ready()?["open"].as_f64().unwrap_or(0.0);
    }
    let begun = server.mark(&loaders);
    sleep(Duration::from_secs(scale.idle_seconds.into()));
    let spent = begun.until(&server.mark(&loaders));
    for loader in &mut loaders {
        loader.go()?;
        let done = loader.done()?;
        if done["lost"] != 0 {
            return Err(Error::Measure(format!("connections were lost: {done}")));
        }
    }
    Ok(((spent.server_mib - empty) * 1024.0 / open, spent))
}

/// Shares and receivers with a place and no connection.
pub fn tickets(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let Scale { shares, receivers, .. } = scale;
    let work = format!("{shares} shares with {receivers} receivers each");
    let server = bench.start(Contender::Memory)?;
    let load = json!({ "tickets": { "shares": shares, "receivers": receivers } });
    let begun = server.mark(&[]);
    let mut loaders = [bench.load(&server, 0, &load)?];
    loaders[0].ready()?;
    let spent = begun.until(&server.mark(&loaders));
    let each = (spent.server_mib - begun.server_mib) * 1024.0 / f64::from(shares * receivers);
    report.row(&work, Contender::Memory, &format!("{each:.2} KiB a ticket"), &spent);
    if scale.judges_cost {
        report.target(&work, &format!("at most {TICKETS_MIB} MiB"), spent.server_mib, TICKETS_MIB);
    }
    Ok(())
}
