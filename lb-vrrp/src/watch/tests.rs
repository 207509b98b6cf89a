use alloc::{format, string::ToString, vec, vec::Vec};
use core::time::Duration;

use super::*;
use crate::{
    AddressList, Interval, Priority, Version,
    watch::finding::TakeoverCause,
    wire::{Authentication, ChecksumForm, Mac, fill_checksum, virtual_mac},
};

const A: u8 = 1;
const B: u8 = 2;

/// What a router sends, over IPv4.
#[derive(Clone, Copy)]
struct Says {
    host: u8,
    version: Version,
    vrid: u8,
    priority: u8,
    interval: u16,
    address: [u8; 4],
    form: ChecksumForm,
    vlan: Option<u16>,
}

const fn says(host: u8, priority: u8) -> Says {
    let (version, form) = (Version::V3, ChecksumForm::MessageOnly);
    Says { host, version, vrid: 51, priority, interval: 100, address: [203, 0, 113, 1], form, vlan: None }
}

impl Says {
    fn address(&self) -> IpAddr {
        [192, 0, 2, self.host].into()
    }

    fn frame(&self) -> Vec<u8> {
        let list = AddressList::new([self.address.into()]).unwrap();
        let advert = Advert {
            version: self.version,
            vrid: Vrid::new(self.vrid).unwrap(),
            priority: Priority::new(self.priority).ok(),
            interval: Interval::from_centiseconds(self.interval).unwrap(),
            addresses: list.as_addresses(),
            authentication: Authentication::None,
        };
        let mut message = vec![0; advert.encoded_len()];
        advert.encode(&mut message);
        let group = Family::V4.multicast_group();
        fill_checksum(&mut message, self.address(), group, self.form);
        let mut frame = vec![0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
        frame.extend(virtual_mac(Family::V4, advert.vrid).0);
        if let Some(vlan) = self.vlan {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend([0x08, 0x00, 0x45, 0, 0, 20 + message.len() as u8, 0, 0, 0, 0, 255, 112, 0, 0]);
        frame.extend([192, 0, 2, self.host, 224, 0, 0, 18]);
        frame.extend(message);
        frame
    }
}

#[derive(Default)]
struct Lan {
    monitor: Monitor,
    millis: u64,
}

impl Lan {
    /// What is told about this message, so many milliseconds after the one before.
    fn hears(&mut self, after: u64, message: Says) -> Vec<Finding> {
        self.millis += after;
        self.monitor.handle_frame(Time::from_millis(self.millis), &message.frame());
        self.told()
    }

    fn passes(&mut self, millis: u64) -> Vec<Finding> {
        self.millis += millis;
        self.monitor.handle_timeout(Time::from_millis(self.millis));
        self.told()
    }

    fn told(&mut self) -> Vec<Finding> {
        core::iter::from_fn(|| self.monitor.poll_output()).collect()
    }

    fn active(&self) -> Option<IpAddr> {
        self.monitor.groups().next().unwrap().active
    }
}

fn router() -> Key {
    Key { vlan: None, family: Family::V4, vrid: Vrid::new(51).unwrap() }
}

fn host(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

fn took_over(from: u8, to: u8, millis: u64, cause: TakeoverCause) -> Finding {
    let gap = Duration::from_millis(millis);
    Finding::TookOver { router: router(), from: host(from), to: host(to), gap, cause }
}

/// Without what is said of every router at its first message.
fn news(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| !matches!(finding, Finding::ChecksumForm { .. })).collect()
}

#[test]
fn the_first_to_speak_is_active_and_told_once() {
    let mut lan = Lan::default();
    let (router, source) = (router(), host(A));
    let active = Finding::Active { router, source, priority: Priority::new(150).unwrap() };
    let form = Finding::ChecksumForm { router, source, form: ChecksumForm::MessageOnly };
    assert_eq!(lan.hears(0, says(A, 150)), [active, form]);
    for _ in 0..20 {
        assert_eq!(lan.hears(1000, says(A, 150)), []);
    }
    let group = lan.monitor.groups().next().unwrap();
    assert_eq!((group.router, group.active, group.speakers.len()), (router, Some(source), 1));
    let speaker = &group.speakers[0];
    assert_eq!((speaker.adverts, speaker.last_seen), (21, Time::from_secs(20)));
    assert_eq!(speaker.mac, Some(Mac([0, 0, 0x5e, 0, 1, 51])));
}

#[test]
fn takeovers_have_their_causes_and_gaps() {
    let mut lan = Lan::default();
    lan.hears(0, says(A, 150));
    // The greater priority.
    assert_eq!(news(lan.hears(300, says(B, 200))), [took_over(A, B, 300, TakeoverCause::Preemption)]);
    // Resignation, said twice as keepalived does.
    let resigned = Finding::Resigned { router: router(), source: host(B) };
    assert_eq!(lan.hears(1000, says(B, 0)), [resigned]);
    assert_eq!(lan.hears(1, says(B, 0)), []);
    assert_eq!(lan.hears(400, says(A, 150)), [took_over(B, A, 400, TakeoverCause::Resignation)]);
    // Silence.
    assert_eq!(lan.hears(4500, says(B, 200))[1..], [took_over(A, B, 4500, TakeoverCause::Silence)]);
    assert_eq!(lan.active(), Some(host(B)));
}

#[test]
fn a_router_that_returns_at_once_takes_over_again() {
    let mut lan = Lan::default();
    lan.hears(0, says(A, 100));
    // It preempts and dies. Its predecessor is back within four intervals of its own last message.
    lan.hears(100, says(B, 150));
    assert_eq!(lan.hears(3600, says(A, 100)), [took_over(B, A, 3600, TakeoverCause::Silence)]);
}

#[test]
fn silence_is_told_when_it_is_due() {
    let mut lan = Lan::default();
    lan.hears(0, says(A, 150));
    assert_eq!(lan.monitor.poll_timeout(), Some(Time::from_secs(4)));
    assert_eq!(lan.passes(3999), []);
    let silent = Finding::Silent { router: router(), source: host(A) };
    assert_eq!(lan.passes(1), [silent]);
    assert!(lan.monitor.groups().next().unwrap().silent);
    assert_eq!(lan.monitor.poll_timeout(), None);
    assert_eq!(lan.passes(100_000), []);
    let gap = Duration::from_secs(104);
    assert_eq!(lan.hears(0, says(A, 150)), [Finding::Returned { router: router(), source: host(A), gap }]);
    // Nobody asked in time: it is told with the next message.
    let again = lan.hears(9000, says(A, 150));
    assert_eq!(
        again,
        [silent, Finding::Returned { router: router(), source: host(A), gap: Duration::from_secs(9) }]
    );
}

#[test]
fn two_that_take_turns_are_both_active() {
    let mut lan = Lan::default();
    lan.hears(0, says(A, 150));
    lan.hears(500, says(B, 100));
    assert_eq!(lan.hears(500, says(A, 150)), [], "an ordinary heal has so many turns");
    assert_eq!(lan.hears(500, says(B, 100)), []);
    let both = Finding::TwoActive { router: router(), source: host(A), other: host(B) };
    assert_eq!(lan.hears(500, says(A, 150)), [both]);
    assert_eq!(lan.hears(500, says(B, 100)), []);
    assert_eq!(lan.hears(500, says(A, 150)), []);
    for _ in 0..3 {
        assert_eq!(lan.hears(1000, says(A, 150)), []);
    }
    let settled = Finding::Settled { router: router(), source: host(A) };
    assert_eq!(lan.hears(1000, says(A, 150)), [settled]);
    // And again from the start.
    assert_eq!(news(lan.hears(500, says(B, 100))), [took_over(A, B, 500, TakeoverCause::Preemption)]);
}

#[test]
fn groups_with_one_identifier_get_a_free_one_proposed() {
    let mut lan = Lan::default();
    lan.hears(0, Says { vrid: 52, ..says(7, 100) });
    lan.hears(0, says(A, 150));
    let other = Says { address: [203, 0, 113, 2], ..says(B, 100) };
    let clash = Finding::Clash {
        router: router(),
        source: host(B),
        other: host(A),
        free: Some(Vrid::new(53).unwrap()),
    };
    assert!(lan.hears(200, other).contains(&clash));
    assert_eq!(lan.hears(200, says(A, 150)), [], "told once for both");
    assert!(clash.to_string().ends_with("give one of them another, such as 53, which was not seen here"));
}

#[test]
fn lists_that_overlap_are_a_mismatch_only() {
    let mut monitor = Monitor::new();
    let group = Family::V4.multicast_group();
    let mut told = Vec::new();
    for (host, list) in [(A, vec![1, 2]), (B, vec![2, 1])] {
        let source = IpAddr::from([192, 0, 2, host]);
        let addresses = AddressList::new(list.into_iter().map(|n| IpAddr::from([203, 0, 113, n]))).unwrap();
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Some(Priority::DEFAULT),
            interval: Interval::DEFAULT,
            addresses: addresses.as_addresses(),
            authentication: Authentication::None,
        };
        let mut message = [0; 16];
        advert.encode(&mut message);
        fill_checksum(&mut message, source, group, ChecksumForm::PseudoHeader);
        let mut packet = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 255, 112, 0, 0, 192, 0, 2, host, 224, 0, 0, 18];
        packet.extend(message);
        monitor.handle_packet(Time::ZERO, &packet);
        told.extend(core::iter::from_fn(|| monitor.poll_output()));
    }
    let mismatch = Finding::AddressMismatch { router: router(), source: host(B), other: host(A) };
    assert!(told.contains(&mismatch), "{told:?}");
    assert!(!told.iter().any(|finding| matches!(finding, Finding::Clash { .. })));
}

