//! The monitor on captures of real routers, and on odd packets; see `captures/README.md`.
#![allow(clippy::unwrap_used, reason = "as in any test")]

use std::{net::IpAddr, path::Path};

use lb_vrrp::{
    Family, Priority, Time, Version, Vrid,
    watch::{Finding, Group, Key, Monitor, Severity, TakeoverCause},
    wire::{ChecksumForm, DecodeError, Mac},
};
use proptest::prelude::*;

/// What is told, in order, with the clock of the capture; and what is known at its end.
fn watch(name: &str) -> (Vec<Finding>, Monitor) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let bytes = std::fs::read(&file).unwrap();
    let mut monitor = Monitor::new();
    let mut told = Vec::new();
    for (now, frame) in frames(&bytes) {
        while let Some(due) = monitor.poll_timeout().filter(|due| *due <= now) {
            monitor.handle_timeout(due);
        }
        monitor.handle_frame(now, frame);
        told.extend(std::iter::from_fn(|| monitor.poll_output()));
    }
    assert!(!told.is_empty(), "{name} holds nothing");
    (told, monitor)
}

/// The frames of a pcap file: little-endian, in microseconds.
fn frames(file: &[u8]) -> Vec<(Time, &[u8])> {
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let mut frames = Vec::new();
    let mut rest = &file[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let (frame, after) = after.split_at(word(8) as usize);
        frames
            .push((Time::from_nanos(u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * 1000), frame));
        rest = after;
    }
    frames
}

fn router(family: Family, vrid: u8) -> Key {
    Key { vlan: None, family, vrid: Vrid::new(vrid).unwrap() }
}

fn v4() -> Key {
    router(Family::V4, 51)
}

