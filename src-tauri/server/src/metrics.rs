//! What the server counts of itself: Prometheus' text (OpenMetrics 1.0), and the operator's statistics.
//!
//! Labels are taken from closed lists: nothing here names a share, a peer or an address.

mod process;
mod stats;

pub use stats::{Receivers, Stats};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use sluice_protocol::error::Code;
use std::borrow::Cow;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type RequestLabels = [(&'static str, Cow<'static, str>); 3];

// Seconds; a promotion should cost under 1 ms, a request under 50 ms, and nothing waits longer than 10 s.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// What is connected to this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sender's WebSocket.
    Sender,
    /// The WebSocket of a receiver in a slot.
    Active,
    /// A receiver's long poll.
    Near,
    /// A receiver's event stream.
    Far,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Sender, Kind::Active, Kind::Near, Kind::Far];

    fn as_str(self) -> &'static str {
        match self {
            Kind::Sender => "sender",
            Kind::Active => "active",
            Kind::Near => "near",
            Kind::Far => "far",
        }
    }
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    start_time: Duration,
    connections: Gauge,
    peers: Family<Labels<1>, Gauge>,
    shares: Gauge,
    store_shares: Gauge,
    store_slots: Gauge,
    store_waiting: Gauge,
    store_up: Gauge,
    commands: Counters<2>,
    news: Counters<1>,
    relayed: Counters<1>,
    refusals: Counters<2>,
    closes: Counters<1>,
    requests: Histograms<RequestLabels>,
    store: Histograms<Labels<1>>,
    delay: Histogram,
}

/// One that is connected, until it is dropped.
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn histograms<L: Clone + Hash + Eq>() -> Histograms<L> {
    Histograms::new_with_constructor(histogram)
}

impl Metrics {
    /// Nothing counted yet by a server that starts at `now`, a moment since the Unix epoch.
    pub fn new(now: Duration) -> Self {
        let mut all = Registry::default();
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        all.register("sluice_build", "The version that runs", version);
        let started: Gauge<f64, AtomicU64> = add(
            &mut all,
            "sluice_start_time_seconds",
            "When the server started, since 1970",
            Gauge::default(),
        );
        started.set(now.as_secs_f64());
        process::register(&mut all);
        let metrics = Metrics {
            start_time: now,
            connections: add(&mut all, "sluice_connections", "TCP connections", Gauge::default()),
            peers: add(&mut all, "sluice_peers", "Sockets, long polls and event streams", Family::default()),
            shares: add(&mut all, "sluice_shares", "Shares that somebody is connected for", Gauge::default()),
            store_up: add(&mut all, "sluice_store_up", "Whether the store answered last", Gauge::default()),
            store_shares: add(
                &mut all,
                "sluice_store_shares",
                "Shares whose sender is at this instance",
                Gauge::default(),
            ),
            store_slots: add(&mut all, "sluice_store_slots", "Slots held in them", Gauge::default()),
            store_waiting: add(&mut all, "sluice_store_waiting", "In line in them", Gauge::default()),
            commands: add(&mut all, "sluice_commands", "What was asked of queues", Family::default()),
            news: add(&mut all, "sluice_news", "News handed to peers of this instance", Family::default()),
            relayed: add(&mut all, "sluice_relayed", "Signals relayed", Family::default()),
            refusals: add(
                &mut all,
                "sluice_refusals",
                "Refusals, over HTTP and on sockets",
                Family::default(),
            ),
            closes: add(&mut all, "sluice_closes", "Sockets closed, by why", Family::default()),
            requests: add(
                &mut all,
                "sluice_request_seconds",
                "From a request's head to its answer's",
                histograms(),
            ),
            store: add(&mut all, "sluice_store_seconds", "How long the store took", histograms()),
            delay: add(
                &mut all,
                "sluice_news_delay_seconds",
                "From the store's notice to the peer",
                histogram(),
            ),
            registry: all,
        };
        for kind in Kind::ALL {
            // So that it is told before the first one comes.
            drop(metrics.peers.get_or_create(&[("kind", kind.as_str())]));
        }
        metrics
    }

    /// A TCP connection is there.
    pub fn connected(&self) -> Connected {
        enter(&self.connections)
    }

    /// A socket, poll or stream is there.
    pub fn peer(&self, kind: Kind) -> Connected {
        enter(&self.peers.get_or_create(&[("kind", kind.as_str())]))
    }

