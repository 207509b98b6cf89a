use std::collections::BTreeSet;

use super::*;
use crate::addresses::AddressError;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vrid() -> Vrid {
    Vrid::new(7).unwrap()
}

fn v2() -> ConfigBuilder {
    Config::v2(vrid(), [ip("192.0.2.1")])
}

fn v3() -> ConfigBuilder {
    Config::v3(vrid(), [ip("192.0.2.1")])
}

fn errors(config: ConfigBuilder) -> Vec<ConfigError> {
    config.build().unwrap_err().iter().copied().collect()
}

/// The names of all variants, and of one of them; a new variant without a name does not compile.
macro_rules! names {
    ($all:ident, $name:ident, $type:ident: $($variant:ident,)+) => {
        const $all: &[&str] = &[$(stringify!($variant)),+];

        fn $name(value: &$type) -> &'static str {
            match value { $($type::$variant { .. } => stringify!($variant)),+ }
        }
    };
}

names! { ERRORS, error_name, ConfigError:
    Addresses, VersionFamily, FractionalInterval, AuthVersion, TwoAuthentications, AuthTextLength, DownAdverts,
    IntervalTooLong, ZeroTtl, OwnerPreempts, NotStrict, NotAGroup, GroupFamily, GroupAndPeers, NoPeer, PeerFamily, PeerNotAHost,
    PeerTwice, Source, SourceNotLinkLocal,
}

names! { ADDRESS_ERRORS, address_error_name, AddressError:
    None, TooMany, Family, NotAHost,
}

#[test]
fn every_error_is_given_by_a_configuration() {
    let half = Interval::from_centiseconds(50).unwrap();
    let long = Interval::from_secs(41).unwrap();
    let strict = |config: ConfigBuilder| config.profile(Profile::Strict);
    let cases = [
        (Config::v3(vrid(), []), ConfigError::Addresses(AddressError::None)),
        (Config::v2(vrid(), [ip("fe80::1")]), ConfigError::VersionFamily(VersionMode::V2)),
        (Config::dual(vrid(), [ip("fe80::1")]), ConfigError::VersionFamily(VersionMode::Dual)),
        (v2().interval(half), ConfigError::FractionalInterval(half)),
        (Config::dual(vrid(), [ip("10.0.0.9")]).interval(long), ConfigError::IntervalTooLong(long)),
        (v3().interval(long), ConfigError::IntervalTooLong(long)),
        (v3().auth_text("x"), ConfigError::AuthVersion(VersionMode::V3)),
        (v3().auth_header(), ConfigError::AuthVersion(VersionMode::V3)),
        (v2().auth_text("x").auth_header(), ConfigError::TwoAuthentications),
        (v2().auth_text(""), ConfigError::AuthTextLength(0)),
        (v2().auth_text("123456789"), ConfigError::AuthTextLength(9)),
        (v3().down_adverts(0), ConfigError::DownAdverts(0)),
        (v3().down_adverts(101), ConfigError::DownAdverts(101)),
        (v3().min_ttl(Some(0)), ConfigError::ZeroTtl),
        (v3().priority(Priority::OWNER).preempt(Preempt::No), ConfigError::OwnerPreempts),
        (strict(v3()).only_backup(true), ConfigError::NotStrict("only_backup")),
        (strict(v3()).preempt_after_skew(true), ConfigError::NotStrict("preempt_after_skew")),
        (strict(v3()).answer_lower(false), ConfigError::NotStrict("answer_lower")),
        (strict(v3()).advertise_when_yielding(true), ConfigError::NotStrict("advertise_when_yielding")),
        (strict(v3()).any_unicast_source(true), ConfigError::NotStrict("any_unicast_source")),
        (strict(v3()).down_adverts(4), ConfigError::NotStrict("down_adverts")),
        (strict(v3()).multicast_group(ip("239.1.1.1")), ConfigError::NotStrict("multicast_group")),
        (strict(v3()).min_ttl(None), ConfigError::NotStrict("min_ttl")),
        (strict(v3()).strict_addresses(true), ConfigError::NotStrict("strict_addresses")),
        (strict(v2()).accept_interval_mismatch(true), ConfigError::NotStrict("accept_interval_mismatch")),
        (strict(v2()).reassert_v2(true), ConfigError::NotStrict("reassert_v2")),
        (strict(v3()).resignation_of_active_only(true), ConfigError::NotStrict("resignation_of_active_only")),
        (
            strict(Config::v3(vrid(), [ip("2001:db8::1")])).first_link_local(false),
            ConfigError::NotStrict("first_link_local"),
        ),
        (v3().multicast_group(ip("10.0.0.1")), ConfigError::NotAGroup(ip("10.0.0.1"))),
        (v3().multicast_group(ip("ff02::13")), ConfigError::GroupFamily(ip("ff02::13"))),
        (v3().multicast_group(ip("239.1.1.1")).unicast([ip("10.0.0.1")]), ConfigError::GroupAndPeers),
        (v3().unicast([]), ConfigError::NoPeer),
        (v3().unicast([ip("fe80::1")]), ConfigError::PeerFamily(ip("fe80::1"))),
        (v3().unicast([ip("224.0.0.18")]), ConfigError::PeerNotAHost(ip("224.0.0.18"))),
        (v3().unicast([ip("0.0.0.0")]), ConfigError::PeerNotAHost(ip("0.0.0.0"))),
        (v3().unicast([ip("10.0.0.1"), ip("10.0.0.1")]), ConfigError::PeerTwice(ip("10.0.0.1"))),
    ];
    let mut given = BTreeSet::new();
    for (config, expected) in cases {
        assert_eq!(errors(config), [expected]);
        given.insert(error_name(&expected));
    }
    // Those of an interface, not of a configuration.
    let v6 = strict(Config::v3(vrid(), [ip("fe80::1")]));
    let sources = [
        (v3(), ConfigError::Source(ip("2001:db8::1"))),
        (v6, ConfigError::SourceNotLinkLocal(ip("2001:db8::1"))),
    ];
    for (config, expected) in sources {
        let config = config.build().unwrap();
        assert_eq!(crate::VirtualRouter::new(config, ip("2001:db8::1")).unwrap_err(), expected);
        given.insert(error_name(&expected));
    }
    assert_eq!(given, ERRORS.iter().copied().collect());
}

