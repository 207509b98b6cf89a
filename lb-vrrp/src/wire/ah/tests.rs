use proptest::prelude::*;

use super::*;

const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const MESSAGE: [u8; 20] = [0x21, 51, 200, 1, 2, 1, 0, 0, 192, 0, 2, 99, 0, 0, 0, 0, 0, 0, 0, 0];

fn guard() -> Guard {
    Guard::new(Key::new(b"secret"), Vrid::new(51).unwrap())
}

fn seal(guard: &mut Guard, source: Ipv4Addr) -> [u8; 64] {
    let mut packet = [0xff; 64];
    assert_eq!(guard.seal(source, GROUP, &MESSAGE, &mut packet), 64);
    packet
}

fn sealed() -> [u8; 64] {
    seal(&mut guard(), SOURCE)
}

fn refused(change: impl Fn(&mut [u8; 64])) -> AhError {
    let mut packet = sealed();
    change(&mut packet);
    let mut guard = guard();
    let error = guard.open(&packet).expect_err("it is refused");
    assert_eq!(guard.sequence(), 0, "nothing of it is kept");
    error
}

/// Seals with a digest that leaves the TTL out, or with another change made before the digest.
fn sealed_again(change: impl Fn(&mut [u8; 64]), ttl: u8) -> [u8; 64] {
    let mut packet = sealed();
    change(&mut packet);
    let mut ip = immutable_forms(&packet)[0];
    ip[8] = ttl;
    let icv = Key::new(b"secret").digest(&ip, &packet[20..32], &packet[44..]);
    packet[32..44].copy_from_slice(&icv);
    packet
}

/// RFC 2202 §2: the first two test cases of HMAC-MD5, cut to 96 bits (RFC 2403).
#[test]
fn digests_of_rfc_2202() {
    let digest = |key: &[u8], data: &[u8]| {
        let mut icv = [0; ICV_LEN];
        icv.copy_from_slice(
            &Hmac::clone(&Key::new(key).0).chain_update(data).finalize().into_bytes()[..ICV_LEN],
        );
        icv
    };
    let first = [0x92, 0x94, 0x72, 0x7a, 0x36, 0x38, 0xbb, 0x1c, 0x13, 0xf4, 0x8e, 0xf8];
    assert_eq!(digest(&[0x0b; 16], b"Hi There"), first);
    let second = [0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31];
    assert_eq!(digest(b"Jefe", b"what do ya want for nothing?"), second);
}

#[test]
fn the_layout_is_the_documented_one() {
    let packet = sealed();
    assert_eq!(packet[..10], [0x45, 0xc0, 0, 64, 0, 1, 0, 0, 255, 51]);
    assert_eq!(ipv4::checksum(&Ipv4Packet::new(&packet).unwrap()).to_be_bytes(), packet[10..12]);
    assert_eq!(packet[12..20], [192, 0, 2, 1, 224, 0, 0, 18]);
    assert_eq!(packet[20..32], [112, 4, 0, 0, 192, 0, 2, 1, 0, 0, 0, 1]);
    assert_eq!(packet[44..], MESSAGE);
}

#[test]
fn what_was_sealed_is_opened() {
    let (mut ours, mut theirs) = (guard(), guard());
    for sequence in 1..=100 {
        let packet = seal(&mut ours, SOURCE);
        assert_eq!(theirs.open(&packet), Ok(MESSAGE.as_slice()));
        assert_eq!((ours.sequence(), theirs.sequence()), (sequence, sequence));
    }
    // Whoever takes over goes on from there.
    seal(&mut theirs, Ipv4Addr::new(192, 0, 2, 2));
    assert_eq!(theirs.sequence(), 101);
}

#[test]
fn bytes_after_the_packet_are_ignored() {
    let mut frame = [0; 70];
    frame[..64].copy_from_slice(&sealed());
    assert_eq!(guard().open(&frame), Ok(MESSAGE.as_slice()));
}

#[test]
fn mutable_fields_may_change_on_the_way() {
    let mut packet = sealed();
    packet[1] = 0;
    packet[6] = 0x40;
    packet[10..12].fill(0xee);
    assert!(guard().open(&packet).is_ok());
    // The TTL is digested, but a digest without it is taken too.
    assert_eq!(refused(|packet| packet[8] = 254), AhError::Digest);
    let mut packet = sealed_again(|_| {}, 0);
    packet[8] = 254;
    assert!(guard().open(&packet).is_ok());
}

#[test]
fn numbers_go_round_without_0() {
    let (mut ours, mut theirs) = (guard(), guard());
    ours.sequence = u32::MAX - 1;
    for sequence in [u32::MAX, 1, 2] {
        let packet = seal(&mut ours, SOURCE);
        assert_eq!(theirs.open(&packet), Ok(MESSAGE.as_slice()));
        assert_eq!(theirs.sequence(), sequence);
    }
}

/// Linux replaces 0 by a number of its own, after the digest was made.
#[test]
fn the_identification_is_never_0() {
    let mut ours = guard();
    for (before, identification) in [(0xfffe, 0xffff_u16), (0xffff, 1), (0x10000, 1), (u32::MAX, 1)] {
        ours.sequence = before;
        assert_eq!(seal(&mut ours, SOURCE)[4..6], identification.to_be_bytes());
    }
}

#[test]
fn truncated() {
    let packet = sealed();
    for len in 0..packet.len() {
        assert_eq!(guard().open(&packet[..len]), Err(AhError::Truncated), "{len} bytes");
    }
    assert_eq!(refused(|packet| packet[2..4].copy_from_slice(&[0, 45])), AhError::Truncated);
    assert_eq!(refused(|packet| packet[2..4].fill(0)), AhError::Truncated);
    assert_eq!(refused(|packet| packet[0] = 0x65), AhError::Truncated);
}

