//! What happens often, or must happen soon: joins, promotions, and the word that a slot is free.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Bench, Contender, Server, Spent};
use super::report::Report;
use super::scale::{HANDOVER_P99_MS, JOIN_P99_MS, PROMOTION_MS, Scale};
use crate::error::Error;

/// Slots of the shares whose receivers move up.
const SLOTS: u32 = 20;

/// Joins at a steady rate.
pub fn joins(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    for contender in [Contender::Memory, Contender::Redis, Contender::Bare] {
        if contender == Contender::Redis && !bench.redis {
            report.note("Not installed: redis-server.");
            continue;
        }
        let rate = if contender == Contender::Redis { scale.joins_redis } else { scale.joins };
        for (keep, how) in [(false, "a connection each"), (true, "over kept connections")] {
            let work = format!("{rate} joins/s, {how}");
            let server = bench.start(contender)?;
            let load = json!({ "joins": { "rate": rate, "seconds": scale.join_seconds, "keep": keep } });
            let (done, spent) = run(bench, &server, &load)?;
            let (p99, real) = (figure(&done["times"], "p99_ms")?, figure(&done, "rate")?);
            report.row(&work, contender, &format!("{real:.0}/s, {}", quantiles(&done)), &spent);
            if contender != Contender::Bare {
                let name = format!("{work}, {}", contender.name());
                report.target(&name, &format!("p99 at most {JOIN_P99_MS} ms"), p99, JOIN_P99_MS);
            }
        }
    }
    Ok(())
}

/// Promotions out of a long line, all of which listens. The slower they come the more each costs: news are put together
/// over a second, and a server that has slept finds nothing in its processor's caches.
pub fn promotions(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    scale.promotions.iter().try_for_each(|&(rate, count)| promotions_at(bench, scale, rate, count, report))
}

fn promotions_at(
    bench: &Bench,
    scale: &Scale,
    rate: u32,
    count: u32,
    report: &mut Report,
) -> Result<(), Error> {
    let line = scale.line;
    let work = format!("{count} promotions in a queue of {line}, {rate}/s");
    let server = bench.start(Contender::Memory)?;
    let load = json!({ "promotions": { "receivers": line, "slots": SLOTS, "rate": rate, "count": count } });
    let mut loaders = [bench.load(&server, 0, &load)?];
    loaders[0].ready()?;
    // What so many listeners cost without any promotion.
    let begun = server.mark(&loaders);
    sleep(Duration::from_secs(scale.idle_seconds.into()));
    let idle = begun.until(&server.mark(&loaders));
    let idle_cpu = idle.server_cpu / idle.seconds;
    let begun = server.mark(&loaders);
    loaders[0].go()?;
    let done = loaders[0].done()?;
    let spent = begun.until(&server.mark(&loaders));
    let each = (spent.server_cpu - idle_cpu * spent.seconds) * 1e3 / f64::from(count);
    let figure = format!("{each:.2} ms CPU each; idle {:.1} % CPU; {}", idle_cpu * 100.0, quantiles(&done));
    report.row(&work, Contender::Memory, &figure, &spent);
    if scale.judges_cost {
        report.target(
            &work,
            &format!("at most {PROMOTION_MS} ms of processor time each"),
            each,
            PROMOTION_MS,
        );
    }
    Ok(())
}

/// From a freed slot to the word of it at the next in line.
pub fn handover(bench: &Bench, scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let work = format!("{} freed slots, until the next in line hears", scale.handovers);
    for contender in [Contender::Memory, Contender::Redis, Contender::Bare] {
        if contender == Contender::Redis && !bench.redis {
            continue;
        }
        let server = bench.start(contender)?;
        let load = json!({ "handover": { "slots": SLOTS, "count": scale.handovers } });
        let (done, spent) = run(bench, &server, &load)?;
        report.row(&work, contender, &quantiles(&done), &spent);
        if contender != Contender::Bare {
            let name = format!("{work}, {}", contender.name());
            let p99 = figure(&done["times"], "p99_ms")?;
            report.target(&name, &format!("p99 at most {HANDOVER_P99_MS} ms"), p99, HANDOVER_P99_MS);
        }
    }
    Ok(())
}

/// Sets up one loader and measures what it does then.
fn run(bench: &Bench, server: &Server, load: &Value) -> Result<(Value, Spent), Error> {
    let mut loaders = [bench.load(server, 0, load)?];
    loaders[0].ready()?;
    let begun = server.mark(&loaders);
    loaders[0].go()?;
    let done = loaders[0].done()?;
    server.check_store()?;
    Ok((done, begun.until(&server.mark(&loaders))))
}

fn quantiles(done: &Value) -> String {
    let at = |name: &str| done["times"][name].as_f64().unwrap_or(f64::NAN);
    format!("p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms", at("p50_ms"), at("p99_ms"), at("max_ms"))
}

fn figure(value: &Value, name: &str) -> Result<f64, Error> {
    value[name].as_f64().ok_or_else(|| Error::Measure(format!("no {name} in {value}")))
}
