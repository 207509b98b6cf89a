//! The client for async programs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    Client, Error, ErrorKind, Namespace,
    transport::{Netlink, Transport},
};

/// [`Client`] for async programs; clones share one socket.
///
/// The kernel does the work inside the system call that asks, and no flag makes it do otherwise: loading a module may
/// take long. So calls run on tokio's threads for what blocks, one after the other.
pub struct AsyncClient<T = Netlink>(Arc<Mutex<Client<T>>>);

impl<T> Clone for AsyncClient<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<Client<T>> for AsyncClient<T> {
    fn from(client: Client<T>) -> Self {
        Self(Arc::new(Mutex::new(client)))
    }
}

impl AsyncClient {
    /// In the network namespace of the process. Loads the kernel's module where that is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`] when the kernel has no IP Virtual Server.
    pub async fn open() -> Result<Self, Error> {
        Self::open_in(&Namespace::own()).await
    }

    /// In another network namespace.
    ///
    /// # Errors
    /// As [`Self::open`], and when the namespace can not be entered.
    pub async fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        let namespace = namespace.clone();
        blocking(move || Client::open_in(&namespace)).await.map(Self::from)
    }
}

impl<T: Transport + 'static> AsyncClient<T> {
    /// Calls something with the client: `ipvs.call(|ipvs| ipvs.table()).await`. It runs to its end even when the
    /// future is dropped.
    ///
    /// # Errors
    /// What the call says, and [`ErrorKind::Other`] when the runtime is shutting down.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn call<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Client<T>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let client = Arc::clone(&self.0);
        blocking(move || call(&mut client.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

async fn blocking<R: Send + 'static>(
    call: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    let ended = tokio::task::spawn_blocking(call).await;
    ended
        .unwrap_or_else(|error| Err(Error::new(ErrorKind::Other, "speak with the kernel", error.to_string())))
}
