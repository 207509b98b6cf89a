use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::Interval;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const NOW: Duration = Duration::new(1_800_000_000, 500_000_000);
const MESSAGE: [u8; 12] = [0x31, 51, 100, 1, 0, 100, 0xab, 0xcd, 192, 0, 2, 99];

type Sealed = [u8; 40];

fn builder() -> KeyringBuilder {
    Keyring::builder(Interval::DEFAULT).key(7, b"of the group")
}

fn guard() -> Guard {
    Guard::new(builder().build().unwrap())
}

fn sealed_at(guard: &mut Guard, unix: Duration) -> Sealed {
    let mut pdu = [0xff; 40];
    pdu[..12].copy_from_slice(&MESSAGE);
    assert_eq!(guard.seal(unix, V4, &mut pdu), 40);
    pdu
}

fn sealed() -> Sealed {
    sealed_at(&mut guard(), NOW)
}

fn refused(change: impl Fn(&mut Sealed)) -> HmacError {
    let mut pdu = sealed();
    change(&mut pdu);
    guard().open(NOW, V4, &pdu).expect_err("it is refused")
}

/// RFC 4231 §4.2, §4.3, and §4.6, which is cut to 128 bits as the trailer is.
#[test]
fn digests_of_rfc_4231() {
    let digest = |secret: &[u8], data: &[u8]| {
        let keyring = Keyring::builder(Interval::DEFAULT).key(1, secret).build().unwrap();
        keyring.active().hmac().chain_update(data).finalize().into_bytes()[..MAC_LEN].to_vec()
    };
    let hex = |digest: Vec<u8>| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(digest(&[0x0b; 20], b"Hi There")), "b0344c61d8db38535ca8afceaf0bf12b");
    assert_eq!(hex(digest(b"Jefe", b"what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c7");
    assert_eq!(hex(digest(&[0x0c; 20], b"Test With Truncation")), "a3b6167473100ee06e0c796c2955552b");
}

#[test]
fn the_layout_is_the_documented_one() {
    let pdu = sealed();
    assert_eq!(pdu[..12], MESSAGE);
    assert_eq!(pdu[12..16], [1, 7, 0, 0]);
    assert_eq!(pdu[16..20], 1_800_000_000_u32.to_be_bytes());
    assert_eq!(pdu[20..24], [0x80, 0, 0, 0]);

    let mut covered = vec![4, 3, 51, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    covered.extend([0x31, 51, 100, 1, 0, 100, 0, 0, 192, 0, 2, 99]);
    covered.extend(&pdu[12..24]);
    covered.extend([0; 16]);
    let keyring = builder().build().unwrap();
    let digest = keyring.active().hmac().chain_update(covered).finalize().into_bytes();
    assert_eq!(pdu[24..], digest[..16]);
}

#[test]
fn what_was_sealed_is_opened() {
    let (mut ours, mut theirs) = (guard(), guard());
    // Many within one tick of the clock, too.
    for _ in 0..3 {
        let pdu = sealed_at(&mut ours, NOW);
        assert_eq!(theirs.open(NOW, V4, &pdu), Ok(MESSAGE.as_slice()));
    }
    // The checksum is not covered: it is made anew for each destination.
    let mut pdu = sealed_at(&mut ours, NOW);
    pdu[6] ^= 0xff;
    assert_eq!(theirs.open(NOW, V4, &pdu), Ok(&pdu[..12]));
}

#[test]
fn both_versions_and_families() {
    let v2 = [0x21, 51, 100, 1, 0, 1, 0, 0, 192, 0, 2, 99, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut v6 = [0; 24];
    v6[..8].copy_from_slice(&[0x31, 51, 100, 1, 0, 100, 0, 0]);
    for (source, message) in [(V4, v2.as_slice()), (V6, &v6)] {
        let mut pdu = vec![0; message.len() + TRAILER_LEN];
        pdu[..message.len()].copy_from_slice(message);
        assert_eq!(guard().seal(NOW, source, &mut pdu), pdu.len());
        assert_eq!(guard().open(NOW, source, &pdu), Ok(message));
    }
}

#[test]
fn missing() {
    let pdu = sealed();
    for len in 0..40 {
        assert_eq!(guard().open(NOW, V4, &pdu[..len]), Err(HmacError::Missing), "{len} bytes");
    }
    assert_eq!(refused(|pdu| pdu[3] = 2), HmacError::Missing);
}

#[test]
fn trailer_type() {
    assert_eq!(refused(|pdu| pdu[12] = 2), HmacError::TrailerType(2));
}

#[test]
fn reserved() {
    assert_eq!(refused(|pdu| pdu[14] = 1), HmacError::Reserved);
    assert_eq!(refused(|pdu| pdu[15] = 1), HmacError::Reserved);
}

#[test]
fn unknown_key() {
    assert_eq!(refused(|pdu| pdu[13] = 8), HmacError::UnknownKey(8));
}

#[test]
fn mac() {
    for at in [1, 2, 4, 5, 8, 11].into_iter().chain(16..40) {
        assert_eq!(refused(|pdu| pdu[at] ^= 1), HmacError::Mac, "byte {at}");
    }
    // The source is covered.
    assert_eq!(guard().open(NOW, IpAddr::from([192, 0, 2, 2]), &sealed()), Err(HmacError::Mac));
    let mut other = Guard::new(Keyring::builder(Interval::DEFAULT).key(7, b"another").build().unwrap());
    assert_eq!(other.open(NOW, V4, &sealed()), Err(HmacError::Mac));
}

#[test]
fn time_window() {
    let second = Duration::from_secs(1);
    let pdu = sealed();
    let open = |now| guard().open(now, V4, &pdu);
    for distance in [0, 1, 5] {
        assert!(open(NOW + second * distance).is_ok(), "{distance} s late");
        assert!(open(NOW - second * distance).is_ok(), "{distance} s early");
    }
    for distance in [6, 3600, u32::MAX / 2] {
        assert_eq!(open(NOW + second * distance), Err(HmacError::TimeWindow), "{distance} s late");
    }
    assert_eq!(open(NOW - second * 6), Err(HmacError::TimeWindow));
    let monotonic = builder().anti_replay(AntiReplay::Monotonic).build().unwrap();
    assert!(Guard::new(monotonic).open(NOW + second * 3600, V4, &pdu).is_ok());
}

/// In February 2106.
#[test]
fn seconds_go_round() {
    let (mut ours, mut theirs) = (guard(), guard());
    for late in 0..4 {
        let now = Duration::from_secs((1 << 32) - 2 + late);
        assert!(theirs.open(now, V4, &sealed_at(&mut ours, now)).is_ok());
    }
}

#[test]
fn replay() {
    let (mut ours, mut theirs) = (guard(), guard());
    let (first, second) = (sealed_at(&mut ours, NOW), sealed_at(&mut ours, NOW));
    assert!(theirs.open(NOW, V4, &second).is_ok());
    for old in [second, first] {
        assert_eq!(theirs.open(NOW, V4, &old), Err(HmacError::Replay));
    }
}

#[test]
fn senders_and_virtual_routers_do_not_interfere() {
    let mut theirs = guard();
    for round in 0..2 {
        for host in 1..=4 {
            for vrid in 1..=4 {
                let source = IpAddr::from([192, 0, 2, host]);
                let now = NOW + Duration::from_secs(round) - Duration::from_millis(u64::from(host * vrid));
                let mut pdu = sealed();
                pdu[1] = vrid;
                guard().seal(now, source, &mut pdu);
                assert!(theirs.open(now, source, &pdu).is_ok(), "round {round} host {host} vrid {vrid}");
                assert_eq!(theirs.open(now, source, &pdu), Err(HmacError::Replay));
            }
        }
    }
}

#[test]
fn a_clock_that_steps_back_stops_nobody() {
    let second = Duration::from_secs(1);
    // By less than the window: the sequence grows from where it was.
    let (mut ours, mut theirs) = (guard(), guard());
    assert!(theirs.open(NOW, V4, &sealed_at(&mut ours, NOW + second * 3)).is_ok());
    assert!(theirs.open(NOW, V4, &sealed_at(&mut ours, NOW)).is_ok());
    // By more: nobody took what was sealed before.
    assert_eq!(theirs.open(NOW, V4, &sealed_at(&mut ours, NOW + second * 3600)), Err(HmacError::TimeWindow));
    assert!(theirs.open(NOW + second * 4, V4, &sealed_at(&mut ours, NOW + second * 4)).is_ok());
}

/// Both clocks step back, by whatever, and differ by a second at the most: what is sent afterwards is taken, at the latest
/// within two seconds.
#[test]
fn marks_lapse_when_both_clocks_step_back() {
    let millis = Duration::from_millis;
    for step in [100, 2_000, 4_900, 5_000, 5_100, 5_900, 6_000, 6_100, 7_000, 3_600_000] {
        for [sender_ahead, receiver_ahead] in [[0, 0], [900, 0], [0, 900]] {
            let (mut ours, mut theirs) = (guard(), guard());
            let (send, receive) = (NOW + millis(sender_ahead), NOW + millis(receiver_ahead));
            assert!(theirs.open(receive, V4, &sealed_at(&mut ours, send)).is_ok());
            let later = (0..=20).map(|tick| millis(tick * 100));
            let taken = later.map(|later| {
                let sealed = sealed_at(&mut ours, send - millis(step) + later);
                theirs.open(receive - millis(step) + later, V4, &sealed).is_ok()
            });
            let taken: Vec<bool> = taken.collect();
            assert!(
                taken[20],
                "step {step} ms, clocks ahead by {sender_ahead} and {receiver_ahead} ms: {taken:?}"
            );
        }
    }
}

/// A clock that is ahead for good protects from replay as any other does.
#[test]
fn marks_of_a_clock_that_is_ahead_do_not_lapse_within_the_window() {
    let (mut ours, mut theirs) = (guard(), guard());
    let old = sealed_at(&mut ours, NOW + Duration::from_secs(4));
    let new = sealed_at(&mut ours, NOW + Duration::from_secs(5));
    assert!(theirs.open(NOW, V4, &new).is_ok());
    for replayed in [old, new] {
        assert_eq!(theirs.open(NOW, V4, &replayed), Err(HmacError::Replay));
    }
}

/// The test vectors in the appendix of draft-cassen-vrrp-auth-hmac: family, source, destination, message, trailer with MAC.
const VECTORS: [(&str, &str, &str, &str, &str); 2] = [
    (
        "IPv4",
        "198.51.100.10",
        "224.0.0.18",
        "3133c80100644402c0000264",
        "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265",
    ),
    // Its checksum is that of a message to a peer with the address fe80::20.
    (
        "IPv6",
        "fe80::10",
        "fe80::20",
        "3133c8010064a2e9fe800000000000000000000000000100",
        "010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The keys of the vectors: bytes 0 to 31 as key 1.
fn keys_of_the_draft() -> Keyring {
    let key: Vec<u8> = (0..32).collect();
    Keyring::builder(Interval::DEFAULT).key(1, &key).build().unwrap()
}

/// The time sequence of the vectors, 0x6800000080000000.
const TIME_OF_THE_DRAFT: Duration = Duration::new(0x6800_0000, 500_000_000);

#[test]
fn vectors_of_the_draft_are_sealed_and_opened() {
    for (family, source, _, message, trailer) in VECTORS {
        let (source, message) = (source.parse().unwrap(), bytes(message));
        let expected = [message.clone(), bytes(trailer)].concat();
        let mut pdu = [message.clone(), vec![0xff; TRAILER_LEN]].concat();
        assert_eq!(Guard::new(keys_of_the_draft()).seal(TIME_OF_THE_DRAFT, source, &mut pdu), pdu.len());
        assert_eq!(pdu, expected, "{family}");
        let mut guard = Guard::new(keys_of_the_draft());
        assert_eq!(guard.open(TIME_OF_THE_DRAFT, source, &expected), Ok(message.as_slice()), "{family}");
    }
}

/// A whole router takes the vectors, checksum included, and drops them when a byte of the trailer is another one.
#[test]
fn a_router_takes_the_vectors_of_the_draft() {
    use crate::{Config, Datagram, Envelope, Input, Time, VirtualRouter, Vrid};

    for (family, source, destination, message, trailer) in VECTORS {
        let hear = |payload: &[u8]| {
            let (source, destination): (IpAddr, IpAddr) =
                (source.parse().unwrap(), destination.parse().unwrap());
            let address: IpAddr =
                if source.is_ipv4() { [192, 0, 2, 100].into() } else { "fe80::100".parse().unwrap() };
            let ours: IpAddr =
                if source.is_ipv4() { [192, 0, 2, 1].into() } else { "fe80::1".parse().unwrap() };
            let config = Config::v3(Vrid::new(51).unwrap(), [address]).hmac(keys_of_the_draft());
            let config = if destination.is_multicast() { config } else { config.unicast([source]) };
            let mut router = VirtualRouter::new(config.build().unwrap(), ours).unwrap();
            router.handle_input(Time::ZERO, Input::WallClock(TIME_OF_THE_DRAFT));
            router.handle_input(Time::ZERO, Input::Startup);
            let envelope = Envelope { source, destination, ttl: Some(255), authenticated: false };
            router.handle_input(
                Time::ZERO,
                Input::Datagram(Datagram { received: Time::ZERO, envelope, payload }),
            );
            router.active().map(|(source, priority)| (source.to_string(), priority.get()))
        };
        let vector = [bytes(message), bytes(trailer)].concat();
        assert_eq!(hear(&vector), Some((source.to_owned(), 200)), "{family}");
        let mut wrong = vector.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(hear(&wrong), None, "{family}");
        // What earlier releases sent: a checksum over the message alone.
        if family == "IPv6" {
            let mut short = vector;
            let len = short.len() - TRAILER_LEN;
            crate::wire::fill_checksum(
                &mut short[..len],
                source.parse().unwrap(),
                destination.parse().unwrap(),
                crate::wire::ChecksumForm::PseudoHeader,
            );
            assert_eq!(hear(&short), None, "{family}");
        }
    }
}

#[test]
fn modes_lead_from_none_to_all() {
    let guard = |mode| Guard::new(builder().mode(mode).build().unwrap());
    for (mode, sends, lets_in_bare) in
        [(Mode::ReceiveOnly, false, true), (Mode::Permissive, true, true), (Mode::Enforce, true, false)]
    {
        let mut pdu = sealed();
        assert_eq!(guard(mode).seal(NOW, V4, &mut pdu), if sends { 40 } else { 12 }, "{mode:?}");
        assert_eq!(guard(mode).open(NOW, V4, &MESSAGE).is_ok(), lets_in_bare, "{mode:?}");
        assert_eq!(guard(mode).open(NOW, V4, &sealed()), Ok(MESSAGE.as_slice()), "{mode:?}");
        let mut wrong = sealed();
        wrong[39] ^= 1;
        assert_eq!(guard(mode).open(NOW, V4, &wrong), Err(HmacError::Mac), "{mode:?}");
    }
}

#[test]
fn keys_are_changed_while_all_run() {
    let both = || builder().key(8, b"the new one");
    let old = Guard::new(both().build().unwrap());
    let mut new = old.clone();
    new.set_keyring(both().active(8).build().unwrap());
    assert_eq!((old.keyring().active_id(), new.keyring().active_id()), (7, 8));
    for (mut one, mut other) in [(old.clone(), new.clone()), (new.clone(), old.clone())] {
        assert!(other.open(NOW, V4, &sealed_at(&mut one, NOW)).is_ok());
    }
}

#[test]
fn keys_that_do_not_fit_together_are_refused_by_name() {
    let none = Keyring::builder(Interval::DEFAULT);
    assert_eq!(none.clone().build().unwrap_err(), KeyringError::NoKeys);
    assert_eq!(none.clone().key(0, b"secret").build().unwrap_err(), KeyringError::ZeroId);
    assert_eq!(builder().key(7, b"again").build().unwrap_err(), KeyringError::Duplicate(7));
    assert_eq!(none.key(1, b"").build().unwrap_err(), KeyringError::Empty(1));
    assert_eq!(builder().active(8).build().unwrap_err(), KeyringError::Active(8));
    for window in [Duration::ZERO, Duration::from_secs(301), Duration::from_millis(1500)] {
        assert_eq!(builder().time_window(window).build().unwrap_err(), KeyringError::TimeWindow(window));
    }
    for secs in [1, 300] {
        let window = Duration::from_secs(secs);
        assert_eq!(builder().time_window(window).build().unwrap().time_window(), window);
    }
}

#[test]
fn the_window_is_three_intervals_or_five_seconds() {
    for (centiseconds, secs) in [(1, 5), (166, 5), (167, 6), (4095, 123)] {
        let interval = Interval::from_centiseconds(centiseconds).unwrap();
        let keyring = Keyring::builder(interval).key(1, b"secret").build().unwrap();
        assert_eq!(keyring.time_window().as_secs(), secs, "{centiseconds} cs");
    }
}

#[test]
fn keys_do_not_show() {
    let shown = format!("{:?}", guard());
    assert!(shown.contains("Key 7") && !shown.contains("group"), "{shown}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), v6: bool) {
        let source = if v6 { V6 } else { V4 };
        prop_assert!(guard().open(NOW, source, &bytes).is_err());
    }

    /// Whatever the clock does, every message sealed is newer than the one before it.
    #[test]
    fn sequences_grow(steps in prop::collection::vec(-5_000_i64..5_000, 1..50)) {
        let mut ours = Guard::new(builder().anti_replay(AntiReplay::Monotonic).build().unwrap());
        let mut theirs = ours.clone();
        let mut millis = NOW.as_millis() as u64;
        for step in steps {
            millis = millis.wrapping_add_signed(step);
            let now = Duration::from_millis(millis);
            prop_assert!(theirs.open(now, V4, &sealed_at(&mut ours, now)).is_ok());
        }
    }
}