#[test]
fn what_does_not_fit_together_is_told_once_per_pair() {
    let mut lan = Lan::default();
    lan.hears(0, says(A, 255));
    let second = Says { interval: 200, form: ChecksumForm::PseudoHeader, ..says(B, 255) };
    let told = lan.hears(100, second);
    let (router, source, other) = (router(), host(B), host(A));
    let expected = [
        Finding::TwoOwners { router, source, other },
        Finding::IntervalMismatch {
            router,
            version: Version::V3,
            source,
            interval: Interval::from_secs(2).unwrap(),
            other,
            other_interval: Interval::DEFAULT,
        },
        Finding::ChecksumMismatch {
            router,
            source,
            form: ChecksumForm::PseudoHeader,
            other,
            other_form: ChecksumForm::MessageOnly,
        },
    ];
    for finding in expected {
        assert!(told.contains(&finding), "{finding:?} in {told:?}");
    }
    assert_eq!(lan.hears(100, says(A, 255)), []);
    // Mended, and broken again.
    lan.hears(100, says(B, 100));
    assert!(lan.hears(100, second).contains(&expected[1]));
}

#[test]
fn versions_that_differ_are_told_of_two_routers_and_noted_of_one() {
    let v2 = |host| Says { version: Version::V2, ..says(host, 100) };
    let mut lan = Lan::default();
    lan.hears(0, v2(A));
    lan.hears(100, says(B, 100));
    lan.hears(100, v2(A));
    let mismatch =
        Finding::VersionMismatch { router: router(), source: host(B), version: Version::V3, other: host(A) };
    assert!(lan.hears(100, says(B, 100)).contains(&mismatch));

    let mut lan = Lan::default();
    lan.hears(0, v2(A));
    assert!(
        lan.hears(1, says(A, 100)).contains(&Finding::BothVersions { router: router(), source: host(A) })
    );
    for _ in 0..3 {
        assert_eq!(news(lan.hears(1000, v2(A))), []);
        assert_eq!(news(lan.hears(1, says(A, 100))), []);
    }
    for _ in 0..3 {
        let told = lan.hears(1000, v2(B));
        assert!(!told.iter().any(|finding| matches!(finding, Finding::VersionMismatch { .. })), "{told:?}");
    }
}

