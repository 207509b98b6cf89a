//! Which form of the checksum of VRRPv3 over IPv4 is sent: that of the peers, as far as they show it.

use proptest::prelude::*;

use super::rig::*;
use crate::{Event, Family, wire::ChecksumForm};

/// An advertisement of one address, with this source.
fn from(source: &str, pseudo: Pseudo) -> Packet {
    let addresses = vec![ip("10.99.21.100")];
    Packet { source: ip(source), pseudo, addresses, priority: 200, ..Packet::v3(Family::V4, 9) }
}

fn rig() -> Rig {
    Rig::backup(crate::Config::v3(vrid(), [ip("10.99.21.100")]))
}

/// 10.99.21.14, 224.0.0.18, 112 and 12 bytes add up to 65535: with or without them the checksum is the same.
#[test]
fn an_advert_that_fits_both_forms_is_no_evidence() {
    let ambiguous = from("10.99.21.14", Pseudo::Packet);
    assert_eq!(ambiguous.bytes(), from("10.99.21.14", Pseudo::No).bytes());
    let mut rig = rig();
    let follows =
        |done: Vec<Did>| done.iter().any(|did| matches!(did, Did::Tell(Event::ChecksumForm { .. })));
    assert!(!follows(rig.hear(&ambiguous)));
    assert_eq!(rig.router.active().unwrap().0, ip("10.99.21.14"), "it is accepted");
    assert_eq!(rig.router.checksum_form(), ChecksumForm::PseudoHeader);
    // Nor does it take back what another one showed.
    assert!(follows(rig.hear(&from("10.99.21.15", Pseudo::No))));
    assert_eq!(rig.router.checksum_form(), ChecksumForm::MessageOnly);
    assert!(!follows(rig.hear(&ambiguous)));
    assert_eq!(rig.router.checksum_form(), ChecksumForm::MessageOnly);
    assert!(follows(rig.hear(&from("10.99.21.13", Pseudo::Packet))));
    assert_eq!(rig.router.checksum_form(), ChecksumForm::PseudoHeader);
}

proptest! {
    /// What is sent afterwards has a form that the advertisement fits, and is the one sent before if that is such a one.
    #[test]
    fn the_form_follows_what_an_advert_shows(
        source in prop_oneof![any::<[u8; 4]>(), (0..=255_u8).prop_map(|low| [10, 99, 21, low])],
        message_only: [bool; 2],
        unicast: bool,
    ) {
        let peer = std::net::IpAddr::from(source);
        prop_assume!(peer != ip("10.99.21.15"));
        prop_assume!(!peer.is_multicast() && !peer.is_unspecified() && peer != host(Family::V4, OURS));
        let config = crate::Config::v3(vrid(), [ip("10.99.21.100")]);
        let config = if unicast { config.unicast([peer, ip("10.99.21.15")]) } else { config };
        let mut rig = Rig::backup(config);
        let destination = if unicast { host(Family::V4, OURS) } else { Family::V4.multicast_group() };
        let pseudo = |message_only| if message_only { Pseudo::No } else { Pseudo::Packet };
        let before = Packet { destination, ..from("10.99.21.15", pseudo(message_only[0])) };
        let _ = rig.hear(&before);
        let ours = rig.router.checksum_form();
        let heard = Packet { source: peer, destination, ..from("10.99.21.15", pseudo(message_only[1])) };
        let _ = rig.hear(&heard);
        prop_assert_eq!(rig.router.stats().received, 2);
        // The forms that make the bytes what they are.
        let fitting = [(Pseudo::No, ChecksumForm::MessageOnly), (Pseudo::Packet, ChecksumForm::PseudoHeader)]
            .into_iter()
            .filter(|(pseudo, _)| Packet { pseudo: *pseudo, ..heard.clone() }.bytes() == heard.bytes())
            .map(|(_, form)| form)
            .collect::<Vec<_>>();
        let now = rig.router.checksum_form();
        prop_assert!(fitting.contains(&now));
        prop_assert!(now == ours || !fitting.contains(&ours));
    }
}
