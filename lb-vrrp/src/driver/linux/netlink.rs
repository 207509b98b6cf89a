//! Requests to the kernel by netlink, several at once.

use std::{io, time::Duration};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use socket2::SockRef;

/// A netlink socket for requests. Its calls wait for the kernel.
pub(super) struct Requests {
    socket: Socket,
    port: u32,
    sequence: u32,
    send: Vec<u8>,
    receive: Vec<u8>,
}

/// The kernel answers within the call, unless it lost the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than the kernel puts into one answer.
pub(super) const BUFFER: usize = 1 << 16;

/// What a request is to do with what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Make something, which must not be there.
    Create,
    /// Change or remove something.
    Change,
}

impl Requests {
    pub(super) fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        // Without a copy of the request in each answer. Old kernels do not know this option.
        drop(socket.set_cap_ack(true));
        SockRef::from(&socket).set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, port, sequence: 0, send: Vec::new(), receive: Vec::with_capacity(BUFFER) })
    }

    /// Where requests come from, as the kernel tells others of what they changed.
    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// One request.
    pub(super) fn one(&mut self, kind: Kind, request: RouteNetlinkMessage) -> io::Result<()> {
        self.all([(kind, request)])?.pop().unwrap_or(Ok(()))
    }

    /// The link of this name.
    pub(super) fn link(&mut self, name: &str) -> io::Result<Option<LinkMessage>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let mut found = None;
        let request = [(Kind::Change, RouteNetlinkMessage::GetLink(message))];
        let answers = self.exchange(request, &mut |message| {
            if let RouteNetlinkMessage::NewLink(link) = message {
                found = Some(link);
            }
        })?;
        match answers.into_iter().next() {
            Some(Err(error)) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Some(Err(error)) => Err(error),
            _ => Ok(found),
        }
    }

    /// All links.
    pub(super) fn links(&mut self) -> io::Result<Vec<LinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.sequence;
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        self.send.clear();
        self.send.resize(message.buffer_len(), 0);
        message.serialize(&mut self.send);
        self.socket.send(&self.send, 0)?;
        let mut links = Vec::new();
        loop {
            self.receive.clear();
            self.socket.recv(&mut self.receive, 0)?;
            let own = messages(&self.receive).filter(|(header, _)| header.sequence_number == self.sequence);
            for (_, answer) in own {
                match answer {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => links.push(link),
                    NetlinkPayload::Done(_) => return Ok(links),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    /// Makes these requests with one system call, and returns the answer to each, in order.
    pub(super) fn all(
        &mut self,
        requests: impl IntoIterator<Item = (Kind, RouteNetlinkMessage)>,
    ) -> io::Result<Vec<io::Result<()>>> {
        self.exchange(requests, &mut |_| {})
    }

    fn exchange(
        &mut self,
        requests: impl IntoIterator<Item = (Kind, RouteNetlinkMessage)>,
        take: &mut dyn FnMut(RouteNetlinkMessage),
    ) -> io::Result<Vec<io::Result<()>>> {
        self.send.clear();
        let first = self.sequence.wrapping_add(1);
        let mut count = 0;
        for (kind, request) in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.sequence_number = self.sequence;
            header.flags = NLM_F_REQUEST | NLM_F_ACK;
            if kind == Kind::Create {
                header.flags |= NLM_F_CREATE | NLM_F_EXCL;
            }
            let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
            message.finalize();
            let start = self.send.len();
            self.send.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut self.send[start..]);
            count += 1;
        }
        self.socket.send(&self.send, 0)?;
        let mut answers: Vec<Option<io::Result<()>>> = (0..count).map(|_| None).collect();
        let mut left = count;
        while left > 0 {
            self.receive.clear();
            self.socket.recv(&mut self.receive, 0)?;
            for (header, answer) in messages(&self.receive) {
                let error = match answer {
                    NetlinkPayload::Error(error) => error,
                    NetlinkPayload::InnerMessage(message) => {
                        take(message);
                        continue;
                    }
                    _ => continue,
                };
                let index = header.sequence_number.wrapping_sub(first) as usize;
                let Some(slot @ None) = answers.get_mut(index) else { continue };
                *slot = Some(if error.code.is_some() { Err(error.to_io()) } else { Ok(()) });
                left -= 1;
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Ok(()))).collect())
    }
}

/// The messages of a datagram of the kernel. One that is not understood is left out.
pub(super) fn messages(
    mut bytes: &[u8],
) -> impl Iterator<Item = (NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)> + '_ {
    std::iter::from_fn(move || {
        loop {
            let length = u32::from_ne_bytes(*bytes.first_chunk::<4>()?) as usize;
            if length < 16 {
                return None;
            }
            let this = bytes.get(..length)?;
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(this) {
                Ok(message) => return Some(message.into_parts()),
                Err(error) => tracing::debug!(%error, "a netlink message is not understood"),
            }
        }
    })
}
