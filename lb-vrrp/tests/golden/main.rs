//! Packets that other VRRP daemons sent, and judges of the packets that this crate makes. Each file beside this one says
//! which daemon sent its packets, how it was configured, and what captured them; `record.py` records them anew.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test names its input and fails by panicking")]

mod corpus;
mod judges;
mod recording;
#[path = "../support/requirements.rs"]
mod requirements;

use core::net::IpAddr;

use lb_vrrp::{
    Priority, Version, Vrid,
    wire::{
        Advert, Authentication, ChecksumForm, Mac, ah, checksum, fill_checksum, gratuitous_arp,
        unsolicited_na,
    },
};

use recording::{Packet, Recording};

/// What a recorded daemon was told to send.
struct Told {
    file: &'static str,
    version: Version,
    form: ChecksumForm,
    vrid: u8,
    priority: u8,
    centiseconds: u16,
    addresses: &'static [&'static str],
    authentication: Authentication,
}

const V4: Told = Told {
    file: "",
    version: Version::V3,
    form: ChecksumForm::PseudoHeader,
    vrid: 51,
    priority: 200,
    centiseconds: 100,
    addresses: &["192.0.2.99", "192.0.2.100"],
    authentication: Authentication::None,
};
const V2: Told = Told { version: Version::V2, form: ChecksumForm::MessageOnly, ..V4 };
const V6: Told =
    Told { vrid: 52, priority: 150, centiseconds: 50, addresses: &["fe80::5e", "2001:db8::99"], ..V4 };

const TOLD: [Told; 9] = [
    Told { file: "keepalived-v2", centiseconds: 200, ..V2 },
    Told { file: "keepalived-v2-pass", authentication: Authentication::Text(*b"secret\0\0"), ..V2 },
    Told { file: "keepalived-v3", centiseconds: 20, ..V4 },
    Told { file: "keepalived-v3-unicast", ..V4 },
    Told { file: "keepalived-v3-ipv6", ..V6 },
    Told { file: "keepalived-v3-ipv6-unicast", ..V6 },
    Told { file: "frr-v2", addresses: &["192.0.2.99"], ..V2 },
    Told { file: "frr-v3", priority: 254, centiseconds: 30, addresses: &["192.0.2.99"], ..V4 },
    // FRR does not put the link-local address first.
    Told { file: "frr-v3-ipv6", priority: 100, addresses: &["2001:db8::99", "fe80::99"], ..V6 },
];

#[test]
fn what_others_send_is_read_and_written_back() {
    for told in TOLD {
        let recording = Recording::load(told.file);
        let adverts: Vec<Packet> = recording.adverts().collect();
        assert!(adverts.len() >= 3, "{}", told.file);
        let (last, first) = adverts.split_last().unwrap();
        for packet in first {
            holds(&told, Priority::new(told.priority).ok(), packet);
        }
        // It resigned when it was told to end.
        holds(&told, None, last);
    }
}

fn holds(told: &Told, priority: Option<Priority>, packet: &Packet) {
    let Packet { envelope, payload, .. } = packet;
    let (advert, form) = Advert::decode(payload, envelope)
        .unwrap_or_else(|error| panic!("{}: {error}: {payload:02x?}", told.file));
    assert_eq!(form, told.form, "{}", told.file);
    let addresses: Vec<IpAddr> = told.addresses.iter().map(|address| address.parse().unwrap()).collect();
    assert_eq!(advert.version, told.version, "{}", told.file);
    assert_eq!(advert.vrid.get(), told.vrid, "{}", told.file);
    assert_eq!(advert.priority, priority, "{}", told.file);
    assert_eq!(advert.interval.centiseconds(), told.centiseconds, "{}", told.file);
    assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), addresses, "{}", told.file);
    assert_eq!(advert.authentication, told.authentication, "{}", told.file);

    let mut written = vec![0xff; advert.encoded_len()];
    assert_eq!(advert.encode(&mut written), payload.len());
    fill_checksum(&mut written, envelope.source, envelope.destination, form);
    assert_eq!(&written, payload, "{}", told.file);
    assert_eq!(
        checksum(payload, envelope.source, envelope.destination, form).to_be_bytes(),
        payload[6..8],
        "{}",
        told.file
    );
}

