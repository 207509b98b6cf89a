//! Messages that come twice, late, back, or from someone who should not send them.

use lb_vrrp::{
    AddressList, DropReason, Profile, Version,
    sim::{Chance, Injection, LanId},
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};

use super::*;

const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77));

/// An advertisement of anyone; without a priority it is a resignation.
fn forged(source: IpAddr, priority: Option<Priority>, interval: Interval) -> Injection {
    let addresses = AddressList::new([VIRTUAL]).unwrap();
    let advert = Advert {
        version: Version::V3,
        vrid: vrid(),
        priority,
        interval,
        addresses: addresses.as_addresses(),
        authentication: Authentication::None,
    };
    let mut payload = vec![0; advert.encoded_len()];
    advert.encode(&mut payload);
    let destination = IpAddr::from([224, 0, 0, 18]);
    fill_checksum(&mut payload, source, destination, ChecksumForm::MessageOnly);
    Injection { lan: LanId::default(), source, destination, ttl: 255, payload }
}

fn dropped(world: &World, node: NodeId, wanted: impl Fn(&DropReason) -> bool) -> usize {
    count(world, node, |event| matches!(event, Event::Dropped { reason, .. } if wanted(reason)))
}

/// Scenario 14.
#[test]
fn advertisements_that_come_twice_and_in_any_order_change_nothing() {
    let lan = Lan {
        duplication: Chance::ALWAYS,
        reordering: Chance::percent(50),
        hold: Duration::from_millis(2500),
        ..Lan::default()
    };
    let mut world = World::new(7, lan);
    let left = world.add(Node::new(v3(200).build().unwrap(), LEFT)).unwrap();
    let right = world.add(Node::new(v3(100).build().unwrap(), RIGHT)).unwrap();
    world.run_until(secs(600.0));
    assert_eq!(actives(&world), [left]);
    assert_eq!(world.trace().tenures().len(), 1);
    assert!(world.router(right).unwrap().stats().received > 1000);
}

/// Scenario 14: a resignation that was overtaken by the router which followed.
#[test]
fn a_stale_resignation_of_someone_else_starts_no_election() {
    for profile in [Profile::Compatible, Profile::Strict] {
        let mut world = World::new(1, Lan::default());
        let left = world.add(Node::new(v3(200).profile(profile).build().unwrap(), LEFT)).unwrap();
        let right = world.add(Node::new(v3(100).profile(profile).build().unwrap(), RIGHT)).unwrap();
        world.run_until(secs(10.0));
        // The Active router answers, which is not what is looked at here.
        world.inflict(Fault::Cut { from: left, to: right });
        let before = world.router(right).unwrap().poll_timeout().unwrap();
        world.inflict(Fault::Inject(forged(STRANGER, None, centiseconds(100))));
        world.run_for(TRANSIT);
        let after = world.router(right).unwrap().poll_timeout().unwrap();
        let of_other = dropped(&world, right, |reason| *reason == DropReason::ResignationOfOther);
        if profile == Profile::Compatible {
            assert_eq!((after, of_other), (before, 1));
        } else {
            // RFC 9568 §6.4.2 to the letter: the skew time starts, and the next advertisement ends it or not.
            assert!(after < before && of_other == 0);
        }
        assert_eq!(world.state(left), State::Active);
    }
}

/// Scenario 15.
#[test]
fn advertisements_that_are_looped_back_make_no_storm() {
    let looping = Lan { loops_back: true, duplication: Chance::ALWAYS, ..Lan::default() };
    let mut sends = Vec::new();
    for (lan, loops) in [(Lan::default(), false), (looping, true)] {
        let mut world = World::new(1, lan);
        let left = world.add(Node::new(v3(200).build().unwrap(), LEFT)).unwrap();
        world.add(Node::new(v3(100).build().unwrap(), RIGHT)).unwrap();
        world.run_until(secs(30.0));
        assert_eq!(actives(&world), [left]);
        sends.push(world.trace().sent(left).count());
        let looped = dropped(&world, left, |reason| *reason == DropReason::OwnAddress);
        let told = count(&world, left, |event| *event == Event::OwnAddress { source: LEFT });
        let expected = if loops { looped > 50 && told == 1 } else { looped == 0 && told == 0 };
        assert!(expected, "{looped} looped back, told {told} times");
    }
    assert_eq!(sends[0], sends[1]);
}

/// Scenario 19: one forged message and then silence.
#[test]
fn a_forged_interval_delays_a_takeover_unless_it_is_capped() {
    for capped in [false, true] {
        let right = v3(100);
        let right = if capped { right.max_learned_interval(centiseconds(100)) } else { right };
        let (mut world, left, right) = pair(v3(200), right);
        world.run_until(secs(10.0));
        world.inflict(Fault::Crash(left));
        world.inflict(Fault::Inject(forged(LEFT, Some(priority(200)), centiseconds(4095))));
        world.run_until(secs(200.0));
        assert_eq!(actives(&world), [right]);
        let interval = if capped { 1.0 } else { 40.95 };
        assert_at(became_active(&world, right), 10.0 + interval * (3.0 + 156.0 / 256.0));
        assert_eq!(
            count(&world, right, |event| matches!(event, Event::IntervalCapped { .. })),
            usize::from(capped)
        );
    }
}

/// Scenario 19: every beginning of an advertisement, and every one with a byte that is another.
#[test]
fn malformed_messages_are_dropped_and_counted() {
    let (mut world, left, right) = pair(v3(200), v3(100));
    world.run_until(secs(10.0));
    let whole = forged(LEFT, Some(priority(200)), centiseconds(100)).payload;
    let mut malformed: Vec<Vec<u8>> = (0..whole.len()).map(|len| whole[..len].to_vec()).collect();
    for index in 0..whole.len() {
        for bit in 0..8 {
            let mut payload = whole.clone();
            payload[index] ^= 1 << bit;
            malformed.push(payload);
        }
    }
    malformed.push([&whole[..], &[0]].concat());
    let messages = malformed.len();
    for payload in malformed {
        world.inflict(Fault::Inject(Injection { payload, ..forged(STRANGER, None, centiseconds(1)) }));
        world.run_for(Duration::from_micros(1));
    }
    for node in [left, right] {
        let stats = world.router(node).unwrap().stats();
        assert_eq!(stats.dropped as usize, messages, "each message has its reason");
        assert!(stats.checksum_errors > 50 && stats.length_errors > 8 && stats.version_errors > 0);
    }
    world.run_until(secs(20.0));
    assert_eq!(world.trace().tenures().len(), 1);
}