/// A router of both versions against one of version 3: takes over, resigns, comes back and dies.
#[test]
fn a_router_of_both_versions_is_one_router() {
    let both = |lan: &mut Lan, after, priority| {
        let v3 = Says { interval: 50, ..says(A, priority) };
        let mut told = lan.hears(after, v3);
        told.extend(lan.hears(1, Says { version: Version::V2, interval: 100, ..v3 }));
        news(told)
    };
    let other = Says { interval: 50, ..says(B, 100) };
    let mut lan = Lan::default();
    lan.hears(0, other);
    both(&mut lan, 200, 150);
    assert_eq!(both(&mut lan, 20, 0), [Finding::Resigned { router: router(), source: host(A) }]);
    assert_eq!(lan.hears(300, other), [took_over(A, B, 300, TakeoverCause::Resignation)]);
    for _ in 0..4 {
        lan.hears(500, other);
    }
    assert_eq!(both(&mut lan, 100, 150), [took_over(B, A, 100, TakeoverCause::Preemption)]);
    assert_eq!(lan.hears(1800, other), [took_over(A, B, 1800, TakeoverCause::Silence)]);
}

#[test]
fn a_change_of_version_is_not_both_versions() {
    let mut lan = Lan::default();
    lan.hears(0, Says { version: Version::V2, ..says(A, 100) });
    let told = lan.hears(10_000, says(A, 100));
    assert!(!told.iter().any(|finding| matches!(finding, Finding::BothVersions { .. })), "{told:?}");
    assert_eq!(lan.monitor.groups().next().unwrap().speakers.len(), 1);
}

