//! ICMP echo, RFC 792 and RFC 4443.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use pnet::packet::{
    Packet,
    icmp::{self, IcmpTypes, echo_reply, echo_request::MutableEchoRequestPacket},
    icmpv6::{self, Icmpv6Types},
};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use crate::{
    Failure, FailureKind, HealthCheck, Outcome, Passed, Target,
    connect::{bind, io_failure, is_shortage, local, local_failure},
};

/// Up if the target's address answers an echo request. The port does not matter.
///
/// Uses the unprivileged sockets for ICMP where the sysctl `net.ipv4.ping_group_range` allows them (it covers IPv6
/// as well), and raw ones, which need CAP_NET_RAW, otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ping {
    /// Requests that are sent before the target is given up; ldirectord's `checkcount`. Default 1.
    pub attempts: NonZeroU32,
    /// How long to wait for each answer before the next request. The last one waits until the look's own deadline.
    /// Default 1 s.
    pub pause: Duration,
}

impl Default for Ping {
    fn default() -> Self {
        Self { attempts: NonZeroU32::MIN, pause: Duration::from_secs(1) }
    }
}

#[async_trait]
impl HealthCheck for Ping {
    fn kind(&self) -> &'static str {
        "ping"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let echo = Echo::open(target)?;
        for attempt in 1..self.attempts.get() {
            echo.send(attempt).await?;
            if let Ok(answer) = timeout(self.pause, echo.answer()).await {
                return answer;
            }
        }
        echo.send(self.attempts.get()).await?;
        echo.answer().await
    }
}

/// One series of requests.
struct Echo {
    socket: UdpSocket,
    address: IpAddr,
    raw: bool,
    /// Tells our answers from those to others. The kernel puts its own into unprivileged requests.
    identifier: u16,
    token: [u8; 8],
}

/// Type, code, checksum, identifier and sequence number.
const HEADER: usize = 8;

impl Echo {
    fn open(target: &Target) -> Result<Self, Failure> {
        static SERIES: AtomicU64 = AtomicU64::new(1);
        let address = target.address.ip();
        let (domain, protocol) = match address {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
        let (socket, raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(_) => (open(Type::RAW).map_err(|error| unprivileged(&error))?, true),
        };
        bind(&socket, target)?;
        let peer = SocketAddr::new(address, 0);
        socket
            .connect(&SockAddr::from(peer))
            .map_err(|error| io_failure("sending an echo request", &error))?;
        let series = SERIES.fetch_add(1, Ordering::Relaxed);
        let socket = UdpSocket::from_std(socket.into()).map_err(local("registering the socket"))?;
        // Of several programs on one host, each has its own first half.
        let token = (u64::from(std::process::id()) << 32 | series & 0xffff_ffff).to_be_bytes();
        Ok(Self { socket, address, raw, identifier: series as u16, token })
    }

    async fn send(&self, attempt: u32) -> Result<(), Failure> {
        let request = self.request(attempt as u16);
        match self.socket.send(&request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match io_failure("sending an echo request", &error) {
                failure if failure.kind == FailureKind::Local => {
                    local_failure("sending an echo request", &error)
                }
                failure => failure,
            }),
        }
    }

    /// Waits for an answer to any of the requests.
    async fn answer(&self) -> Outcome {
        let mut packet = [0; 512];
        for heard in 1_u32.. {
            let got = self.socket.recv(&mut packet).await;
            let got = got.map_err(|error| io_failure("waiting for the echo", &error))?;
            if self.is_answer(&packet[..got]) {
                return Ok(Passed::default());
            }
            // A raw socket hears the answers to other programs, too; a flood of them is read slowly.
            if heard > 64 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        Err(Failure::new(FailureKind::Protocol, "no echo among all that came"))
    }

    fn request(&self, sequence: u16) -> [u8; HEADER + 8] {
        let mut bytes = [0; HEADER + 8];
        if let Some(mut request) = MutableEchoRequestPacket::new(&mut bytes) {
            request.set_identifier(self.identifier);
            request.set_sequence_number(sequence);
            request.set_payload(&self.token);
        }
        match self.address {
            IpAddr::V4(_) => {
                bytes[0] = IcmpTypes::EchoRequest.0;
                let sum = icmp::IcmpPacket::new(&bytes).map_or(0, |packet| icmp::checksum(&packet));
                bytes[2..4].copy_from_slice(&sum.to_be_bytes());
            }
            // There the kernel sums up.
            IpAddr::V6(_) => bytes[0] = Icmpv6Types::EchoRequest.0,
        }
        bytes
    }

    fn is_answer(&self, packet: &[u8]) -> bool {
        let ours = |bytes: &[u8], identifier: u16, payload: &[u8]| {
            bytes.len() >= HEADER && (!self.raw || identifier == self.identifier) && payload == self.token
        };
        match self.address {
            IpAddr::V4(_) => {
                // Only raw IPv4 sockets hand out the IP header.
                let header =
                    if self.raw { packet.first().map_or(0, |first| usize::from(first & 15) * 4) } else { 0 };
                packet.get(header..).and_then(echo_reply::EchoReplyPacket::new).is_some_and(|reply| {
                    reply.get_icmp_type() == IcmpTypes::EchoReply
                        && ours(reply.packet(), reply.get_identifier(), reply.payload())
                })
            }
            IpAddr::V6(_) => icmpv6::echo_reply::EchoReplyPacket::new(packet).is_some_and(|reply| {
                reply.get_icmpv6_type() == Icmpv6Types::EchoReply
                    && ours(reply.packet(), reply.get_identifier(), reply.payload())
            }),
        }
    }
}

fn unprivileged(error: &io::Error) -> Failure {
    let kind = if is_shortage(error) { FailureKind::Local } else { FailureKind::Misconfigured };
    let remedy = "allow it with CAP_NET_RAW or the sysctl net.ipv4.ping_group_range=\"0 2147483647\"";
    Failure::new(kind, format_args!("opening an ICMP socket: {error}; {remedy}"))
}
