//! Bodies of the fuzz targets: each takes any bytes, and panics where the crate breaks a promise. They are functions of
//! the library, so that a test can run them over a corpus, and a fuzzer needs no more than a line for each.

use alloc::vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    Envelope, Family, Vrid,
    wire::{Advert, ChecksumForm, View, ah, fill_checksum},
};

/// The bytes as a message in each kind of packet: it is refused, or written back to the same bytes.
pub fn message(bytes: &[u8]) {
    for envelope in envelopes() {
        let family = Family::of(envelope.source);
        let view = View::new(family, bytes);
        let _ = alloc::format!("{view}");
        let Ok((advert, form)) = Advert::decode(bytes, &envelope) else { continue };

        assert_eq!(view.vrid(), Some(advert.vrid.get()));
        assert_eq!(view.interval(), Some(advert.interval.centiseconds()));
        assert_eq!(view.addresses(), Some(advert.addresses));
        let mut written = vec![0xff; advert.encoded_len()];
        assert_eq!(advert.encode(&mut written), bytes.len());
        fill_checksum(&mut written, envelope.source, envelope.destination, form);
        let again = Advert::decode(&written, &envelope);
        assert_eq!(again.map(|(again, _)| again), Ok(advert));
    }
}

/// The bytes as a message whose checksum is right, so that what comes after the checksum is reached.
pub fn sound_message(bytes: &[u8]) {
    for envelope in envelopes() {
        let mut sound = bytes.to_vec();
        if sound.len() >= 8 {
            let form = match envelope.source {
                IpAddr::V4(_) => ChecksumForm::MessageOnly,
                IpAddr::V6(_) => ChecksumForm::PseudoHeader,
            };
            fill_checksum(&mut sound, envelope.source, envelope.destination, form);
        }
        message(&sound);
    }
}

/// The bytes as an IPv4 packet with an authentication header: it is refused, and the guard is left as it was.
pub fn authentication_header(bytes: &[u8]) {
    let mut guard = ah::Guard::new(ah::Key::new(b"secret"), VRID);
    if guard.open(bytes).is_err() {
        assert_eq!(guard.sequence(), 0);
    }
}

/// The bytes as a message with an HMAC trailer.
#[cfg(feature = "hmac")]
pub fn hmac_trailer(bytes: &[u8]) {
    use core::time::Duration;

    use crate::{
        Interval,
        wire::hmac::{Guard, Keyring},
    };

    let keyring = Keyring::builder(Interval::DEFAULT).key(1, b"secret").build().expect("the key fits");
    for envelope in envelopes() {
        let mut guard = Guard::new(keyring.clone());
        let opened = guard.open(Duration::ZERO, envelope.source, bytes);
        assert!(opened.is_err(), "nobody guesses 128 bits");
    }
}

const VRID: Vrid = match Vrid::new(51) {
    Ok(vrid) => vrid,
    Err(_) => unreachable!(),
};

/// Multicast of both families, and unicast.
fn envelopes() -> [Envelope; 3] {
    let envelope =
        |source, destination| Envelope { source, destination, ttl: Some(255), authenticated: false };
    let v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let v6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    [
        envelope(v4, Family::V4.multicast_group()),
        envelope(v4, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))),
        envelope(v6, Family::V6.multicast_group()),
    ]
}
