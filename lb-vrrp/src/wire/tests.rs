use core::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::{Addresses, Envelope, Family, Interval, Priority, Version, Vrid, fuzz};

/// An advertisement that owns its addresses.
#[derive(Clone, Debug)]
struct Legal {
    version: Version,
    vrid: Vrid,
    priority: Option<Priority>,
    interval: Interval,
    family: Family,
    addresses: Vec<u8>,
    authentication: Authentication,
    unicast: bool,
    form: ChecksumForm,
}

impl Legal {
    fn advert(&self) -> Advert<'_> {
        Advert {
            version: self.version,
            vrid: self.vrid,
            priority: self.priority,
            interval: self.interval,
            addresses: Addresses::from_bytes(self.family, &self.addresses).unwrap(),
            authentication: self.authentication,
        }
    }

    fn envelope(&self) -> Envelope {
        let (source, other): (IpAddr, IpAddr) = match self.family {
            Family::V4 => ([192, 0, 2, 1].into(), [192, 0, 2, 2].into()),
            Family::V6 => ([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), [0xfe80, 0, 0, 0, 0, 0, 0, 2].into()),
        };
        let destination = if self.unicast { other } else { self.family.multicast_group() };
        Envelope { source, destination, ttl: Some(255), authenticated: false }
    }

    fn encode(&self) -> Vec<u8> {
        let advert = self.advert();
        let mut message = vec![0xff; advert.encoded_len()];
        assert_eq!(advert.encode(&mut message), message.len());
        let envelope = self.envelope();
        fill_checksum(&mut message, envelope.source, envelope.destination, self.form);
        message
    }
}

fn legal() -> impl Strategy<Value = Legal> {
    let kind = prop_oneof![
        Just((Version::V2, Family::V4)),
        Just((Version::V3, Family::V4)),
        Just((Version::V3, Family::V6))
    ];
    (kind, any::<bool>()).prop_flat_map(|((version, family), unicast)| {
        let interval = match version {
            Version::V2 => (1_u8..=40).prop_map(|secs| Interval::from_secs(secs).unwrap()).boxed(),
            Version::V3 => {
                (1_u16..=4095).prop_map(|value| Interval::from_centiseconds(value).unwrap()).boxed()
            }
        };
        let authentication = match version {
            Version::V2 => prop_oneof![
                Just(Authentication::None),
                any::<[u8; 8]>().prop_map(Authentication::Text),
                Just(Authentication::Header),
            ]
            .boxed(),
            Version::V3 => Just(Authentication::None).boxed(),
        };
        let forms = match (version, family, unicast) {
            (Version::V2, ..) => vec![ChecksumForm::MessageOnly],
            (_, Family::V6, _) => vec![ChecksumForm::PseudoHeader],
            (_, Family::V4, false) => vec![ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader],
            (_, Family::V4, true) => {
                vec![ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader, ChecksumForm::GroupPseudoHeader]
            }
        };
        let addresses = prop_oneof![4 => 1..=4_usize, 1 => 1..=255_usize]
            .prop_flat_map(move |count| prop::collection::vec(any::<u8>(), count * family.address_len()));
        let common = (1_u8..=255, any::<u8>(), interval, addresses, authentication);
        (common, prop::sample::select(forms)).prop_map(
            move |((vrid, priority, interval, addresses, authentication), form)| Legal {
                version,
                vrid: Vrid::new(vrid).unwrap(),
                priority: Priority::new(priority).ok(),
                interval,
                family,
                addresses,
                authentication,
                unicast,
                form,
            },
        )
    })
}

/// Something that happens to bytes on their way.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::Set(at, value) => bytes[at.index(len)] = *value,
            Self::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Self::Cut(at) => bytes.truncate(at.index(len)),
            Self::Append(more) => bytes.extend(more),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, value)| Damage::Set(at, value)),
        (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..30).prop_map(Damage::Append),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read(legal in legal()) {
        let message = legal.encode();
        let (advert, form) = Advert::decode(&message, &legal.envelope()).unwrap();
        prop_assert_eq!(advert, legal.advert());
        // One message in 65535 fits a simpler form as well.
        let envelope = legal.envelope();
        let fits = |form| checksum(&message, envelope.source, envelope.destination, form).to_be_bytes();
        prop_assert!(form == legal.form || fits(form) == message[6..8]);
    }

    #[test]
    fn one_damaged_bit_is_noticed(legal in legal(), at: prop::sample::Index, bit in 0_u8..8) {
        let mut message = legal.encode();
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        // Of two forms whose checksums differ by this very bit, the other one may fit now.
        let form = Advert::decode(&message, &legal.envelope()).map(|(_, form)| form);
        prop_assert_ne!(form, Ok(legal.form));
    }

    #[test]
    fn damaged_messages_do_no_harm(legal in legal(), damage in prop::collection::vec(damage(), 1..4)) {
        let mut message = legal.encode();
        damage.iter().for_each(|damage| damage.apply(&mut message));
        fuzz::message(&message);
        fuzz::sound_message(&message);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::message(&bytes);
        fuzz::sound_message(&bytes);
    }

    /// Sums of 32-bit words against sums of 16-bit words, as RFC 1071 §4.1 has them.
    #[test]
    fn the_sum_is_that_of_the_rfc(bytes in prop::collection::vec(any::<u8>(), 8..1100)) {
        let mut sum = 0_u64;
        for (_, pair) in bytes.chunks(2).enumerate().filter(|(index, _)| *index != 3) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
        while sum >> 16 != 0 {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        let source = IpAddr::from([192, 0, 2, 1]);
        prop_assert_eq!(checksum(&bytes, source, source, ChecksumForm::MessageOnly), !(sum as u16));
    }
}
