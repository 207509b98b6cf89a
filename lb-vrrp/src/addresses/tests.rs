use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_can_not_be_advertised_is_refused_by_name() {
    let refused = |texts: &[&str]| AddressList::new(texts.iter().map(|text| ip(text))).unwrap_err();
    assert_eq!(refused(&[]), AddressError::None);
    assert_eq!(refused(&["10.0.0.1", "fe80::1"]), AddressError::Family(ip("fe80::1"), Family::V4));
    assert_eq!(refused(&["224.0.0.1"]), AddressError::NotAHost(ip("224.0.0.1")));
    assert_eq!(refused(&["::"]), AddressError::NotAHost(ip("::")));
}

#[test]
fn as_many_as_an_advertisement_carries() {
    let v4 =
        |count: u16| AddressList::new((0..count).map(|n| IpAddr::from([10, 0, (n >> 8) as u8, n as u8])));
    assert_eq!(v4(255).unwrap().len(), 255);
    assert_eq!(v4(256).unwrap_err(), AddressError::TooMany { count: 256, max: 255, family: Family::V4 });
    let v6 = |count: u16| AddressList::new((0..count).map(|n| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, n])));
    assert_eq!(v6(255).unwrap().len(), 255);
    assert!(matches!(v6(256), Err(AddressError::TooMany { max: 255, .. })));
}

#[test]
fn an_address_may_be_listed_twice() {
    let listed = ["10.0.0.1", "10.0.0.2", "10.0.0.1"].map(ip);
    assert!(AddressList::new(listed).unwrap().iter().eq(listed));
}

#[test]
fn bytes_are_whole_addresses_and_can_be_counted() {
    for family in [Family::V4, Family::V6] {
        let len = family.address_len();
        let count = |bytes| Addresses::from_bytes(family, &[1; 5000][..bytes]).map(Addresses::len);
        assert_eq!((count(0), count(len), count(255 * len)), (Some(0), Some(1), Some(255)));
        assert_eq!((count(len - 1), count(len + 1), count(256 * len)), (None, None, None));
    }
}

proptest! {
    #[test]
    fn a_list_gives_back_what_it_was_given(addresses in prop::collection::btree_set(1u32..0xe000_0000, 1..=255)) {
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|bits| IpAddr::from(bits.to_be_bytes())).collect();
        let list = AddressList::new(addresses.iter().copied()).unwrap();
        prop_assert_eq!(list.iter().collect::<Vec<_>>(), addresses);
    }
}
