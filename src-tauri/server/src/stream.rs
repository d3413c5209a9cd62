//! A TCP stream that does not wait for a reader that takes nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream on which a write fails when nothing of it is taken for some time.
pub struct Patient<T> {
    inner: T,
    patience: Duration,
    // Only while a write waits: an idle connection has no timer.
    timer: Option<Pin<Box<Sleep>>>,
    stalled: Stalled,
}

/// Whether a write of a stream waits.
#[derive(Debug, Clone, Default)]
pub struct Stalled(Arc<AtomicBool>);

impl Stalled {
    /// Whether what was written last is not all with the network.
    pub fn is_stalled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T> Patient<T> {
    /// Gives each write so much time to get on.
    pub fn new(inner: T, patience: Duration) -> (Self, Stalled) {
        let stalled = Stalled::default();
        (Patient { inner, patience, timer: None, stalled: stalled.clone() }, stalled)
    }

    fn watch<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        self.stalled.0.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_write_lasts_as_long_as_the_reader_takes_something() {
        let (here, mut there) = duplex(10);
        let (mut stream, stalled) = Patient::new(here, Duration::from_secs(10));
        let reader = tokio::spawn(async move {
            // Slow, but not too slow, and then not at all.
            for _ in 0..5 {
                sleep(Duration::from_secs(9)).await;
                there.read_exact(&mut [0; 10]).await.unwrap();
            }
            there
        });
        stream.write_all(&[7; 60]).await.unwrap();
        assert!(!stalled.is_stalled());
        let error = stream.write_all(&[7; 60]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(stalled.is_stalled());
        drop(reader.await.unwrap());
    }
}
