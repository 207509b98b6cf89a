//! A stream of which only so much can be read.

use std::io;
use std::pin::Pin;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bounds what a library reads that would read, or keep, whatever a server sends.
pub(crate) struct Bounded<S> {
    stream: S,
    allowance: Allowance,
}

/// How many bytes may still be read. Clones are one allowance.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    granted: AtomicUsize,
    left: AtomicUsize,
}

impl Allowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Bytes { granted: bytes.into(), left: bytes.into() }))
    }

    /// From now on so many bytes, whatever is left.
    #[cfg(feature = "http")]
    pub(crate) fn renew(&self, bytes: usize) {
        self.0.granted.store(bytes, Relaxed);
        self.0.left.store(bytes, Relaxed);
    }
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Bytes { granted, left } = &*Arc::clone(&self.allowance.0);
        let allowed = left.load(Relaxed);
        if allowed == 0 {
            let what = format!("over {} bytes", granted.load(Relaxed));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let room = buffer.remaining().min(allowed);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        left.store(allowed - read, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