    /// A command was carried out, or refused.
    pub fn count_command(&self, command: &'static str, result: Result<(), Code>) {
        let result = result.err().map_or("ok", Code::as_str);
        self.commands.get_or_create(&[("command", command), ("result", result)]).inc();
    }

    /// News were handed to somebody's socket, poll or stream.
    pub fn count_news(&self, news: &'static str) {
        self.news.get_or_create(&[("news", news)]).inc();
    }

    /// A signal was relayed.
    pub fn count_relayed(&self, from: Kind) {
        self.relayed.get_or_create(&[("from", from.as_str())]).inc();
    }

    /// Something was refused.
    pub fn count_refusal(&self, on: &'static str, code: Code) {
        self.refusals.get_or_create(&[("on", on), ("code", code.as_str())]).inc();
    }

    /// A socket was closed.
    pub fn count_close(&self, why: &'static str) {
        self.closes.get_or_create(&[("why", why)]).inc();
    }

    /// A request was answered.
    pub fn observe_request(
        &self,
        method: &'static str,
        route: Cow<'static, str>,
        status: u16,
        time: Duration,
    ) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let labels = [("method", method.into()), ("route", route), ("status", class.into())];
        self.requests.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// The store answered, or failed, after so long.
    pub fn observe_store(&self, operation: &'static str, time: Duration) {
        self.store.get_or_create(&[("operation", operation)]).observe(time.as_secs_f64());
    }

    /// News reached a stream or poll so long after the store told them.
    pub fn observe_news_delay(&self, time: Duration) {
        self.delay.observe(time.as_secs_f64());
    }

    /// So many shares have somebody at this instance.
    pub fn set_shares(&self, shares: usize) {
        self.shares.set(i64::try_from(shares).unwrap_or(i64::MAX));
    }

    /// What the store holds, of this instance: shares, slots that are held, receivers in line; `None` if it did not answer.
    pub fn set_totals(&self, totals: Option<(u64, u64, u64)>) {
        let clamp = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.store_up.set(totals.is_some().into());
        if let Some((shares, slots, waiting)) = totals {
            self.store_shares.set(clamp(shares));
            self.store_slots.set(clamp(slots));
            self.store_waiting.set(clamp(waiting));
        }
    }

    /// All of it, as [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn enter(gauge: &Gauge) -> Connected {
    gauge.inc();
    Connected(gauge.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line<'a>(text: &'a str, start: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"))
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::new(Duration::from_secs(1_700_000_000));
        let far = metrics.peer(Kind::Far);
        let other = metrics.peer(Kind::Far);
        let _connection = metrics.connected();
        metrics.count_command("join", Ok(()));
        metrics.count_command("join", Err(Code::ShareNotFound));
        metrics.count_refusal("http", Code::RateLimited);
        metrics.observe_request("POST", "/api/shares".into(), 201, Duration::from_millis(3));
        metrics.set_totals(Some((1, 2, 3)));
        let text = metrics.text();
        for (start, value) in [
            ("sluice_peers{kind=\"far\"}", "2"),
            ("sluice_peers{kind=\"near\"}", "0"),
            ("sluice_connections ", "1"),
            ("sluice_commands_total{command=\"join\",result=\"ok\"}", "1"),
            ("sluice_commands_total{command=\"join\",result=\"share_not_found\"}", "1"),
            ("sluice_refusals_total{on=\"http\",code=\"rate_limited\"}", "1"),
            ("sluice_store_waiting ", "3"),
            ("sluice_store_up ", "1"),
            ("sluice_start_time_seconds ", "1700000000.0"),
            (
                "sluice_request_seconds_bucket{le=\"0.0025\",method=\"POST\",route=\"/api/shares\",status=\"2xx\"}",
                "0",
            ),
            (
                "sluice_request_seconds_bucket{le=\"0.005\",method=\"POST\",route=\"/api/shares\",status=\"2xx\"}",
                "1",
            ),
        ] {
            assert_eq!(line(&text, start).rsplit_once(' ').unwrap().1, value, "{start}");
        }
        assert!(text.ends_with("# EOF\n"));
        drop((far, other));
        metrics.set_totals(None);
        let text = metrics.text();
        assert!(line(&text, "sluice_peers{kind=\"far\"}").ends_with(" 0"));
        assert!(line(&text, "sluice_store_up ").ends_with(" 0"));
    }
}
