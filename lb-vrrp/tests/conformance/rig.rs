//! What the tests work with: messages made byte by byte, without the encoder that is tested, and a virtual router with a
//! clock that moves only when told.

#![allow(dead_code, reason = "shared by two test programs, and not each needs all of it")]

use std::{net::IpAddr, time::Duration};

use super::vrrp::{
    AnnounceReason, Config, ConfigBuilder, Datagram, Envelope, Event, Family, Input, Interval, Output,
    Priority, Profile, State, Time, VirtualRouter, Vrid,
};

pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
pub(crate) const PROFILES: [Profile; 2] = [Profile::Strict, Profile::Compatible];
/// The virtual router of all tests.
pub(crate) const VRID: u8 = 7;
/// Our own host number; lower and greater ones are peers.
pub(crate) const OURS: u8 = 5;
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Primary address of a router on the link: 10.0.0.n or fe80::n.
pub(crate) fn host(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([10, 0, 0, number]),
        Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)]),
    }
}

/// The addresses of the virtual router.
pub(crate) fn virtual_addresses(family: Family) -> [IpAddr; 2] {
    match family {
        Family::V4 => [ip("192.0.2.1"), ip("192.0.2.2")],
        Family::V6 => [ip("fe80::100"), ip("2001:db8::100")],
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn vrid() -> Vrid {
    Vrid::new(VRID).unwrap()
}

pub(crate) fn priority(value: u8) -> Priority {
    Priority::new(value).unwrap()
}

pub(crate) fn centiseconds(value: u16) -> Interval {
    Interval::from_centiseconds(value).unwrap()
}

pub(crate) fn v3(family: Family) -> ConfigBuilder {
    Config::v3(vrid(), virtual_addresses(family))
}

pub(crate) fn v2() -> ConfigBuilder {
    Config::v2(vrid(), virtual_addresses(Family::V4))
}

pub(crate) fn dual() -> ConfigBuilder {
    Config::dual(vrid(), virtual_addresses(Family::V4))
}

/// `(256 - priority) / 256` of so many centiseconds, as RFC 9568 §6.1 writes it down.
pub(crate) fn skew(priority: u64, centiseconds: u64) -> Duration {
    Duration::from_nanos((256 - priority) * centiseconds * 10_000_000 / 256)
}

/// Three intervals and the skew time.
pub(crate) fn down(priority: u64, centiseconds: u64) -> Duration {
    Duration::from_millis(3 * centiseconds * 10) + skew(priority, centiseconds)
}

/// Which pseudo-header the checksum of a message covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pseudo {
    No,
    Packet,
    Group,
}

/// A message on its way, each field as a number, so that it may hold what the protocol does not allow.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: Option<u8>,
    pub(crate) authenticated: bool,
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// Instead of the number of addresses.
    pub(crate) count: Option<u8>,
    /// High nibble of the interval in VRRPv3.
    pub(crate) reserved: u8,
    /// Type of authentication in VRRPv2.
    pub(crate) auth: u8,
    /// Centiseconds in VRRPv3, seconds in VRRPv2.
    pub(crate) interval: u16,
    pub(crate) addresses: Vec<IpAddr>,
    /// What follows the addresses.
    pub(crate) trailer: Vec<u8>,
    pub(crate) pseudo: Pseudo,
    /// What the checksum is wrong by.
    pub(crate) damage: u16,
}

impl Packet {
    /// An advertisement of priority 100 and one second.
    pub(crate) fn v3(family: Family, from: u8) -> Self {
        Self {
            source: host(family, from),
            destination: family.multicast_group(),
            ttl: Some(255),
            authenticated: false,
            version: 3,
            kind: 1,
            vrid: VRID,
            priority: 100,
            count: None,
            reserved: 0,
            auth: 0,
            interval: 100,
            addresses: virtual_addresses(family).into(),
            trailer: Vec::new(),
            pseudo: Pseudo::Packet,
            damage: 0,
        }
    }

