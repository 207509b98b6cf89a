//! Computations that depend on what a server sent, on threads of their own.
//!
//! The runtime of the checks often has a single thread. While that thread computes, no other check, no deadline and no
//! command makes progress. Whatever may take more than some milliseconds therefore runs here, and is bounded as well,
//! since a running computation cannot be cancelled.

#[cfg(feature = "pgsql")]
use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

#[cfg(feature = "pgsql")]
use tokio::sync::Notify;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{Failure, FailureKind};

/// Computations that may run at the same time; the others wait.
const MAX_THREADS: usize = 2;

static THREADS: Semaphore = Semaphore::const_new(MAX_THREADS);

/// Computes on another thread. A panic of `work` continues in the caller.
pub(crate) async fn compute<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    let shutdown = || Failure::new(FailureKind::Local, "the runtime shuts down");
    let permit = THREADS.acquire().await.map_err(|_| shutdown())?;
    let computed = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    computed.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => shutdown(),
    })
}

/// Drives a future, each of its polls on another thread: for libraries that compute between reads and writes.
#[cfg(feature = "pgsql")]
pub(crate) async fn drive<F>(future: F) -> Result<F::Output, Failure>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let woken = Arc::new(Woken(Notify::new()));
    let mut future = Box::pin(future);
    loop {
        let waker = Waker::from(Arc::clone(&woken));
        let (poll, polled) = compute(move || {
            let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
            (poll, future)
        })
        .await?;
        match poll {
            Poll::Ready(output) => return Ok(output),
            Poll::Pending => future = polled,
        }
        woken.0.notified().await;
    }
}

/// Remembers a wake-up that comes before somebody waits for it.
#[cfg(feature = "pgsql")]
struct Woken(Notify);

#[cfg(feature = "pgsql")]
impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
