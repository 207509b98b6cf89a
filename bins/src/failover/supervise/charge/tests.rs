use std::time::Duration;

use lb_vrrp::{Config, Input, Priority, VirtualRouter, Vrid, router::Snapshot};

use super::*;

const DIED: Time = Time::from_secs(500);

/// As an instance that has been Active since 100 s.
fn snapshot() -> Snapshot {
    let config = Config::v3(Vrid::MIN, ["192.0.2.100".parse().unwrap()]).priority(Priority::OWNER);
    let mut router = VirtualRouter::new(config.build().unwrap(), "192.0.2.1".parse().unwrap()).unwrap();
    router.handle_input(Time::from_secs(100), Input::Startup);
    while router.poll_output().is_some() {}
    router.snapshot(Time::from_secs(100))
}

fn resignation(instance: &str) -> Resignation {
    Resignation {
        instance: instance.to_owned(),
        interface: 2,
        mac: None,
        source: "192.0.2.1".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        ttl: 255,
        sealed: false,
        payload: vec![0x31, 1, 0],
    }
}

fn active(name: &str, interval: Duration) -> Said {
    let resignations = vec![resignation(name)];
    let held = Held { resignations, snapshot: snapshot(), sequence: Some(9), interval };
    Said::Active(name.to_owned(), Box::new(held))
}

fn second() -> Duration {
    Duration::from_secs(1)
}

#[test]
fn a_living_daemon_is_not_spoken_for() {
    let mut charge = Charge::default();
    charge.hear(active("a", second()));
    assert_eq!(charge.deadline(), None);
    assert_eq!(charge.due(Time::MAX), []);
}

#[test]
fn what_no_successor_takes_on_within_a_tenth_of_its_interval_is_resigned() {
    let mut charge = Charge::default();
    charge.hear(active("slow", second()));
    charge.hear(active("fast", second() / 10));
    charge.hear(active("gone", second()));
    charge.hear(Said::Inactive("gone".to_owned()));
    charge.died(DIED);
    assert_eq!(charge.deadline(), Some(DIED + second() / 100));
    assert_eq!(charge.due(DIED), []);
    assert_eq!(charge.due(DIED + second() / 100), [resignation("fast")]);
    assert_eq!(charge.deadline(), Some(DIED + second() / 10));
    // The successor is not to go on with what was given up.
    let resume = charge.resume();
    assert_eq!(resume.instances.keys().collect::<Vec<_>>(), ["slow"]);
    assert_eq!((charge.deadline(), charge.due(Time::MAX)), (None, vec![]), "the successor answers for it");
}

#[test]
fn a_successor_goes_on_as_if_its_predecessor_had_been_heard_until_it_died() {
    let mut charge = Charge::default();
    charge.hear(active("a", second()));
    charge.hear(Said::Tracker(TrackerId::Script("chk".to_owned()), Status::Up));
    assert!(!charge.resume().is_successor(), "it is the first one");
    charge.hear(active("a", second()));
    charge.died(DIED);
    let resume = charge.resume();
    assert!(resume.is_successor());
    let mut expected = snapshot();
    expected.extend(DIED);
    assert_eq!(resume.instances["a"], expected);
    assert_ne!(resume.instances["a"], snapshot(), "it is 400 s old");
    assert_eq!(resume.snapshot().sequences["a"], 9);
    assert_eq!(resume.trackers().collect::<Vec<_>>(), [(TrackerId::Script("chk".to_owned()), Status::Up)]);
}

#[test]
fn one_that_dies_again_and_again_is_started_with_pauses() {
    let mut charge = Charge::default();
    let at = |seconds| DIED + second() * seconds;
    assert_eq!([0, 1, 2].map(|death| charge.died(at(death))), [Duration::ZERO; 3]);
    assert_eq!(charge.died(at(3)), PAUSE);
    assert_eq!(charge.died(at(100)), Duration::ZERO, "that was long ago");
}