#[test]
fn vlans_are_links_of_their_own() {
    let mut lan = Lan::default();
    lan.hears(0, Says { vlan: Some(10), ..says(A, 100) });
    let told = lan.hears(0, Says { vlan: Some(20), address: [203, 0, 113, 2], ..says(B, 100) });
    assert!(matches!(told[..], [Finding::Active { router: Key { vlan: Some(20), .. }, .. }, _]), "{told:?}");
    let keys: Vec<_> = lan.monitor.groups().map(|group| group.router.to_string()).collect();
    assert_eq!(keys, ["VLAN 10: IPv4 VRID 51", "VLAN 20: IPv4 VRID 51"]);
}

#[test]
fn memory_is_bounded_and_what_is_lost_is_counted() {
    let mut lan = Lan::default();
    for host in 0..=255 {
        lan.hears(1, says(host, 100));
    }
    let group = lan.monitor.groups().next().unwrap();
    assert_eq!(group.speakers.len(), MAX_SPEAKERS);
    assert_eq!(group.speakers.last().unwrap().source, host(255), "the latest are kept");
    assert_eq!(lan.hears(1, says(255, 100)), [], "it is told once, although another went for it");

    let mut monitor = Monitor::new();
    for vlan in 1..=5 {
        for vrid in 1..=255 {
            let message = Says { vlan: Some(vlan), vrid, ..says(A, 100) };
            monitor.handle_frame(Time::ZERO, &message.frame());
        }
    }
    assert_eq!(monitor.groups().len(), MAX_ROUTERS);
    let told = core::iter::from_fn(|| monitor.poll_output()).count() as u64;
    // Two of each, and that there are too many.
    assert_eq!(told + monitor.lost(), 2 * MAX_ROUTERS as u64 + 1);
    assert_eq!(told, MAX_FINDINGS as u64);
}

#[test]
fn every_identifier_may_be_in_use() {
    let mut lan = Lan::default();
    for vrid in 1..=255 {
        lan.hears(0, Says { vrid, ..says(A, 100) });
    }
    assert_eq!(lan.monitor.free_vrid(None, router().vrid), None);
    assert_eq!(lan.monitor.free_vrid(Some(10), router().vrid), Some(router().vrid));
    let clash = Finding::Clash { router: router(), source: host(A), other: host(B), free: None };
    assert!(clash.to_string().contains("every identifier was seen here"));
}

#[test]
fn an_identifier_is_looked_for_from_the_start_too() {
    let mut lan = Lan::default();
    lan.hears(0, Says { vrid: 255, ..says(A, 100) });
    assert_eq!(lan.monitor.free_vrid(None, Vrid::new(255).unwrap()), Vrid::new(1).ok());
}

#[test]
fn a_finding_is_shown_with_what_to_do() {
    let told = Finding::IntervalMismatch {
        router: router(),
        version: Version::V2,
        source: host(A),
        interval: Interval::DEFAULT,
        other: host(B),
        other_interval: Interval::from_secs(2).unwrap(),
    };
    let text = "IPv4 VRID 51: 192.0.2.1 sends every 1s, 192.0.2.2 every 2s: configure the same, since VRRPv2 routers \
                drop what differs and both become Active";
    assert_eq!((told.to_string().as_str(), told.severity()), (text, Severity::Error));
    assert_eq!(format!("{:>8}", Severity::Note), "    note");
}
