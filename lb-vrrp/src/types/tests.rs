use proptest::prelude::*;

use super::*;

#[test]
fn what_the_protocol_does_not_allow_can_not_be_built() {
    assert!(Vrid::new(0).is_err());
    assert!(Priority::new(0).is_err());
    for value in [0, 4096, u16::MAX] {
        let error = Interval::from_centiseconds(value).unwrap_err();
        assert!(error.to_string().contains(&format!("{value} is out of range: 1 to 4095")), "{error}");
    }
}

/// Snapshots and traces hold intervals of both versions.
#[test]
fn an_interval_is_read_back_whatever_its_version() {
    assert!(Interval::from_secs(0).is_err());
    for secs in 1..=255 {
        let interval = Interval::from_secs(secs).unwrap();
        assert_eq!(
            (interval.whole_secs(), Interval::try_from(interval.centiseconds())),
            (Some(secs), Ok(interval))
        );
    }
    for value in [0, 4096, 4101, 25_501, 25_600] {
        assert!(Interval::try_from(value).is_err(), "{value}");
    }
}

/// What keepalived 2.2.7 said to 400 IPv4 and 600 IPv6 addresses: `exceeds maximum/space available in packet (max N
/// addresses)`.
#[test]
fn as_many_addresses_as_keepalived_puts_into_an_advert() {
    use Version::{V2, V3};
    let measured = [
        (Family::V4, V3, [(573, 132), (574, 133), (577, 133), (578, 134), (1500, 255)].as_slice()),
        (Family::V4, V2, &[(573, 130), (574, 131), (577, 131), (578, 132), (1500, 255)]),
        (Family::V6, V3, &[(1280, 76), (1293, 76), (1294, 77), (1500, 89), (1502, 90), (9000, 255)]),
    ];
    for (family, version, counts) in measured {
        for (mtu, count) in counts {
            assert_eq!(family.addresses_in(*mtu, version), *count, "{family} {version} MTU {mtu}");
        }
    }
    assert_eq!(Family::V6.addresses_in(0, V3), 1);
}

/// RFC 9568 §6.1 with the default interval: an owner waits 1/256 s longer than three seconds.
#[test]
fn the_owner_has_the_shortest_skew() {
    let interval = Interval::DEFAULT;
    assert_eq!(interval.skew_time(Priority::OWNER), Duration::from_nanos(3_906_250));
    assert_eq!(interval.skew_time(Priority::new(1).unwrap()), Duration::from_nanos(996_093_750));
}

proptest! {
    #[test]
    fn a_higher_priority_takes_over_earlier(interval in 1u16..=4095, low in 1u8..=254, more in 1u8..=254) {
        let interval = Interval::from_centiseconds(interval).unwrap();
        let high = Priority::new(low.saturating_add(more)).unwrap();
        let low = Priority::new(low).unwrap();
        prop_assume!(low < high);
        prop_assert!(interval.active_down_interval(high) < interval.active_down_interval(low));
        prop_assert!(interval.skew_time(low) < interval.duration());
    }
}
