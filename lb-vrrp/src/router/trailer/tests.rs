use core::time::Duration;
use std::{net::IpAddr, vec::Vec};

use crate::{
    Config, Datagram, DropReason, Envelope, Event, Input, Output, Priority, State, Time, VirtualRouter, Vrid,
    wire::hmac::{HmacError, Keyring, Mode, TRAILER_LEN},
};

const UNIX: Duration = Duration::from_secs(1_700_000_000);

fn router(source: &str, priority: u8, keyring: Option<Keyring>) -> VirtualRouter {
    let addresses = ["192.0.2.100".parse::<IpAddr>().unwrap()];
    let mut builder =
        Config::v3(Vrid::new(51).unwrap(), addresses).priority(Priority::new(priority).unwrap());
    if let Some(keyring) = keyring {
        builder = builder.hmac(keyring);
    }
    let mut router = VirtualRouter::new(builder.build().unwrap(), source.parse().unwrap()).unwrap();
    router.handle_input(Time::ZERO, Input::WallClock(UNIX));
    router.handle_input(Time::ZERO, Input::Startup);
    while router.poll_output().is_some() {}
    router
}

fn keys(secret: &str, mode: Mode) -> Option<Keyring> {
    Some(Keyring::builder(crate::Interval::DEFAULT).key(7, secret.as_bytes()).mode(mode).build().unwrap())
}

/// What the router sends when it becomes Active.
fn advert(router: &mut VirtualRouter) -> (Time, Vec<u8>) {
    let now = router.poll_timeout().unwrap();
    router.handle_timeout(now);
    let mut sent = None;
    while let Some(output) = router.poll_output() {
        if let Output::Send(message) = output {
            sent = Some(message.payload.to_vec());
        }
    }
    (now, sent.unwrap())
}

fn hear(router: &mut VirtualRouter, now: Time, payload: &[u8]) -> Vec<DropReason> {
    let envelope = Envelope {
        source: "192.0.2.2".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        ttl: Some(255),
        authenticated: false,
    };
    router.handle_input(now, Input::Datagram(Datagram { received: now, envelope, payload }));
    let mut dropped = Vec::new();
    while let Some(output) = router.poll_output() {
        if let Output::Event(Event::Dropped { reason, .. }) = output {
            dropped.push(reason);
        }
    }
    dropped
}

#[test]
fn routers_with_the_same_key_understand_each_other() {
    let (now, message) = advert(&mut router("192.0.2.2", 200, keys("secret", Mode::Enforce)));
    assert_eq!(message.len(), 12 + TRAILER_LEN);
    let mut backup = router("192.0.2.1", 100, keys("secret", Mode::Enforce));
    assert_eq!(hear(&mut backup, now, &message), []);
    assert_eq!(backup.active().unwrap().1.get(), 200);
    // Sent again, it is an attack.
    assert_eq!(hear(&mut backup, now, &message), [DropReason::Hmac(HmacError::Replay)]);
    assert_eq!(backup.stats().auth_failures, 1);
}

#[test]
fn what_is_not_sealed_with_the_key_changes_nothing() {
    let (now, plain) = advert(&mut router("192.0.2.2", 200, None));
    let (_, sealed) = advert(&mut router("192.0.2.2", 200, keys("other", Mode::Enforce)));
    let mut backup = router("192.0.2.1", 100, keys("secret", Mode::Enforce));
    let deadline = backup.poll_timeout();
    assert_eq!(hear(&mut backup, now, &plain), [DropReason::Hmac(HmacError::Missing)]);
    assert_eq!(hear(&mut backup, now, &sealed), [DropReason::Hmac(HmacError::Mac)]);
    assert_eq!((backup.poll_timeout(), backup.active()), (deadline, None));
}

/// The clock that is told goes on with `now`, and may be told again.
#[test]
fn a_message_has_to_be_of_this_time() {
    let mut active = router("192.0.2.2", 200, keys("secret", Mode::Enforce));
    active.handle_input(Time::ZERO, Input::WallClock(UNIX + Duration::from_secs(60)));
    let (now, message) = advert(&mut active);
    let mut backup = router("192.0.2.1", 100, keys("secret", Mode::Enforce));
    assert_eq!(hear(&mut backup, now, &message), [DropReason::Hmac(HmacError::TimeWindow)]);
    backup.handle_input(now, Input::WallClock(UNIX + Duration::from_secs(60) + now.since(Time::ZERO)));
    assert_eq!(hear(&mut backup, now, &message), []);
}

/// Keys are rolled out with the routers running: those that only receive send what the others understand.
#[test]
fn a_router_that_only_receives_trailers_sends_none() {
    let mut active = router("192.0.2.2", 200, keys("secret", Mode::ReceiveOnly));
    let (now, message) = advert(&mut active);
    assert_eq!(message.len(), 12);
    assert_eq!(hear(&mut router("192.0.2.1", 100, None), now, &message), []);
    assert_eq!(hear(&mut router("192.0.2.1", 100, keys("secret", Mode::Permissive)), now, &message), []);
}

#[test]
fn keys_change_without_a_failover() {
    let mut active = router("192.0.2.2", 200, keys("old", Mode::Enforce));
    let (now, _) = advert(&mut active);
    let config = |keyring| {
        let addresses = ["192.0.2.100".parse::<IpAddr>().unwrap()];
        let builder = Config::v3(Vrid::new(51).unwrap(), addresses).priority(Priority::new(200).unwrap());
        builder.hmac(keyring).build().unwrap()
    };
    active.reconfigure(now, config(keys("new", Mode::Enforce).unwrap())).unwrap();
    assert_eq!(active.state(), State::Active);
    let (now, message) = advert(&mut active);
    assert_eq!(hear(&mut router("192.0.2.1", 100, keys("new", Mode::Enforce)), now, &message), []);
}
