//! The sockets beneath the connections: their buffers, and which addresses they are bound to.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use socket2::SockRef;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::relay::RelayWatch;

/// Bytes of kernel buffer asked for, each way. With the usual 208 KiB a burst of one window
/// overflows the receiver's socket, and a lost tail waits a second to be sent again.
pub const SOCKET_BUFFER: usize = 4 << 20;

/// Bytes of kernel buffer that this machine grants a socket when [`SOCKET_BUFFER`] is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Bytes for datagrams received and not yet read, the kernel's bookkeeping included.
    pub receive: usize,
    /// Bytes for datagrams sent and not yet on the wire, the kernel's bookkeeping included.
    pub send: usize,
}

impl SocketBuffers {
    /// What this machine grants, found out once on a socket of its own.
    pub fn granted() -> Self {
        static GRANTED: OnceLock<SocketBuffers> = OnceLock::new();
        *GRANTED.get_or_init(|| {
            let found = UdpSocket::bind("127.0.0.1:0").and_then(|socket| enlarge(&socket));
            // Without loopback nothing is known: assume what a stock Linux kernel grants.
            found.unwrap_or(Self { receive: 416 * 1024, send: 416 * 1024 })
        })
    }
}

/// Asks for large buffers and reads back what was granted; a refusal leaves the kernel's default.
fn enlarge(socket: &UdpSocket) -> io::Result<SocketBuffers> {
    let socket = SockRef::from(socket);
    if let Err(error) = socket.set_recv_buffer_size(SOCKET_BUFFER) {
        tracing::debug!(%error, "receive buffer not enlarged");
    }
    if let Err(error) = socket.set_send_buffer_size(SOCKET_BUFFER) {
        tracing::debug!(%error, "send buffer not enlarged");
    }
    Ok(SocketBuffers { receive: socket.recv_buffer_size()?, send: socket.send_buffer_size()? })
}

/// The addresses to bind for a connection: every interface, and loopback where the peers may be
/// on this machine (`loopback`: the rendezvous server is) or where there is nothing else.
pub fn default_bind(loopback: bool) -> Vec<String> {
    let addresses: Vec<IpAddr> = ::rtc::shared::ifaces::ifaces()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|interface| interface.addr)
        .map(|address| address.ip())
        .collect();
    bind_for(&addresses, loopback)
}

/// [`default_bind`] on a machine with these addresses.
fn bind_for(addresses: &[IpAddr], loopback: bool) -> Vec<String> {
    let usable = |address: &&IpAddr| match address {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    };
    let mut bind = Vec::new();
    // A wildcard stands for all interfaces of its family and skips loopback; with no such
    // interface it would be bound as it is and offered as the useless candidate 0.0.0.0.
    if addresses.iter().filter(usable).any(IpAddr::is_ipv4) {
        bind.push("0.0.0.0:0".to_owned());
    }
    if addresses.iter().filter(usable).any(IpAddr::is_ipv6) {
        bind.push("[::]:0".to_owned());
    }
    if loopback || bind.is_empty() {
        bind.push("127.0.0.1:0".to_owned());
        if addresses.iter().any(|ip| ip.is_ipv6() && ip.is_loopback()) {
            bind.push("[::1]:0".to_owned());
        }
    }
    bind
}

/// How long a driver in a [`Hurry`] sleeps at most.
const NAP: Duration = Duration::from_millis(2);

/// On between ICE's and the channel's being ready, once a connection. The crate's driver starts SCTP and opens the
/// channel behind its own look at what is to be sent, and then sleeps until ICE's next keep-alive: 200 ms, twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Hurry {
    on: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Hurry {
    /// Begins it, unless it is over.
    pub(super) fn begin(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// Ends it for good.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn limit(&self, duration: Duration) -> Duration {
        let on = self.on.load(Ordering::Relaxed) && !self.over.load(Ordering::Relaxed);
        if on { duration.min(NAP) } else { duration }
    }
}

/// Tokio's runtime for one connection, with sockets whose buffers are large.
#[derive(Debug)]
pub(super) struct TunedRuntime {
    /// Off only to measure what the buffers are worth.
    pub(super) enlarge: bool,
    /// Whether the driver is to look again soon.
    pub(super) hurry: Hurry,
    /// Sees what relay servers answer, where there are any.
    pub(super) relays: Option<Arc<RelayWatch>>,
}

impl Runtime for TunedRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn spawn_reactor(
        &self,
        reactor_pool_size: usize,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn_reactor(reactor_pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if self.enlarge {
            let granted = enlarge(&socket)?;
            tracing::trace!(granted.receive, granted.send, "socket buffers");
        }
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(match &self.relays {
            Some(relays) => relays.watch(socket),
            None => socket,
        })
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.connect_tcp(remote).await })
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.resolve_host(host).await })
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        let nap = self.relays.as_ref().and_then(|relays| relays.nap(Instant::now()));
        let duration = nap.map_or(duration, |nap| duration.min(nap));
        TokioRuntime.sleep(self.hurry.limit(duration))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn binds_loopback_only_when_asked_or_alone() {
        let all: Vec<IpAddr> = ["127.0.0.1", "::1", "192.0.2.2", "2001:db8::2", "fe80::1"]
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        assert_eq!(bind_for(&all, false), ["0.0.0.0:0", "[::]:0"]);
        assert_eq!(bind_for(&all, true), ["0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0"]);
        assert_eq!(bind_for(&all[..2], false), ["127.0.0.1:0", "[::1]:0"]);
        assert_eq!(bind_for(&all[..1], false), ["127.0.0.1:0"]);
        assert_eq!(bind_for(&all[4..], false), ["127.0.0.1:0"]);
    }

    #[test]
    fn a_driver_naps_only_in_a_hurry() {
        let hurry = Hurry::default();
        let (long, short) = (Duration::from_millis(200), Duration::from_millis(1));
        assert_eq!(hurry.limit(long), long);
        hurry.clone().begin();
        assert_eq!((hurry.limit(long), hurry.limit(short)), (NAP, short));
        hurry.clone().end();
        hurry.begin();
        assert_eq!(hurry.limit(long), long);
    }

    #[test]
    fn buffers_are_at_least_what_they_were() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = SockRef::from(&plain).recv_buffer_size().unwrap();
        let granted = enlarge(&plain).unwrap();
        assert!(granted.receive >= before);
        assert_eq!(granted, SocketBuffers::granted());
    }
}
