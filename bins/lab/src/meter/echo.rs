//! Echo requests and their answers.

use std::{
    io::{self, Read as _},
    net::{IpAddr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Asks one address.
#[derive(Debug)]
pub(super) struct Echo {
    socket: Socket,
    version4: bool,
    /// By which answers are told from those to others.
    identity: u16,
}

impl Echo {
    pub(super) fn new(address: IpAddr) -> io::Result<Self> {
        let version4 = address.is_ipv4();
        let (domain, protocol) =
            if version4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.connect(&SocketAddr::new(address, 0).into())?;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Ok(Self { socket, version4, identity: u16::from_be_bytes([high, low]) })
    }

    /// Sends a request. One that can not be sent is one that is not answered.
    pub(super) fn send(&self, number: u64) {
        let _ = self.socket.send(&request(self.version4, self.identity, number));
    }

    /// Waits for something; the number of the request that it answers, if it does.
    pub(super) fn receive(&self) -> Option<u64> {
        let mut buffer = [0; 256];
        // An error is what the network says of one request.
        let length = (&self.socket).read(&mut buffer).ok()?;
        answer(self.version4, self.identity, buffer.get(..length)?)
    }
}

/// An echo request (RFC 792, RFC 4443 §4.1) with its number as data.
fn request(version4: bool, identity: u16, number: u64) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = if version4 { 8 } else { 128 };
    packet[4..6].copy_from_slice(&identity.to_be_bytes());
    packet[8..].copy_from_slice(&number.to_be_bytes());
    if version4 {
        // For version 6 the kernel does it.
        let sum: u32 =
            packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
    packet
}

/// The number in an answer to one of our requests.
fn answer(version4: bool, identity: u16, packet: &[u8]) -> Option<u64> {
    // Raw sockets of version 4 deliver the header of the packet, too.
    let header = if version4 { usize::from(packet.first()? & 0xf) * 4 } else { 0 };
    let message = packet.get(header..)?;
    let kind = if version4 { 0 } else { 129 };
    let ours = *message.first()? == kind && message.get(4..6)? == identity.to_be_bytes();
    let number = message.get(8..16)?.try_into().ok()?;
    ours.then(|| u64::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes back when `ping -4` or `ping -6` asks: the same with another type, behind a header in version 4.
    fn reply(version4: bool, request: [u8; 16]) -> Vec<u8> {
        let mut packet = if version4 { [[0x45].as_slice(), &[0; 19]].concat() } else { Vec::new() };
        packet.extend(request);
        let kind = if version4 { 20 } else { 0 };
        packet[kind] = if version4 { 0 } else { 129 };
        packet
    }

    #[test]
    fn answers_are_told_by_identity_and_kind() {
        for version4 in [true, false] {
            let packet = reply(version4, request(version4, 77, 0x0102_0304_0506));
            assert_eq!(answer(version4, 77, &packet), Some(0x0102_0304_0506));
            assert_eq!(answer(version4, 78, &packet), None);
            for length in 0..packet.len() {
                assert_eq!(answer(version4, 77, &packet[..length]), None);
            }
            let mut echoed = packet.clone();
            echoed[if version4 { 20 } else { 0 }] ^= 8;
            assert_eq!(answer(version4, 77, &echoed), None);
        }
    }

    #[test]
    fn the_sum_over_a_request_is_as_the_protocol_wants_it() {
        let packet = request(true, 0xffff, u64::MAX - 3);
        let sum: u32 =
            packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}
