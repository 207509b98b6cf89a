//! What happens in a namespace: frames with the kernel's time stamps, and addresses that come and go.

use std::{
    io::IoSliceMut,
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use nix::{
    cmsg_space,
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
            bind, recvmsg, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike},
    },
};

use crate::{Result, lan::Namespace, role};

/// Nanoseconds of the clock that the kernel stamps frames with.
pub(crate) type Nanos = u64;

/// That clock.
pub(crate) fn now() -> Nanos {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as Nanos)
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Advert { host: u8, priority: u8 },
    Announcement(Ipv4Addr),
}

/// An address that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressChange {
    pub(crate) address: Ipv4Addr,
    pub(crate) added: bool,
}

/// A thread that collects what happens, with the time of each.
pub(crate) struct Watch<T> {
    seen: Arc<Mutex<Vec<(Nanos, T)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch<Frame> {
    /// Watches the only link of a router.
    pub(crate) fn frames(namespace: &Namespace) -> Result<Self> {
        // Not bound, it receives what comes and goes on all links of the namespace.
        let open = || {
            let all = SockProtocol::EthAll;
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all)?;
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
            Ok(socket)
        };
        Self::start(namespace, open, |frame, found| found.extend(read_frame(frame)))
    }
}

impl Watch<AddressChange> {
    /// Watches the addresses of a router.
    pub(crate) fn addresses(namespace: &Namespace) -> Result<Self> {
        let open = || {
            let route = SockProtocol::NetlinkRoute;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, nix::libc::RTMGRP_IPV4_IFADDR as u32))?;
            Ok(socket)
        };
        Self::start(namespace, open, read_addresses)
    }

    /// How many addresses of virtual routers there are.
    pub(crate) fn held(&self) -> usize {
        let seen = self.seen();
        let virtual_ones = seen.iter().filter(|(_, change)| matches!(change.address.octets()[0], 10 | 11));
        virtual_ones.map(|(_, change)| if change.added { 1_isize } else { -1 }).sum::<isize>().max(0) as usize
    }
}

impl<T: Copy + Send + 'static> Watch<T> {
    fn start(
        namespace: &Namespace,
        open: impl FnOnce() -> Result<OwnedFd> + Send + 'static,
        read: fn(&[u8], &mut Vec<T>),
    ) -> Result<Self> {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (ready, started) = std::sync::mpsc::channel();
        let (to, until, pid) = (Arc::clone(&seen), Arc::clone(&stop), namespace.pid());
        let thread = std::thread::spawn(move || {
            let opened = role::enter(pid).and_then(|()| open()).and_then(|socket| {
                setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20))?;
                setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(50))?;
                Ok(socket)
            });
            match opened {
                Ok(socket) => {
                    let _ = ready.send(Ok(()));
                    collect(&socket, read, &to, &until);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        started.recv()??;
        Ok(Self { seen, stop, thread: Some(thread) })
    }

    /// Everything so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<(Nanos, T)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything from a time on.
    pub(crate) fn since(&self, from: Nanos) -> Vec<(Nanos, T)> {
        self.seen().iter().filter(|(at, _)| *at >= from).copied().collect()
    }

    /// Waits until something is seen from a time on for which `found` gives something.
    pub(crate) fn wait<U>(
        &self,
        from: Nanos,
        patience: f64,
        found: impl Fn(Nanos, T) -> Option<U>,
    ) -> Option<U> {
        let late = Instant::now() + Duration::from_secs_f64(patience);
        let mut next = self.seen().partition_point(|(at, _)| *at < from);
        loop {
            let fresh: Vec<(Nanos, T)> = self.seen()[next..].to_vec();
            if let Some(found) = fresh.iter().find_map(|(at, what)| found(*at, *what)) {
                return Some(found);
            }
            if Instant::now() > late {
                return None;
            }
            next += fresh.len();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn collect<T>(
    socket: &OwnedFd,
    read: fn(&[u8], &mut Vec<T>),
    seen: &Mutex<Vec<(Nanos, T)>>,
    stop: &AtomicBool,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut control = cmsg_space!(nix::sys::time::TimeSpec);
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let Ok(message) =
            recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())
        else {
            continue;
        };
        let length = message.bytes;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(at) => {
                    Some(at.tv_sec() as Nanos * 1_000_000_000 + at.tv_nsec() as Nanos)
                }
                _ => None,
            })
        });
        let at = stamp.unwrap_or_else(now);
        read(&buffer[..length], &mut found);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(found.drain(..).map(|what| (at, what)));
    }
}

fn read_frame(frame: &[u8]) -> Option<Frame> {
    let (ethertype, rest) = (frame.get(12..14)?, frame.get(14..)?);
    match ethertype {
        [0x08, 0x00] if *rest.get(9)? == 112 => {
            let message = rest.get(usize::from(rest[0] & 15) * 4..)?;
            Some(Frame::Advert { host: *rest.get(15)?, priority: *message.get(2)? })
        }
        [0x08, 0x06] if rest.get(14..18)? == rest.get(24..28)? => {
            Some(Frame::Announcement(<[u8; 4]>::try_from(&rest[14..18]).ok()?.into()))
        }
        _ => None,
    }
}

/// RTM_NEWADDR and RTM_DELADDR with their IFA_ADDRESS.
fn read_addresses(mut bytes: &[u8], found: &mut Vec<AddressChange>) {
    let word = |bytes: &[u8]| Some(usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?)));
    while let Some(length) =
        bytes.get(..4).map(|length| u32::from_ne_bytes([length[0], length[1], length[2], length[3]]))
        && let Some(message) = bytes.get(..length as usize)
        && length >= 24
    {
        let kind = word(&message[4..]).unwrap_or(0) as u16;
        let mut attributes = &message[24..];
        while let (Some(length), Some(attribute)) = (word(attributes), attributes.get(2..).and_then(word))
            && length >= 4
        {
            if attribute == usize::from(nix::libc::IFA_ADDRESS)
                && matches!(kind, nix::libc::RTM_NEWADDR | nix::libc::RTM_DELADDR)
                && let Some(Ok(address)) = attributes.get(4..8).map(<[u8; 4]>::try_from)
            {
                found.push(AddressChange { address: address.into(), added: kind == nix::libc::RTM_NEWADDR });
            }
            attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        bytes = bytes.get((length as usize).next_multiple_of(4)..).unwrap_or_default();
    }
}