    pub(crate) fn v2(from: u8) -> Self {
        Self {
            version: 2,
            interval: 1,
            trailer: vec![0; 8],
            pseudo: Pseudo::No,
            ..Self::v3(Family::V4, from)
        }
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope {
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            authenticated: self.authenticated,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(self.addresses.len() as u8);
        let mut bytes = vec![self.version << 4 | self.kind, self.vrid, self.priority, count];
        if self.version == 2 {
            bytes.extend([self.auth, self.interval as u8]);
        } else {
            bytes.extend((u16::from(self.reserved) << 12 | self.interval).to_be_bytes());
        }
        bytes.extend([0, 0]);
        self.addresses.iter().for_each(|address| bytes.extend(octets(*address)));
        bytes.extend(&self.trailer);
        let destination = match self.pseudo {
            Pseudo::Group => Family::of(self.source).multicast_group(),
            _ => self.destination,
        };
        let mut covered = bytes.clone();
        if self.pseudo != Pseudo::No {
            covered.splice(0..0, pseudo_header(self.source, destination, bytes.len()));
        }
        bytes[6..8].copy_from_slice(&internet_checksum(&covered).wrapping_add(self.damage).to_be_bytes());
        bytes
    }
}

/// RFC 8200 §8.1 for IPv6, RFC 9293 §3.1 for IPv4, with protocol 112.
fn pseudo_header(source: IpAddr, destination: IpAddr, len: usize) -> Vec<u8> {
    let tail = match source {
        IpAddr::V4(_) => vec![0, 112, (len >> 8) as u8, len as u8],
        IpAddr::V6(_) => vec![0, 0, (len >> 8) as u8, len as u8, 0, 0, 0, 112],
    };
    [octets(source), octets(destination), tail].concat()
}

/// RFC 1071.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// What a router did, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// Sent a message of this version and priority; 0 resigns.
    Send(u8, u8),
    Install,
    Announce(AnnounceReason),
    Remove,
    Tell(Event),
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) payload: Vec<u8>,
}

/// A virtual router and its clock.
pub(crate) struct Rig {
    pub(crate) router: VirtualRouter,
    pub(crate) now: Time,
    /// What the last input made it send.
    pub(crate) sent: Vec<Sent>,
}

impl Rig {
    /// In state Initialize.
    pub(crate) fn new(config: ConfigBuilder) -> Self {
        let config = config.build().unwrap();
        let source = host(config.family(), OURS);
        Self::at(Time::from_secs(1000), VirtualRouter::new(config, source).unwrap())
    }

    /// Goes on with this router.
    pub(crate) fn at(now: Time, router: VirtualRouter) -> Self {
        Self { router, now, sent: Vec::new() }
    }

    /// Started, and what that made is over.
    pub(crate) fn started(config: ConfigBuilder) -> Self {
        let mut rig = Self::new(config);
        let _ = rig.input(Input::Startup);
        rig
    }

    pub(crate) fn backup(config: ConfigBuilder) -> Self {
        let rig = Self::started(config);
        assert_eq!(rig.router.state(), State::Backup);
        rig
    }

    /// Active, since it heard nobody.
    pub(crate) fn active(config: ConfigBuilder) -> Self {
        let mut rig = Self::started(config);
        if rig.router.state() == State::Backup {
            let _ = rig.timeout();
        }
        assert_eq!(rig.router.state(), State::Active);
        rig
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Did> {
        self.router.handle_input(self.now, input);
        self.drain()
    }

    pub(crate) fn hear(&mut self, packet: &Packet) -> Vec<Did> {
        self.hear_from(packet, self.now)
    }

    /// Hears what the kernel received at this time.
    pub(crate) fn hear_from(&mut self, packet: &Packet, received: Time) -> Vec<Did> {
        self.hear_bytes(packet, received, &packet.bytes())
    }

    pub(crate) fn hear_bytes(&mut self, packet: &Packet, received: Time, payload: &[u8]) -> Vec<Did> {
        self.input(Input::Datagram(Datagram { received, envelope: packet.envelope(), payload }))
    }

    /// Lets time pass, and nothing happen.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Lets time pass until the deadline, and no longer.
    pub(crate) fn timeout(&mut self) -> Vec<Did> {
        self.wait(self.remaining());
        self.wake()
    }

    /// Calls `handle_timeout` now.
    pub(crate) fn wake(&mut self) -> Vec<Did> {
        self.router.handle_timeout(self.now);
        self.drain()
    }

    /// How long until the deadline.
    pub(crate) fn remaining(&self) -> Duration {
        self.router.poll_timeout().unwrap() - self.now
    }

    pub(crate) fn drain(&mut self) -> Vec<Did> {
        self.sent.clear();
        let mut done = Vec::new();
        while let Some(output) = self.router.poll_output() {
            done.push(match output {
                Output::Send(transmit) => {
                    let payload = transmit.payload.to_vec();
                    let did = Did::Send(payload[0] >> 4, payload[2]);
                    self.sent.push(Sent {
                        source: transmit.source,
                        destination: transmit.destination,
                        payload,
                    });
                    did
                }
                Output::Install => Did::Install,
                Output::Announce(reason) => Did::Announce(reason),
                Output::Remove => Did::Remove,
                Output::Event(event) => Did::Tell(event),
            });
        }
        done
    }
}

/// Those of the outputs that ask for something to be done.
pub(crate) fn actions(done: Vec<Did>) -> Vec<Did> {
    done.into_iter().filter(|did| !matches!(did, Did::Tell(_))).collect()
}
