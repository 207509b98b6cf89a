//! Tasks that end with their owner.

use std::future::Future;

use tokio::{
    sync::watch,
    task::{self, JoinHandle},
};

/// Something that goes on until it is dropped.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    /// To be called inside a tokio runtime.
    pub(super) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(task::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until it is so, or nobody can say it any more.
pub(super) async fn until_set(mut switch: watch::Receiver<bool>) {
    let _ = switch.wait_for(|set| *set).await;
}
