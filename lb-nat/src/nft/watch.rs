//! The kernel's notifications of changes to nftables.

use std::{io, sync::Arc, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::Notify,
    task::AbortHandle,
};
use tracing::warn;

use super::{command::Runs, config::TableName};

/// Changes that follow each other this quickly are one: `nft flush ruleset` sends a message for each object.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// From one report to the next.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// `NFT_MSG_NEWGEN`, which ends each transaction and names no table.
const NEW_GENERATION: u16 = 15;
/// `NFPROTO_INET`.
const FAMILY_INET: u8 = 1;
/// The attribute that names the table, in all messages (`NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`, …).
const TABLE: u16 = 1;
/// The kernel sends at most this much at once.
const BUFFER_SIZE: usize = 64 << 10;

/// A task that listens. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    changed: Arc<Notify>,
    task: AbortHandle,
}

impl Watch {
    /// Listens to what others than these runs do to a table. Must be called inside a tokio runtime.
    pub(super) fn start(table: &TableName, own: Runs) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(GROUP)?;
        let socket = pollable(socket)?;
        let changed = Arc::<Notify>::default();
        let (table, notify) = (table.to_string(), Arc::clone(&changed));
        let task = tokio::spawn(async move {
            if let Err(error) = listen(&socket, &table, &own, &notify).await {
                warn!("nftables: the kernel's notifications have ended: {error}");
            }
        });
        Ok(Self { changed, task: task.abort_handle() })
    }

    /// Returns when there was a change since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes the socket known to the reactor.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types that do not keep their descriptor; a socket owns it"
)]
fn pollable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

async fn listen(socket: &AsyncFd<Socket>, table: &str, own: &Runs, changed: &Notify) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        let mut ready = socket.readable().await?;
        tokio::time::sleep(SETTLE_TIME).await;
        let mut foreign = false;
        loop {
            buffer.clear();
            match socket.get_ref().recv(&mut buffer, 0) {
                Ok(_) => foreign |= concerns(&buffer, table, |port| own.contains(port)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Messages were lost, and one of them may have been about our table.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                    foreign = true;
                }
                Err(error) => return Err(error),
            }
        }
        ready.clear_ready();
        if foreign {
            changed.notify_one();
            tokio::time::sleep(MIN_INTERVAL).await;
        }
    }
}

/// Whether one of these messages says that somebody else has changed a table. A message carries the port of the socket
/// that asked for the change, which for `nft` is its process id.
fn concerns(mut messages: &[u8], table: &str, is_own: impl Fn(u32) -> bool) -> bool {
    while let Some((message, rest)) = message(messages) {
        messages = rest;
        let is_change = message.kind >> 8 == SUBSYSTEM && message.kind & 0xff != NEW_GENERATION;
        if is_change && !is_own(message.port) && message.table() == Some(table.as_bytes()) {
            return true;
        }
    }
    false
}

struct Message<'a> {
    kind: u16,
    port: u32,
    body: &'a [u8],
}

/// The first message of a datagram, and what follows it.
fn message(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    const HEADER: usize = 16;
    let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
    let header = datagram.first_chunk::<HEADER>()?;
    let [_, _, _, _, k0, k1, .., p0, p1, p2, p3] = *header;
    let message = Message {
        kind: u16::from_ne_bytes([k0, k1]),
        port: u32::from_ne_bytes([p0, p1, p2, p3]),
        body: datagram.get(HEADER..length)?,
    };
    Some((message, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

impl<'a> Message<'a> {
    /// The table's name, if it is one of family `inet`.
    fn table(&self) -> Option<&'a [u8]> {
        // Family, version and resource.
        let ([family, ..], mut attributes) = self.body.split_first_chunk::<4>()?;
        if *family != FAMILY_INET {
            return None;
        }
        loop {
            let ([l0, l1, t0, t1], _) = attributes.split_first_chunk::<4>()?;
            let (length, kind) = (u16::from_ne_bytes([*l0, *l1]), u16::from_ne_bytes([*t0, *t1]));
            let value = attributes.get(4..length.into())?;
            if kind == TABLE {
                return Some(value.strip_suffix(&[0]).unwrap_or(value));
            }
            attributes = attributes.get(usize::from(length).next_multiple_of(4)..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as Linux 6.1 sends it for `nft add chain inet lb one`, the end cut off.
    fn chain_added(port: u32, family: u8, table: &str) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        let name = [table.as_bytes(), &[0]].concat();
        for (kind, value) in [(TABLE, &name[..]), (3, b"one\0"), (2, &7_u64.to_be_bytes())] {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(body.len() + 16).unwrap();
        let kind = SUBSYSTEM << 8 | 3;
        let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 6], &port.to_ne_bytes()].concat();
        [header, body].concat()
    }

    #[test]
    fn only_what_others_do_to_the_own_table_counts() {
        let own = |port| port == 7;
        assert!(concerns(&chain_added(8, FAMILY_INET, "lb"), "lb", own));
        assert!(!concerns(&chain_added(7, FAMILY_INET, "lb"), "lb", own), "our own");
        assert!(!concerns(&chain_added(8, FAMILY_INET, "lb2"), "lb", own), "another table");
        assert!(!concerns(&chain_added(8, 2, "lb"), "lb", own), "another family");
        let both = [chain_added(7, FAMILY_INET, "lb"), chain_added(8, FAMILY_INET, "lb")].concat();
        assert!(concerns(&both, "lb", own));
    }

    #[test]
    fn malformed_messages_are_ignored() {
        let good = chain_added(8, FAMILY_INET, "lb");
        for end in 0..good.len() {
            concerns(&good[..end], "lb", |_| false);
        }
        for (place, value) in (0..good.len()).flat_map(|place| [0, 1, 0xff].map(|value| (place, value))) {
            let mut bad = good.clone();
            bad[place] = value;
            concerns(&bad, "lb", |_| false);
        }
        assert!(!concerns(&[0; 64], "lb", |_| false));
    }
}
