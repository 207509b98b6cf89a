//! `recvmmsg(2)` and `sendmmsg(2)` with the control messages of `UDP_GRO` and `UDP_SEGMENT`.
//!
//! nix and rustix have no call that sends several messages with a segment size of their own each, so this module
//! makes the two system calls itself. All their pointers are made from borrowed memory right before the call and
//! are never read after it; names and control messages are plain structs that are read without `unsafe`.

#![allow(unsafe_code)]

use std::{
    fmt, io, mem,
    net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    ops::Range,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use libc::{AF_INET, AF_INET6, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SOL_UDP, UDP_GRO, UDP_SEGMENT};

/// Messages that one call moves.
pub(super) const BATCH: usize = 64;

/// Room for the largest datagram or train, and a little more, so that the buffers' beginnings do not all fall into
/// the same lines of the cache.
const STRIDE: usize = (1 << 16) + 192;

/// The buffers that datagrams are received into: one set per thread, for all of its sockets.
pub(super) struct Inbox {
    /// `BATCH` buffers of `STRIDE` bytes; pages that were never used take no memory.
    arena: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

/// One received message: a datagram, or a train of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Where it came from; `None` when the kernel did not say.
    pub(super) source: Option<SocketAddr>,
    /// Bytes of all datagrams.
    pub(super) length: usize,
    /// Bytes of each datagram of a train but the last, which may be shorter; 0 = this is a single datagram.
    pub(super) segment: u16,
    /// It did not fit the buffer, so a part of it is lost.
    pub(super) truncated: bool,
}

/// A stretch of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which of the [`Inbox`]'s buffers.
    pub(super) buffer: usize,
    /// Where in the buffer.
    pub(super) start: usize,
    /// How many bytes.
    pub(super) length: usize,
}

/// One message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Receiver; `None` on a connected socket.
    pub(super) to: Option<SocketAddr>,
    /// Its payload, as indices into the list of pieces.
    pub(super) pieces: Range<usize>,
    /// Bytes of each datagram but the last; 0 = a single datagram.
    pub(super) segment: u16,
}

/// Headers of messages that are sent.
pub(super) struct Outbox {
    names: Vec<Name>,
    controls: Vec<Control>,
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in the headers are only used inside `receive`, which makes them anew.
unsafe impl Send for Inbox {}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            arena: vec![0; BATCH * STRIDE],
            names: vec![Name::EMPTY; BATCH],
            controls: vec![Control::EMPTY; BATCH],
            slices: vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH],
            headers: vec![empty_header(); BATCH],
        }
    }

    /// Receives into these buffers; tells how many were filled. Never blocks: nothing there is `WouldBlock`.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, buffers: Range<usize>) -> io::Result<usize> {
        let count = buffers.len();
        let arena = self.arena[buffers.start * STRIDE..buffers.end * STRIDE].chunks_exact_mut(STRIDE);
        let names = self.names[buffers.clone()].iter_mut();
        let controls = self.controls[buffers.clone()].iter_mut();
        let slices = self.slices[buffers.clone()].iter_mut();
        let headers = &mut self.headers[buffers];
        for ((((header, slice), control), name), buffer) in
            headers.iter_mut().zip(slices).zip(controls).zip(names).zip(arena)
        {
            *slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            header.msg_hdr.msg_flags = 0;
        }
        // SAFETY: `headers` has `count` entries. Each points to a slice, a name, a control message and a buffer of
        // the given lengths, all of them distinct, borrowed mutably by this call and valid for any bytes.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as libc::c_uint,
                MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// What the last `receive` has left in a buffer.
    pub(super) fn received(&self, buffer: usize) -> Received {
        let header = &self.headers[buffer];
        let (source, control) = (&self.names[buffer], &self.controls[buffer]);
        let has_control = header.msg_hdr.msg_controllen >= Control::LENGTH as _;
        Received {
            source: source.address(header.msg_hdr.msg_namelen as usize),
            length: header.msg_len as usize,
            segment: if has_control { control.segment(header.msg_len as usize) } else { 0 },
            truncated: header.msg_hdr.msg_flags & MSG_TRUNC != 0,
        }
    }
}