fn host(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn is_about_turns(finding: &&Finding) -> bool {
    matches!(
        finding,
        Finding::Active { .. }
            | Finding::Resigned { .. }
            | Finding::TookOver { .. }
            | Finding::TwoActive { .. }
    )
}

fn errors(told: &[Finding]) -> Vec<&Finding> {
    told.iter().filter(|finding| finding.severity() == Severity::Error).collect()
}

#[test]
fn keepalived_takes_turns_by_priority_resignation_and_silence() {
    let (told, monitor) = watch("keepalived-v3-ipv4.pcap");
    let turns: Vec<_> = told.iter().filter(is_about_turns).collect();
    let [first, preempted, resigned, succeeded, returned, silent, last] = turns[..] else {
        panic!("{turns:#?}")
    };
    assert!(matches!(first, Finding::Active { source, .. } if *source == host(2)));
    for (turn, from, to, why) in [
        (preempted, 2, 1, TakeoverCause::Preemption),
        (succeeded, 1, 2, TakeoverCause::Resignation),
        (returned, 2, 1, TakeoverCause::Preemption),
        (silent, 1, 2, TakeoverCause::Silence),
    ] {
        let Finding::TookOver { from: was, to: is, gap, cause, .. } = turn else { panic!("{turn:?}") };
        assert_eq!((*was, *is, *cause), (host(from), host(to), why));
        // 3 intervals of 100 ms and the skew of priority 100 after silence, that skew after a resignation, and within an
        // interval otherwise. The file does not change, so this holds on any machine.
        let expected = match why {
            TakeoverCause::Silence => 360..380,
            TakeoverCause::Resignation => 60..75,
            TakeoverCause::Preemption => 0..105,
        };
        assert!(expected.contains(&gap.as_millis()), "{turn}");
    }
    assert!(matches!(resigned, Finding::Resigned { source, .. } if *source == host(1)));
    assert!(matches!(last, Finding::Resigned { source, .. } if *source == host(2)));
    assert_eq!(errors(&told).len(), 0, "{told:#?}");

    let groups: Vec<&Group> = monitor.groups().collect();
    let [group] = groups[..] else { panic!("{groups:?}") };
    assert_eq!((group.router, group.active), (v4(), Some(host(2))));
    let forms: Vec<_> = group.speakers.iter().map(|speaker| (speaker.checksum, speaker.version)).collect();
    assert_eq!(forms, [(ChecksumForm::PseudoHeader, Version::V3); 2]);
    assert_eq!(group.speakers[0].addresses, [IpAddr::from([203, 0, 113, 1])]);
    assert_eq!(group.speakers[0].interval.centiseconds(), 10);
    // Without a virtual Ethernet address, as it is by default.
    let mac = Mac([2, 0, 0, 0, 0, 2]);
    assert_eq!(group.speakers[0].mac, Some(mac));
    assert_eq!(
        told.iter().filter(|f| **f == Finding::SourceMac { router: v4(), source: host(2), mac }).count(),
        1
    );
}

#[test]
fn keepalived_over_ipv6_is_without_fault() {
    let (told, monitor) = watch("keepalived-v3-ipv6.pcap");
    assert_eq!(errors(&told).len(), 0, "{told:#?}");
    assert!(told.iter().any(|f| matches!(f, Finding::TookOver { cause: TakeoverCause::Resignation, .. })));
    assert!(
        !told
            .iter()
            .any(|f| matches!(f, Finding::ChecksumForm { .. } | Finding::FirstAddressNotLinkLocal { .. }))
    );
    assert_eq!(monitor.groups().next().unwrap().router, router(Family::V6, 51));
}

#[test]
fn a_link_in_two_halves_has_two_active_until_it_heals() {
    let (told, monitor) = watch("keepalived-v3-partition.pcap");
    let two = Finding::TwoActive { router: v4(), source: host(1), other: host(2) };
    let settled = Finding::Settled { router: v4(), source: host(1) };
    let ends: Vec<_> =
        told.iter().filter(|f| matches!(f, Finding::TwoActive { .. } | Finding::Settled { .. })).collect();
    assert_eq!(ends, [&two, &settled], "{told:#?}");
    // It resigned last.
    assert_eq!(monitor.groups().next().unwrap().active, Some(host(2)));
}

#[test]
fn passwords_are_seen() {
    let (told, _) = watch("keepalived-v2-text.pcap");
    let seen: Vec<_> = told.iter().filter(|f| matches!(f, Finding::ClearText { .. })).collect();
    assert_eq!(seen.len(), 2);
    assert!(
        !format!("{told:?} {} {}", seen[0], seen[1]).contains("sesame"),
        "the password itself is not told"
    );
}

#[test]
fn an_authentication_header_is_looked_through() {
    let (told, monitor) = watch("keepalived-v2-ah.pcap");
    assert_eq!(errors(&told).len(), 0, "{told:#?}");
    assert_eq!(monitor.groups().next().unwrap().speakers[0].version, Version::V2);
    assert!(!told.iter().any(|f| matches!(f, Finding::ClearText { .. })));
}

#[test]
fn intervals_that_differ_are_an_error_in_version_2() {
    let (told, _) = watch("keepalived-v2-intervals.pcap");
    let mismatches: Vec<_> = told.iter().filter(|f| matches!(f, Finding::IntervalMismatch { .. })).collect();
    let [Finding::IntervalMismatch { version: Version::V2, source, interval, .. }] = mismatches[..] else {
        panic!("{told:#?}")
    };
    assert_eq!((*source, interval.whole_secs()), (host(2), Some(2)));
    assert_eq!(mismatches[0].severity(), Severity::Error);
}

#[test]
fn two_groups_with_one_identifier_clash() {
    let (told, _) = watch("keepalived-v3-clash.pcap");
    let clashes: Vec<_> = told.iter().filter(|f| matches!(f, Finding::Clash { .. })).collect();
    let free = Vrid::new(52).ok();
    assert_eq!(
        clashes,
        [&Finding::Clash { router: v4(), source: host(2), other: host(1), free }],
        "{told:#?}"
    );
}

#[test]
fn versions_that_differ_do_not_hear_each_other() {
    let (told, _) = watch("keepalived-versions.pcap");
    assert_eq!(told.iter().filter(|f| matches!(f, Finding::VersionMismatch { .. })).count(), 1, "{told:#?}");
}

#[test]
fn keepalived_sends_unicast_ipv6_with_hop_limit_64() {
    let (told, _) = watch("keepalived-v3-unicast-ipv6.pcap");
    let ttl = told
        .iter()
        .find(|f| matches!(f, Finding::Ttl { ttl: 64, .. }))
        .unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(ttl.severity(), Severity::Warning);
}

#[test]
fn frr_sends_from_the_virtual_address_and_a_global_one_first() {
    let (told, monitor) = watch("frr-v3.pcap");
    assert_eq!(
        monitor.groups().map(|group| group.router).collect::<Vec<_>>(),
        [v4(), router(Family::V6, 51)]
    );
    assert!(!told.iter().any(|f| matches!(f, Finding::SourceMac { .. })), "{told:#?}");
    assert!(told.iter().any(|f| matches!(f, Finding::FirstAddressNotLinkLocal { .. })), "{told:#?}");
    let forms: Vec<_> = told.iter().filter(|f| matches!(f, Finding::ChecksumForm { .. })).collect();
    assert_eq!(forms.len(), 2, "IPv4 alone has two forms");
    assert!(
        told.iter()
            .any(|f| matches!(f, Finding::TookOver { from, to, cause: TakeoverCause::Resignation, .. }
        if (*from, *to) == (host(1), host(2))))
    );
}

#[test]
fn odd_packets_are_named_one_by_one() {
    let (told, monitor) = watch("odd.pcap");
    let errors: Vec<(IpAddr, DecodeError)> = told
        .iter()
        .filter_map(|finding| match finding {
            Finding::Malformed { source, error, .. } => Some((*source, *error)),
            _ => None,
        })
        .collect();
    let expected = [
        (host(3), DecodeError::Version(4)),
        (host(4), DecodeError::Type(2)),
        (host(5), DecodeError::ZeroVrid),
        (host(6), DecodeError::NoAddresses),
        (host(7), DecodeError::ZeroInterval),
        (host(8), DecodeError::Truncated { len: 12, needed: 16 }),
        (host(9), DecodeError::TrailingBytes(4)),
        (host(10), errors.iter().find(|(source, _)| *source == host(10)).unwrap().1),
        (host(11), DecodeError::AuthType(9)),
        (host(12), DecodeError::Truncated { len: 12, needed: 20 }),
        ("fe80::14".parse().unwrap(), DecodeError::VersionFamily(Version::V2, Family::V6)),
    ];
    assert_eq!(errors, expected);
    assert!(matches!(expected[7].1, DecodeError::Checksum(_)));

    // The next identifier is that of packet 2.
    let (one, free) = (router(Family::V4, 1), Vrid::new(3).ok());
    let vlan = Key { vlan: Some(8), ..router(Family::V4, 16) };
    for finding in [
        Finding::Ttl {
            router: router(Family::V4, 2),
            source: host(2),
            destination: [224, 0, 0, 18].into(),
            ttl: 254,
        },
        Finding::Carp { vlan: None, source: host(13), vrid: one.vrid },
        Finding::CarpClash { router: one, carp: host(13), free },
        Finding::Active { router: router(Family::V4, 14), source: host(14), priority: Priority::DEFAULT },
        Finding::Active {
            router: router(Family::V6, 15),
            source: "fe80::f".parse().unwrap(),
            priority: Priority::DEFAULT,
        },
        Finding::Active { router: vlan, source: host(16), priority: Priority::DEFAULT },
        Finding::Active { router: router(Family::V4, 17), source: host(17), priority: Priority::DEFAULT },
        Finding::FirstAddressNotLinkLocal {
            router: router(Family::V6, 19),
            source: "fe80::13".parse().unwrap(),
        },
        Finding::SourceMac {
            router: router(Family::V4, 21),
            source: host(21),
            mac: Mac([2, 0, 0, 0, 0, 21]),
        },
        Finding::ClearText { router: router(Family::V4, 22), source: host(22) },
    ] {
        assert!(told.contains(&finding), "{finding} in {told:#?}");
    }
    assert!(!monitor.groups().any(|group| group.router.vrid.get() == 18), "a fragment is no message");
}

proptest! {
    /// Frames of a real capture with some bytes changed, cut, and at any time: nothing panics, and nothing grows.
    #[test]
    fn damaged_captures_do_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        times in proptest::collection::vec(any::<u64>(), 24),
        cut in 0_usize..120,
    ) {
        let bytes = include_bytes!("captures/odd.pcap");
        let mut monitor = Monitor::new();
        for ((_, frame), nanos) in frames(bytes).into_iter().zip(times) {
            let mut frame = frame.to_vec();
            for (at, value) in &damage {
                let at = at.index(frame.len());
                frame[at] = *value;
            }
            frame.truncate(cut.max(14));
            monitor.handle_frame(Time::from_nanos(nanos), &frame);
            monitor.handle_packet(Time::from_nanos(nanos), &frame[14..]);
            monitor.handle_timeout(Time::from_nanos(nanos));
            while let Some(finding) = monitor.poll_output() {
                prop_assert!(!finding.to_string().is_empty());
            }
        }
        prop_assert!(monitor.groups().len() <= 48);
    }
}