#[test]
fn options() {
    assert_eq!(refused(|packet| packet[0] = 0x46), AhError::Options);
    assert_eq!(refused(|packet| packet[0] = 0x44), AhError::Options);
}

#[test]
fn fragment() {
    assert_eq!(refused(|packet| packet[6] = 0x20), AhError::Fragment);
    assert_eq!(refused(|packet| packet[7] = 1), AhError::Fragment);
}

#[test]
fn missing() {
    assert_eq!(refused(|packet| packet[9] = 112), AhError::Missing(112));
}

#[test]
fn length() {
    assert_eq!(refused(|packet| packet[21] = 5), AhError::Length(5));
}

#[test]
fn next_header() {
    assert_eq!(refused(|packet| packet[20] = 17), AhError::NextHeader(17));
}

#[test]
fn vrid() {
    assert_eq!(super::vrid(&sealed()), Some(51));
    assert_eq!(super::vrid(&sealed()[..45]), None);
    assert_eq!(refused(|packet| packet[45] = 52), AhError::Vrid(52));
}

#[test]
fn spi() {
    let packet = sealed_again(|packet| packet[27] = 9, 255);
    assert_eq!(guard().open(&packet), Err(AhError::Spi(0xc000_0209)));
}

#[test]
fn digest() {
    for at in (4..6).chain(12..20).chain(28..64).filter(|at| *at != 45) {
        // A changed source does not fit the index.
        let expected = if (12..16).contains(&at) { AhError::Spi(0xc000_0201) } else { AhError::Digest };
        assert_eq!(refused(|packet| packet[at] ^= 1), expected, "byte {at}");
    }
    let mut other = Guard::new(Key::new(b"secreT"), Vrid::new(51).unwrap());
    assert_eq!(other.open(&sealed()), Err(AhError::Digest));
}

#[test]
fn replay() {
    let mut ours = guard();
    let packets: Vec<[u8; 64]> = (0..70).map(|_| seal(&mut ours, SOURCE)).collect();
    let mut theirs = guard();
    assert!(theirs.open(&packets[69]).is_ok());
    assert_eq!(theirs.open(&packets[69]), Err(AhError::Replay(70)));
    // 64 numbers are told apart, in any order.
    assert!(theirs.open(&packets[6]).is_ok());
    assert_eq!(theirs.open(&packets[6]), Err(AhError::Replay(7)));
    assert!(theirs.open(&packets[40]).is_ok());
    assert_eq!(theirs.open(&packets[5]), Err(AhError::Replay(6)));
    assert_eq!(theirs.sequence(), 70);
}

#[test]
fn each_sender_has_its_own_window() {
    let mut theirs = guard();
    for round in 1..=3 {
        for host in 1..=16 {
            let source = Ipv4Addr::new(192, 0, 2, host);
            let mut ours = guard();
            ours.sequence = round;
            let packet = seal(&mut ours, source);
            assert!(theirs.open(&packet).is_ok(), "round {round} host {host}");
            assert_eq!(theirs.open(&packet), Err(AhError::Replay(round + 1)));
        }
    }
}

#[test]
fn the_key_does_not_show() {
    assert_eq!(format!("{:?}", Key::new(b"secret")), "Key");
}

proptest! {
    /// The window is that of a list of all numbers heard.
    #[test]
    fn the_window_is_that_of_a_list(start: u32, steps in prop::collection::vec(-80_i32..80, 1..200)) {
        let mut senders = Senders::new();
        let (mut latest, mut heard) = (None::<u32>, Vec::new());
        let mut number = start;
        for step in steps {
            number = latest.unwrap_or(number).wrapping_add_signed(step);
            let newer = latest.is_none_or(|latest| is_newer(number, latest));
            let recent = latest.is_some_and(|latest| latest.wrapping_sub(number) < 64);
            let expected = newer || (recent && !heard.contains(&number));
            prop_assert_eq!(senders.accept([192, 0, 2, 1], number), expected);
            if expected {
                heard.push(number);
            }
            if newer {
                latest = Some(number);
            }
        }
    }

    #[test]
    fn arbitrary_packets_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut guard = guard();
        prop_assert!(guard.open(&bytes).is_err());
        prop_assert_eq!(guard.sequence(), 0);
    }
}

#[test]
fn keys_are_the_same_when_they_seal_alike() {
    assert_eq!(Key::new(b"secret"), Key::new(b"secret\0"));
    assert_ne!(Key::new(b"secret"), Key::new(b"secrets"));
}

#[test]
fn another_key_does_not_start_the_numbers_anew() {
    let (mut ours, mut theirs) = (guard(), guard());
    let first = seal(&mut theirs, SOURCE);
    assert!(ours.open(&first).is_ok());
    let key = Key::new(b"another");
    theirs.set_key(key.clone());
    let second = seal(&mut theirs, SOURCE);
    assert_eq!(ours.open(&second), Err(AhError::Digest));
    ours.set_key(key);
    assert!(ours.open(&second).is_ok());
    assert_eq!(ours.open(&second), Err(AhError::Replay(2)));
}

#[test]
fn a_successor_goes_on_after_the_number_of_its_predecessor() {
    let (mut ours, mut theirs) = (guard(), guard());
    for _ in 0..100 {
        assert!(ours.open(&seal(&mut theirs, SOURCE)).is_ok());
    }
    let mut successor = guard();
    assert!(ours.clone().open(&seal(&mut successor.clone(), SOURCE)).is_err(), "1 is too old");
    successor.resume(theirs.sequence());
    successor.resume(50);
    assert!(ours.open(&seal(&mut successor, SOURCE)).is_ok());
    assert_eq!(ours.sequence(), 101);
}