// SAFETY: the pointers in the slices and headers are only used inside `send`, which makes them anew.
unsafe impl Send for Outbox {}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { names: Vec::new(), controls: Vec::new(), slices: Vec::new(), headers: Vec::new() }
    }

    /// Sends messages in order; tells how many were taken. An error is that of the first message.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        inbox: &Inbox,
        pieces: &[Piece],
        messages: &[Outgoing],
    ) -> io::Result<usize> {
        self.slices.clear();
        self.slices.extend(pieces.iter().map(|piece| {
            let buffer = &inbox.arena[piece.buffer * STRIDE..][..STRIDE];
            let payload = &buffer[piece.start..piece.start + piece.length];
            libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() }
        }));
        self.names.clear();
        self.names.extend(messages.iter().map(|message| message.to.map_or(Name::EMPTY, Name::from)));
        self.controls.clear();
        self.controls.extend(messages.iter().map(|message| Control::segments(message.segment)));
        self.headers.clear();
        // Taken once: a reference to the slices, made after a header has a pointer into them, would end that pointer.
        let (first, count) = (self.slices.as_mut_ptr(), self.slices.len());
        for ((message, name), control) in messages.iter().zip(&mut self.names).zip(&mut self.controls) {
            let Range { start, end } = message.pieces;
            assert!(start <= end && end <= count, "the message names pieces that are not there");
            let mut header = empty_header();
            header.msg_hdr.msg_iov = first.wrapping_add(start);
            header.msg_hdr.msg_iovlen = (end - start) as _;
            if let Some(to) = message.to {
                header.msg_hdr.msg_name = ptr::from_mut(name).cast();
                header.msg_hdr.msg_namelen = Name::length(to);
            }
            if message.segment > 0 {
                header.msg_hdr.msg_control = ptr::from_mut(control).cast();
                header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            }
            self.headers.push(header);
        }
        // SAFETY: there are as many headers as said. Each points to slices, a name and a control message in vectors of
        // `self` that do not change, and that no reference is made to, until the call returns. The slices point into
        // `inbox`, which is borrowed, lie inside it by the checks above, and are only read by the kernel.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                (MSG_DONTWAIT | MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: a plain C struct of integers and pointers, for which all bits zero are valid: nothing to send or fill.
    unsafe { mem::zeroed() }
}

/// A `sockaddr_in` or `sockaddr_in6`, as bytes: family, port, then address, or flow information, address and scope.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct Name([u8; 28]);

impl Name {
    const EMPTY: Self = Self([0; 28]);

    const fn length(address: SocketAddr) -> libc::socklen_t {
        match address {
            SocketAddr::V4(_) => 16,
            SocketAddr::V6(_) => 28,
        }
    }

    fn address(&self, length: usize) -> Option<SocketAddr> {
        let bytes = &self.0;
        let family = i32::from(u16::from_ne_bytes(self.field(0)));
        let port = u16::from_be_bytes(self.field(2));
        match family {
            AF_INET if length >= 8 => Some(SocketAddrV4::new(self.field::<4>(4).into(), port).into()),
            AF_INET6 if length >= bytes.len() => {
                let flow = u32::from_be_bytes(self.field(4));
                let scope = u32::from_ne_bytes(self.field(24));
                let ip = Ipv6Addr::from(self.field::<16>(8));
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.0[at..at + N]);
        field
    }
}

impl From<SocketAddr> for Name {
    fn from(address: SocketAddr) -> Self {
        let mut name = Self::EMPTY;
        let mut put = |at: usize, bytes: &[u8]| name.0[at..at + bytes.len()].copy_from_slice(bytes);
        put(2, &address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                put(0, &(AF_INET as u16).to_ne_bytes());
                put(4, &v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                put(0, &(AF_INET6 as u16).to_ne_bytes());
                put(4, &v6.flowinfo().to_be_bytes());
                put(8, &v6.ip().octets());
                put(24, &v6.scope_id().to_ne_bytes());
            }
        }
        name
    }
}

/// The one control message that goes either way: its header, and the size of a train's segments. The kernel writes
/// an `int` there and reads a `u16`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control {
    header: libc::cmsghdr,
    value: [u8; 4],
}

impl Control {
    const EMPTY: Self =
        Self { header: libc::cmsghdr { cmsg_len: 0, cmsg_level: 0, cmsg_type: 0 }, value: [0; 4] };
    /// Of the message that the kernel writes, without padding.
    const LENGTH: usize = size_of::<libc::cmsghdr>() + 4;

    fn segments(size: u16) -> Self {
        let length = size_of::<libc::cmsghdr>() + size_of::<u16>();
        let [low, high] = size.to_ne_bytes();
        let header = libc::cmsghdr { cmsg_len: length as _, cmsg_level: SOL_UDP, cmsg_type: UDP_SEGMENT };
        Self { header, value: [low, high, 0, 0] }
    }

    /// Segment size of a message of `length` bytes; 0 when it is a single datagram.
    fn segment(&self, length: usize) -> u16 {
        if (self.header.cmsg_level, self.header.cmsg_type) != (SOL_UDP, UDP_GRO) {
            return 0;
        }
        let size = u16::try_from(i32::from_ne_bytes(self.value)).unwrap_or(0);
        if usize::from(size) < length { size } else { 0 }
    }
}
