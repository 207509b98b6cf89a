use std::{fs, net::IpAddr, path::Path};

use lb_vrrp::Envelope;
use pnet::packet::{Packet as _, ip::IpNextHeaderProtocol, ipv4::Ipv4Packet, ipv6::Ipv6Packet};

/// The Ethernet frames of one file, in hexadecimal, one a line.
pub(crate) struct Recording {
    frames: Vec<Vec<u8>>,
}

/// A VRRP message as a driver would get it.
pub(crate) struct Packet {
    pub(crate) envelope: Envelope,
    pub(crate) payload: Vec<u8>,
    /// All of it, from the IP header on.
    pub(crate) bytes: Vec<u8>,
}

const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocol(112);
const AUTHENTICATION_HEADER: IpNextHeaderProtocol = IpNextHeaderProtocol(51);

impl Recording {
    pub(crate) fn load(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("txt");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let frames = text.lines().filter(|line| !line.starts_with('#')).map(unhex).collect();
        Self { frames }
    }

    /// The advertisements, in the order sent.
    pub(crate) fn adverts(&self) -> impl Iterator<Item = Packet> + '_ {
        self.frames.iter().filter_map(|frame| read(frame))
    }

    /// The other frames: gratuitous ARP and unsolicited neighbour advertisements.
    pub(crate) fn announcements(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.frames.iter().filter(|frame| read(frame).is_none()).cloned()
    }
}

fn read(frame: &[u8]) -> Option<Packet> {
    let (kind, bytes) = (&frame[12..14], &frame[14..]);
    let (protocol, source, destination, ttl, payload): (_, IpAddr, IpAddr, _, _) = match kind {
        [0x08, 0x00] => {
            let ip = Ipv4Packet::new(bytes)?;
            let (source, destination) =
                (ip.get_source().octets().into(), ip.get_destination().octets().into());
            (ip.get_next_level_protocol(), source, destination, ip.get_ttl(), ip.payload().to_vec())
        }
        [0x86, 0xdd] => {
            let ip = Ipv6Packet::new(bytes)?;
            let (source, destination) =
                (ip.get_source().octets().into(), ip.get_destination().octets().into());
            (ip.get_next_header(), source, destination, ip.get_hop_limit(), ip.payload().to_vec())
        }
        _ => return None,
    };
    let envelope = Envelope { source, destination, ttl: Some(ttl), authenticated: false };
    [VRRP, AUTHENTICATION_HEADER].contains(&protocol).then(|| Packet {
        envelope,
        payload,
        bytes: bytes.to_vec(),
    })
}

fn unhex(line: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    (0..line.len()).step_by(2).map(digit).collect()
}
