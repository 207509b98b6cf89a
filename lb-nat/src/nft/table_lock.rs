//! Who uses a table.

use std::time::Duration;

use lb_core::dataplane::{DataPlaneError, ErrorKind};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt,
    },
    process::geteuid,
};
use tracing::warn;

use super::config::TableName;

/// How often, and with what pause, a lock is tried that a predecessor may be about to give back.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// More than will ever ask who holds a lock.
const QUEUE_LENGTH: i32 = 4096;

/// Held while a process uses a table. A listening unix socket with an abstract name: such names belong to a network
/// namespace, as tables do, and the kernel frees them when their process ends, whatever it dies of.
#[derive(Debug)]
pub(super) struct TableLock {
    _socket: Option<OwnedFd>,
}

impl TableLock {
    pub(super) async fn acquire(table: &TableName) -> Result<Self, DataPlaneError> {
        let failed = |errno: Errno| {
            DataPlaneError::new(ErrorKind::Unavailable, format!("the lock of table inet {table}: {errno}"))
        };
        let name = format!("lb-nft/{table}");
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(failed)?;
        let mut holder = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let socket = socket().map_err(failed)?;
            match bind(&socket, &address) {
                Ok(()) => {
                    // Those who ask stay in the queue, since nobody accepts them.
                    listen(&socket, QUEUE_LENGTH).map_err(failed)?;
                    return Ok(Self { _socket: Some(socket) });
                }
                Err(Errno::ADDRINUSE) => holder = holder.or_else(|| holder_of(&address)),
                Err(errno) => return Err(failed(errno)),
            }
            // Anybody may take an abstract name; only those who may use the table count.
            if let Some((uid, pid)) = holder
                && uid != 0
                && uid != geteuid().as_raw()
            {
                warn!(
                    "nftables: process {pid} of user {uid} holds the lock of table inet {table}; it is ignored"
                );
                return Ok(Self { _socket: None });
            }
        }
        let who = holder.map_or_else(|| "another process".to_owned(), |(_, pid)| format!("process {pid}"));
        Err(DataPlaneError::new(
            ErrorKind::Unavailable,
            format!(
                "table inet {table} is used by {who}: end it, or give the configuration of this daemon another name"
            ),
        ))
    }
}

fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// User and process that listen at an address, if the kernel tells.
fn holder_of(address: &SocketAddrUnix) -> Option<(u32, i32)> {
    let socket = socket().ok()?;
    connect(&socket, address).ok()?;
    let peer = sockopt::socket_peercred(&socket).ok()?;
    Some((peer.uid.as_raw(), peer.pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_table_is_used_by_one_at_a_time() {
        let table = TableName::for_daemon("test", &std::process::id().to_ne_bytes());
        let first = TableLock::acquire(&table).await.unwrap();
        let error = TableLock::acquire(&table).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(
            error.detail.contains(&format!("is used by process {}: end it", std::process::id())),
            "{error}"
        );
        drop(first);
        TableLock::acquire(&table).await.unwrap();
    }
}
