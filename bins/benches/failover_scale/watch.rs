//! The recorder of a host: advertisements with the kernel's time stamps, and addresses that come and go.

use std::{
    collections::HashMap,
    io::{BufRead as _, IoSliceMut, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use nix::{
    cmsg_space, libc,
    sys::socket::{
        AddressFamily, ControlMessageOwned, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind,
        recvmsg, setsockopt, socket, sockopt,
    },
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::Result;

/// Nanoseconds of the clock that the kernel stamps frames with.
pub(crate) type Nanos = u64;

pub(crate) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

/// What was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Virtual addresses that are there.
    pub(crate) held: usize,
    /// How often one came or went.
    pub(crate) changes: usize,
    /// When one came the last time.
    pub(crate) last: Nanos,
    /// Instances that the first and the second host advertised.
    pub(crate) advertised: [usize; 2],
    /// The longest time between two advertisements of one instance by one host, in milliseconds.
    pub(crate) longest: f64,
    /// How many of these times were longer than an interval and a tenth.
    pub(crate) late: usize,
    /// When each priority was seen first.
    pub(crate) priorities: HashMap<u8, Nanos>,
}

/// Answers a question with each line of standard input, for ever.
pub(crate) fn serve(advert: Duration) -> Result<()> {
    let (sender, questions) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let addresses = addresses()?;
    let mut frames: Option<OwnedFd> = None;
    let mut seen = Seen::default();
    let mut last = HashMap::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let mut ready = vec![PollFd::new(&addresses, PollFlags::IN)];
        ready.extend(frames.iter().map(|frames| PollFd::new(frames, PollFlags::IN)));
        poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 }))?;
        while let Some((length, at)) = receive(&addresses, &mut buffer) {
            read_addresses(&buffer[..length], at, &mut seen);
        }
        while let Some((length, at)) = frames.as_ref().and_then(|frames| receive(frames, &mut buffer)) {
            if let Some(advertisement) = advertisement(&buffer[..length]) {
                note(advertisement, at, advert, &mut seen, &mut last);
            }
        }
        let question = match questions.try_recv() {
            Ok(question) => question,
            Err(mpsc::TryRecvError::Empty) => continue,
            Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
        };
        match question.as_str() {
            "record" => {
                frames = Some(packets()?);
                last.clear();
                seen = Seen { held: seen.held, changes: seen.changes, last: seen.last, ..Seen::default() };
            }
            "rest" => frames = None,
            _ => {}
        }
        seen.advertised = [1, 2].map(|host| last.keys().filter(|(of, ..)| *of == host).count());
        println!("{}", serde_json::to_string(&seen)?);
        std::io::stdout().flush()?;
    }
}

struct Advertisement {
    /// The host, the link, the virtual router.
    key: (u8, u8, u8),
    priority: u8,
}

fn note(
    advertisement: Advertisement,
    at: Nanos,
    advert: Duration,
    seen: &mut Seen,
    last: &mut HashMap<(u8, u8, u8), Nanos>,
) {
    seen.priorities.entry(advertisement.priority).or_insert(at);
    let Some(before) = last.insert(advertisement.key, at) else { return };
    let milliseconds = at.saturating_sub(before) as f64 / 1e6;
    seen.longest = seen.longest.max(milliseconds);
    if milliseconds > advert.as_secs_f64() * 1100.0 {
        seen.late += 1;
    }
}

/// VRRP over IPv4, of hosts 172.16.LINK.HOST.
fn advertisement(frame: &[u8]) -> Option<Advertisement> {
    let packet = frame.get(14..)?;
    if frame.get(12..14)? != [0x08, 0x00] || *packet.get(9)? != 112 {
        return None;
    }
    let message = packet.get(usize::from(packet[0] & 15) * 4..)?;
    let key = (*packet.get(15)?, *packet.get(14)?, *message.get(1)?);
    Some(Advertisement { key, priority: *message.get(2)? })
}

/// RTM_NEWADDR and RTM_DELADDR of 10.0.0.0/8.
fn read_addresses(mut bytes: &[u8], at: Nanos, seen: &mut Seen) {
    let number = |bytes: &[u8]| Some(u32::from_ne_bytes(*bytes.first_chunk()?) as usize);
    let short = |bytes: &[u8]| Some(u16::from_ne_bytes(*bytes.first_chunk()?));
    while let Some(length) = number(bytes)
        && let Some(message) = bytes.get(..length)
        && length >= 24
    {
        let added = short(&message[4..]) == Some(libc::RTM_NEWADDR);
        let mut attributes = &message[24..];
        while let (Some(length), Some(kind)) = (short(attributes), attributes.get(2..).and_then(short))
            && length >= 4
        {
            if kind == libc::IFA_ADDRESS && attributes.get(4) == Some(&10) {
                seen.changes += 1;
                seen.held = if added { seen.held + 1 } else { seen.held.saturating_sub(1) };
                seen.last = if added { at } else { seen.last };
            }
            attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn addresses() -> Result<OwnedFd> {
    let route = SockProtocol::NetlinkRoute;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_NONBLOCK, route)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, libc::RTMGRP_IPV4_IFADDR as u32))?;
    enlarge(&socket)?;
    Ok(socket)
}

/// What comes and goes on all links.
fn packets() -> Result<OwnedFd> {
    let all = SockProtocol::EthAll;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_NONBLOCK, all)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    enlarge(&socket)?;
    Ok(socket)
}

fn enlarge(socket: &OwnedFd) -> Result<()> {
    Ok(setsockopt(socket, sockopt::RcvBufForce, &(256 << 20))?)
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, Nanos)> {
    let mut control = cmsg_space!(nix::sys::time::TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()).ok()?;
    let stamp = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|one| match one {
            ControlMessageOwned::ScmTimestampns(at) => {
                Some(at.tv_sec() as Nanos * 1_000_000_000 + at.tv_nsec() as Nanos)
            }
            _ => None,
        })
    });
    Some((message.bytes, stamp.unwrap_or_else(now)))
}