#[test]
fn every_error_of_addresses_is_given_by_a_configuration() {
    let many: Vec<IpAddr> = (0..256u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes())).collect();
    let cases = [
        (vec![], AddressError::None),
        (many, AddressError::TooMany { count: 256, max: 255, family: Family::V4 }),
        (vec![ip("192.0.2.1"), ip("fe80::1")], AddressError::Family(ip("fe80::1"), Family::V4)),
        (vec![ip("224.0.0.1")], AddressError::NotAHost(ip("224.0.0.1"))),
    ];
    let mut given = BTreeSet::new();
    for (addresses, expected) in cases {
        assert_eq!(errors(Config::v3(vrid(), addresses)), [ConfigError::Addresses(expected)]);
        given.insert(address_error_name(&expected));
    }
    assert_eq!(given, ADDRESS_ERRORS.iter().copied().collect());
}

#[test]
fn all_problems_are_reported_at_once() {
    let config = Config::v3(vrid(), [ip("192.0.2.1"), ip("224.0.0.1")])
        .auth_text("123456789")
        .auth_header()
        .down_adverts(0)
        .min_ttl(Some(0))
        .priority(Priority::OWNER)
        .preempt(Preempt::No)
        .unicast([ip("fe80::1"), ip("10.0.0.1"), ip("10.0.0.1")]);
    let found = config.build().unwrap_err();
    let expected = [
        ConfigError::Addresses(AddressError::NotAHost(ip("224.0.0.1"))),
        ConfigError::AuthVersion(VersionMode::V3),
        ConfigError::TwoAuthentications,
        ConfigError::AuthTextLength(9),
        ConfigError::DownAdverts(0),
        ConfigError::ZeroTtl,
        ConfigError::OwnerPreempts,
        ConfigError::PeerFamily(ip("fe80::1")),
        ConfigError::PeerTwice(ip("10.0.0.1")),
    ];
    assert!(found.iter().eq(&expected), "{found}");
    assert_eq!(found.to_string(), expected.map(|error| error.to_string()).join("; "));
}

/// The defaults that a profile decides, one by one.
#[test]
fn the_profiles() {
    let options = |profile: Profile| v3().profile(profile).build().unwrap();
    let (strict, compatible) = (options(Profile::Strict), options(Profile::Compatible));
    assert_eq!(Profile::default(), Profile::Compatible);
    assert_eq!(strict.checksum, ChecksumPolicy::MessageOnly);
    assert_eq!(compatible.checksum, ChecksumPolicy::Auto);
    let common = Options {
        min_ttl: Some(255),
        strict_addresses: false,
        require_link_local: false,
        accept_interval_mismatch: false,
        reassert_v2: true,
        resignation_of_active_only: true,
        max_learned_interval: None,
        down_adverts: 3,
        step_down_when_late: false,
        only_backup: false,
        preempt_after_skew: false,
        answer_lower: true,
        advertise_when_yielding: false,
        any_unicast_source: false,
        owner_ignores_adverts: false,
    };
    assert_eq!(compatible.options, common);
    let differs =
        Options { require_link_local: true, reassert_v2: false, resignation_of_active_only: false, ..common };
    assert_eq!(strict.options, differs);
    let unicast = |profile: Profile| v3().profile(profile).unicast([ip("10.0.0.1")]).build().unwrap();
    assert_eq!(unicast(Profile::Strict).options.min_ttl, Some(255));
    assert_eq!(unicast(Profile::Compatible).options.min_ttl, None);
}

#[test]
fn a_configuration_says_what_it_was_given() {
    let peers = [ip("10.0.0.1"), ip("10.0.0.2")];
    let config = v2().accept(true).preempt(Preempt::No).auth_text("abc").unicast(peers).build().unwrap();
    assert_eq!((config.version(), config.vrid(), config.family()), (VersionMode::V2, vrid(), Family::V4));
    assert_eq!((config.priority(), config.interval()), (Priority::DEFAULT, Interval::DEFAULT));
    assert_eq!((config.preempt(), config.accept()), (Preempt::No, true));
    assert_eq!(*config.mode(), Mode::Unicast(peers.into()));
    assert_eq!(config.authentication, Authentication::Text(*b"abc\0\0\0\0\0"));
    assert_eq!(*v3().build().unwrap().mode(), Mode::Multicast(ip("224.0.0.18")));
}
