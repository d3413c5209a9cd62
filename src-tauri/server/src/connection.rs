//! One TCP connection: HTTP, until a WebSocket or an event stream takes it over.
//!
//! An event stream begins as an answer like any other. Once its first event is out the connection is taken from the
//! HTTP library, whose buffers would cost 8 KiB a stream, and the rest is written from here, chunk by chunk.

use crate::config::Timings;
use crate::http::Connection;
use crate::stream::Patient;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

// Of one connection; hyper answers longer request heads with 431.
const MAX_HEAD_LEN: usize = 16 * 1024;

/// The event stream that is to take a connection over, once there is one.
#[derive(Clone, Default)]
pub struct Takeover(Arc<Mutex<Option<Body>>>);

impl Takeover {
    /// Lets an endless answer to a request of HTTP/1.1 take its connection over once its first event is out.
    pub fn hand_over(self, body: Body) -> Body {
        Body::new(Handover { takeover: self, body: Some(body), begun: false })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        // No code that holds the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Handover {
    takeover: Takeover,
    body: Option<Body>,
    begun: bool,
}

impl HttpBody for Handover {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.begun
            && let Some(body) = &mut self.body
        {
            let frame = ready!(Pin::new(body).poll_frame(context));
            self.begun = true;
            return Poll::Ready(frame);
        }
        // From here on it is polled by whoever takes it.
        if let Some(body) = self.body.take() {
            *self.takeover.lock() = Some(body);
        }
        Poll::Pending
    }
}

/// Serves a connection to its end. It counts for as long as anything of it is alive.
pub async fn serve(
    stream: TcpStream,
    router: Router,
    connection: Connection,
    timings: Timings,
    mut stopping: watch::Receiver<bool>,
) {
    // Signals are small and awaited; a failure costs only speed.
    let _ = stream.set_nodelay(true);
    notice_loss(&stream, timings);
    let router = TowerToHyperService::new(router);
    let takeover = Takeover::default();
    let service = service_fn({
        let (connection, takeover) = (Arc::clone(&connection), takeover.clone());
        move |mut request| {
            request.extensions_mut().insert(Arc::clone(&connection));
            request.extensions_mut().insert(takeover.clone());
            router.call(request)
        }
    });
    let (stream, stalled) = Patient::new(stream, timings.write);
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timings.request)
        .max_buf_size(MAX_HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let served = {
        let mut stopped = pin!(stopped(&mut stopping));
        let mut told = false;
        poll_fn(|context| {
            if !told && stopped.as_mut().poll(context).is_ready() {
                told = true;
                Pin::new(&mut serving).graceful_shutdown();
            }
            if let Poll::Ready(served) = Pin::new(&mut serving).poll(context) {
                return Poll::Ready(served.map(|()| None));
            }
            // What was answered so far is with the network, or else with the library.
            if stalled.is_stalled() {
                return Poll::Pending;
            }
            takeover.lock().take().map_or(Poll::Pending, |body| Poll::Ready(Ok(Some(body))))
        })
        .await
    };
    match served {
        Ok(None) => {}
        Ok(Some(body)) => {
            let Some(parts) = serving.into_parts() else {
                return;
            };
            // Whoever speaks before it has its answer is let go.
            if parts.read_buf.is_empty() {
                let (io, service) = (parts.io.into_inner(), parts.service);
                drop(service);
                let streamed = stream_events(io, body).await;
                tracing::debug!(failed = streamed.is_err(), "an event stream ended");
            }
        }
        Err(error) => tracing::debug!(timeout = error.is_timeout(), "a connection failed"),
    }
}

// Writes the rest of a chunked body (RFC 9112 §7.1), until it ends or the client goes away.
async fn stream_events(mut io: impl AsyncRead + AsyncWrite + Unpin, mut body: Body) -> io::Result<()> {
    let mut unasked = [0; 1];
    loop {
        let frame = tokio::select! {
            frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)) => frame,
            // The end of the stream, or words in the middle of the answer.
            _ = io.read(&mut unasked) => return Ok(()),
        };
        let Some(Ok(frame)) = frame else {
            break;
        };
        if let Ok(data) = frame.into_data() {
            let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
            chunk.extend_from_slice(&data);
            chunk.extend_from_slice(b"\r\n");
            io.write_all(&chunk).await?;
        }
    }
    io.write_all(b"0\r\n\r\n").await?;
    io.shutdown().await
}

/// Returns when the server stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

// A peer that vanished is noticed when what was sent to it is not acknowledged for this long: without this an event
// stream, which only the server writes to, would stand for a quarter of an hour.
#[cfg(target_os = "linux")]
fn notice_loss(stream: &TcpStream, timings: Timings) {
    // A failure costs only what is said above.
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(timings.idle));
}

#[cfg(not(target_os = "linux"))]
fn notice_loss(_: &TcpStream, _: Timings) {}
