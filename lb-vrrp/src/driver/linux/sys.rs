//! The system calls for which no safe wrapper fits: `recvmmsg(2)` and `sendmmsg(2)` with a source address and interface
//! for each message, and the registration of a descriptor with tokio.
//!
//! Pointers are made from borrowed memory right before a call and never used after it. Socket addresses and control
//! messages are plain bytes, written and read without `unsafe`.

#![allow(unsafe_code)]

use std::{
    io, mem,
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
    time::Duration,
};

use tokio::io::unix::AsyncFd;

use super::control::{CONTROL, Control, Name};

/// Messages that one call moves.
pub(super) const BATCH: usize = 64;

/// Messages that are sent without a pause. A thousand fit into the queue of a link, or into the one through which a virtual
/// link is received (`net.core.netdev_max_backlog`). When thousands of routers resign at once and it is full, the others
/// wait for the whole down interval.
const BURST: usize = 256;
/// Time for the kernel to get rid of a burst.
const PAUSE: Duration = Duration::from_micros(500);

/// Room for the longest message there is, 255 IPv6 addresses, with its IP header and trailer, and a little more, to notice
/// what is too long.
const BUFFER: usize = 4352;

/// Registers a descriptor with the runtime's reactor.
///
/// # Errors
/// Those of `epoll_ctl(2)`.
pub(super) fn register<T: OwnedDescriptor>(descriptor: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: by the contract of `OwnedDescriptor` the value owns its descriptor and returns the same one, open, as
    // long as it exists, and `AsyncFd` owns the value.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}

/// A value that owns a descriptor which stays open and the same one for as long as the value exists.
///
/// # Safety
/// `as_raw_fd` returns that descriptor every time.
pub(super) unsafe trait OwnedDescriptor: AsRawFd {}

/// An epoll instance of our own, as an owner of its descriptor.
pub(super) struct Reactor(pub(super) nix::sys::epoll::Epoll);

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.0.as_raw_fd()
    }
}

// SAFETY: `Epoll` owns its descriptor and no method of it exchanges or closes the descriptor.
unsafe impl OwnedDescriptor for Reactor {}

/// Buffers that messages are received into.
pub(super) struct Inbox {
    arena: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    slices: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    /// The bytes, with the IP header in the case of IPv4.
    pub(super) bytes: &'a [u8],
    /// Who sent it.
    pub(super) source: Option<IpAddr>,
    /// What else the kernel says.
    pub(super) control: &'a [u8],
}

// SAFETY: the pointers in the slices and headers are only used inside `receive`, which makes them anew.
unsafe impl Send for Inbox {}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            arena: vec![0; BATCH * BUFFER].into(),
            names: vec![Name::EMPTY; BATCH].into(),
            controls: vec![Control::EMPTY; BATCH].into(),
            slices: vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH].into(),
            headers: vec![empty_header(); BATCH].into(),
        }
    }

    /// Receives up to [`BATCH`] messages, and tells how many. Never blocks: nothing there is `WouldBlock`.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let buffers = self.arena.chunks_exact_mut(BUFFER);
        let parts = self.slices.iter_mut().zip(&mut self.controls).zip(&mut self.names).zip(buffers);
        for (header, (((slice, control), name), buffer)) in self.headers.iter_mut().zip(parts) {
            *slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = CONTROL as _;
            header.msg_hdr.msg_flags = 0;
        }
        // SAFETY: there are `BATCH` headers. Each points to a slice, a name, a control message and a buffer of the given
        // lengths, all of them distinct, owned by `self` that this call borrows mutably, and valid for any bytes.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// A message that the last `receive` has left. One that did not fit the buffer is longer than any that can be right,
    /// or lacks addresses that it counts: so much of it as did fit is given out, to be dropped and counted by who reads
    /// it.
    pub(super) fn message(&self, index: usize) -> Option<Received<'_>> {
        let header = &self.headers[index];
        // Other C libraries than glibc have a narrower type here.
        #[allow(clippy::unnecessary_cast)]
        let control = (header.msg_hdr.msg_controllen as usize).min(CONTROL);
        Some(Received {
            bytes: self.arena[index * BUFFER..][..BUFFER].get(..header.msg_len as usize)?,
            source: self.names[index].address(header.msg_hdr.msg_namelen as usize),
            control: &self.controls[index].0[..control],
        })
    }
}

/// Messages that wait to be sent on one socket.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

struct Entry {
    start: usize,
    length: usize,
    name: Name,
    name_length: usize,
    control: Control,
    control_length: usize,
}

// SAFETY: the pointers in the slices and headers are only used inside `flush`, which makes them anew.
unsafe impl Send for Outbox {}

impl Outbox {
    /// Adds a message; `write` appends its bytes.
    pub(super) fn push(
        &mut self,
        (name, name_length): (Name, usize),
        (control, control_length): (Control, usize),
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - start;
        self.entries.push(Entry { start, length, name, name_length, control, control_length });
    }

    /// Sends all that waits, in order, in bursts that the queues on the way have room for. Never blocks otherwise: what the kernel does not take is lost, as on a full wire. Tells which
    /// ones were lost, and why.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>, failed: &mut dyn FnMut(usize, io::Error)) {
        self.slices.clear();
        for entry in &self.entries {
            let bytes = &self.bytes[entry.start..][..entry.length];
            self.slices
                .push(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        }
        self.headers.clear();
        for (entry, slice) in self.entries.iter_mut().zip(&mut self.slices) {
            let mut header = empty_header();
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(&mut entry.name).cast();
            header.msg_hdr.msg_namelen = entry.name_length as libc::socklen_t;
            if entry.control_length > 0 {
                header.msg_hdr.msg_control = ptr::from_mut(&mut entry.control).cast();
                header.msg_hdr.msg_controllen = entry.control_length as _;
            }
            self.headers.push(header);
        }
        let mut next = 0;
        while next < self.headers.len() {
            if next > 0 && next.is_multiple_of(BURST) {
                pause();
            }
            let end = self.headers.len().min((next / BURST + 1) * BURST);
            let headers = &mut self.headers[next..end];
            // SAFETY: there are as many headers as said. Each points to a slice, a name and a control message in vectors
            // of `self` that do not change until the call returns; the slices point into `self.bytes`, lie inside it by
            // the checks above, and are only read by the kernel.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    headers.len() as libc::c_uint,
                    (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => next += sent,
                _ => {
                    // The first one of these was refused, the others were not tried.
                    failed(next, io::Error::last_os_error());
                    next += 1;
                }
            }
        }
        self.entries.clear();
        self.bytes.clear();
    }
}

#[expect(clippy::disallowed_methods, reason = "what is sent without a pause would be lost")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Puts the calling thread into `SCHED_RR`; what it makes is not in it.
pub(in crate::driver) fn round_robin(priority: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is valid for the call, which only reads it; 0 is the calling thread.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &parameter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: a plain C struct of integers and pointers, for which all bits zero are valid: nothing to send or fill.
    unsafe { mem::zeroed() }
}

#[cfg(test)]
mod tests;