/// keepalived 2.2.7 sends unicast IPv6 with an ordinary hop limit, everything else with 255.
#[test]
fn only_one_recording_has_another_ttl() {
    for told in TOLD {
        let ttl = if told.file == "keepalived-v3-ipv6-unicast" { 64 } else { 255 };
        for packet in Recording::load(told.file).adverts() {
            assert_eq!(packet.envelope.ttl, Some(ttl), "{}", told.file);
        }
    }
}

/// Ours differ from theirs in one field that receivers ignore: the target hardware address of an announcement is zero by
/// RFC 5227, and ff:ff:ff:ff:ff:ff there.
#[test]
fn our_arp_is_theirs() {
    let mut compared = 0;
    for file in TOLD.map(|told| told.file) {
        for theirs in Recording::load(file).announcements().filter(|frame| frame[12..14] == [0x08, 0x06]) {
            let address: [u8; 4] = theirs[28..32].try_into().unwrap();
            let mut ours = gratuitous_arp(source_mac(&theirs), address.into());
            assert_eq!(ours[32..38], [0; 6]);
            ours[32..38].fill(0xff);
            assert_eq!(ours.as_slice(), theirs, "{file}");
            compared += 1;
        }
    }
    assert!(compared > 0);
}

/// R depends on whether the daemon forwards.
#[test]
fn our_neighbour_advertisement_is_theirs() {
    let mut compared = 0;
    for file in TOLD.map(|told| told.file) {
        for theirs in Recording::load(file).announcements().filter(|frame| frame[12..14] == [0x86, 0xdd]) {
            let address = |at: usize| <[u8; 16]>::try_from(&theirs[at..at + 16]).unwrap().into();
            let router = theirs[58] & 0x80 != 0;
            let ours = unsolicited_na(source_mac(&theirs), address(22), address(62), router);
            assert_eq!(ours.as_slice(), theirs, "{file}");
            compared += 1;
        }
    }
    assert!(compared > 0);
}

fn source_mac(frame: &[u8]) -> Mac {
    Mac(frame[6..12].try_into().unwrap())
}

/// Each is opened with the password that keepalived was given, and sealed to the same bytes.
#[test]
fn authentication_headers_of_keepalived_are_opened() {
    let vrid = Vrid::new(51).unwrap();
    let told = Told { authentication: Authentication::Header, ..V2 };
    let mut guard = ah::Guard::new(ah::Key::new(b"secret"), vrid);
    let mut seen = Vec::new();
    for mut packet in Recording::load("keepalived-v2-ah").adverts() {
        let message = guard.open(&packet.bytes).unwrap();
        seen.push(guard.sequence());
        assert_eq!(guard.clone().open(&packet.bytes), Err(ah::AhError::Replay(guard.sequence())));

        let IpAddr::V4(source) = packet.envelope.source else { panic!("IPv4") };
        let IpAddr::V4(destination) = packet.envelope.destination else { panic!("IPv4") };
        // Another guard comes to the same number, and so to the same bytes.
        let mut other = ah::Guard::new(ah::Key::new(b"secret"), vrid);
        let mut sealed = vec![0; packet.bytes.len()];
        while other.sequence() < guard.sequence() {
            assert_eq!(other.seal(source, destination, message, &mut sealed), packet.bytes.len());
        }
        assert_eq!(sealed, packet.bytes);

        packet.payload = message.to_vec();
        holds(&told, Priority::new(message[2]).ok(), &packet);
    }
    assert_eq!(seen, [1, 2, 3, 6]);
}
