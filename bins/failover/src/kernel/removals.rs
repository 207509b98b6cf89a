//! The kernel's notifications that routes, rules or addresses were removed.

use std::{io, time::Duration};

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::libc;
use tokio::{
    io::unix::AsyncFd,
    time::{Instant, sleep_until},
};

use super::wanted::PROTOCOL_NUMBER;
use crate::track::pollable;

/// Removals that follow each other this quickly are one.
const SETTLE_TIME: Duration = Duration::from_millis(10);
/// From one report to the next: two programs that undo each other's work shall not flood the machine.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The multicast groups of rtnetlink(7).
const GROUPS: [u32; 7] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_IPV4_RULE,
    RTNLGRP_IPV6_RULE,
];
const RTNLGRP_IPV6_RULE: u32 = 19;
/// The kernel sends at most this much at once.
const BUFFER_SIZE: usize = 1 << 16;
/// Length of `struct nlmsghdr`, and where the protocol stands in `struct rtmsg` behind it.
const HEADER: usize = 16;
const ROUTE_PROTOCOL: usize = HEADER + 5;

/// A socket that receives the notifications.
#[derive(Debug)]
pub(super) struct Removals {
    socket: AsyncFd<Socket>,
    /// Something was removed, and that was not reported yet.
    pending: bool,
    reported: Option<Instant>,
}

impl Removals {
    /// Must be called inside a tokio runtime.
    pub(super) fn start() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        GROUPS.into_iter().try_for_each(|group| socket.add_membership(group))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket: pollable(socket)?, pending: false, reported: None })
    }

    /// Returns when something was removed that may be one of ours, or a link has changed, which takes routes with it without
    /// a notification. Cancel safe.
    pub(super) async fn removed(&mut self) -> io::Result<()> {
        while !self.pending {
            let mut ready = self.socket.readable().await?;
            if let Ok(concerns) = ready.try_io(|socket| read(socket.get_ref())) {
                self.pending = concerns?;
            }
        }
        let settled = Instant::now() + SETTLE_TIME;
        sleep_until(self.reported.map_or(settled, |reported| settled.max(reported + MIN_INTERVAL))).await;
        self.forget();
        self.reported = Some(Instant::now());
        Ok(())
    }

    /// Leaves what has been removed by now: by this process.
    pub(super) fn forget(&mut self) {
        self.pending = false;
        while read(self.socket.get_ref()).is_ok() {}
    }
}

/// Reads one datagram; whether it concerns us.
fn read(socket: &Socket) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    match socket.recv(&mut buffer, 0) {
        Ok(_) => Ok(messages(&buffer).any(concerns)),
        // Something was lost, since there was no room for it.
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(true),
        Err(error) => Err(error),
    }
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let message = rest.get(..length).filter(|message| message.len() >= HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

fn concerns(message: &[u8]) -> bool {
    match u16::from_ne_bytes([message[4], message[5]]) {
        libc::RTM_DELRULE | libc::RTM_DELADDR | libc::RTM_NEWLINK => true,
        // Routers remove thousands of routes of their own.
        libc::RTM_DELROUTE => message.get(ROUTE_PROTOCOL) == Some(&PROTOCOL_NUMBER),
        _ => false,
    }
}
