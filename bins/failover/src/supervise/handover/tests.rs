use super::*;
use crate::supervise::testing::{held, resignation, snapshot};

const ACTIVE_SINCE: Time = Time::from_secs(100);
const DIED: Time = Time::from_secs(500);

fn holding(names: &[(&str, Duration)]) -> Handover {
    let mut handover = Handover::default();
    for (name, interval) in names {
        handover.active((*name).to_owned(), held(name, ACTIVE_SINCE, *interval));
    }
    handover
}

fn die(handover: &mut Handover, at: Time) {
    handover.died(at, 7, "signal: 9 (SIGKILL)".to_owned());
}

fn address(number: u8) -> Entry {
    let net = format!("192.0.2.{number}/24").parse().unwrap();
    Entry::Address { interface: 2, net, peer: None }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nothing_is_resigned_for_a_living_daemon() {
    let mut handover = holding(&[("a", SECOND)]);
    assert_eq!((handover.deadline(), handover.removal()), (None, None));
    assert_eq!(handover.due(Time::MAX), []);
}

#[test]
fn an_instance_is_resigned_when_no_successor_goes_on_within_a_tenth_of_its_interval() {
    let mut handover = holding(&[("slow", SECOND), ("fast", SECOND / 10), ("gone", SECOND)]);
    handover.inactive("gone");
    die(&mut handover, DIED);
    assert_eq!(handover.deadline(), Some(DIED + SECOND / 100));
    assert_eq!(handover.due(DIED), []);
    assert_eq!(handover.due(DIED + SECOND / 100), [resignation("fast")]);
    assert_eq!(handover.deadline(), Some(DIED + SECOND / 10));
    // The successor is not to go on with what was given up.
    let resume = handover.resume();
    assert_eq!(resume.instances.keys().collect::<Vec<_>>(), ["slow"]);
    assert_eq!(
        (handover.deadline(), handover.due(Time::MAX)),
        (None, vec![]),
        "the successor answers for it"
    );
}

#[test]
fn a_successor_goes_on_as_if_its_predecessor_had_been_heard_until_it_died() {
    let mut handover = holding(&[("a", SECOND)]);
    handover.tracker(TrackerId::Script("chk".to_owned()), Status::Up);
    handover.install(vec![address(1), address(2)]);
    handover.removed(&[address(1)]);
    assert_eq!(handover.resume().predecessor(), None, "it is the first one");
    die(&mut handover, DIED);
    let resume = handover.resume();
    let ended = "signal: 9 (SIGKILL)".to_owned();
    assert_eq!(resume.predecessor(), Some(&Predecessor { pid: 7, ended, at: DIED, deaths: 1 }));
    let mut expected = snapshot(ACTIVE_SINCE);
    expected.extend(DIED);
    assert_eq!(resume.instances["a"], expected);
    assert_ne!(resume.instances["a"], snapshot(ACTIVE_SINCE), "it is 400 s old");
    assert_eq!(resume.snapshot().sequences["a"], 9);
    assert_eq!(resume.trackers().collect::<Vec<_>>(), [(TrackerId::Script("chk".to_owned()), Status::Up)]);
    assert_eq!(*resume.inventory(), Inventory::from([address(2)]));
}

#[test]
fn a_successor_that_dies_before_it_reports_anything_is_resigned_for() {
    let mut handover = holding(&[("a", SECOND), ("b", SECOND)]);
    die(&mut handover, DIED);
    handover.resume();
    die(&mut handover, DIED + SECOND);
    assert_eq!(handover.due(DIED + SECOND * 2), [resignation("a"), resignation("b")]);
    // One that is ready has reported what it goes on with; the rest is not configured any more.
    let mut handover = holding(&[("a", SECOND), ("b", SECOND)]);
    die(&mut handover, DIED);
    handover.resume();
    handover.active("a".to_owned(), held("a", ACTIVE_SINCE, SECOND));
    handover.ready();
    die(&mut handover, DIED + SECOND);
    assert_eq!(handover.due(DIED + SECOND * 2), [resignation("a")]);
    assert_eq!(handover.resume().predecessor().unwrap().deaths, 2);
}

#[test]
fn resigned_addresses_are_removed_when_no_successor_comes() {
    let mut handover = holding(&[("a", SECOND)]);
    let table = Entry::Table("lb".to_owned());
    handover.install(vec![address(1), table.clone()]);
    die(&mut handover, DIED);
    assert_eq!(handover.removal(), None, "it is not resigned yet");
    let resigned = DIED + SECOND / 10;
    handover.due(resigned);
    assert_eq!(handover.removal(), Some(resigned + LINGER));
    assert_eq!(handover.abandoned(resigned), Inventory::new());
    assert_eq!(handover.abandoned(resigned + LINGER), Inventory::from([address(1)]));
    assert_eq!((handover.removal(), handover.take_inventory()), (None, Inventory::from([table])));
}

#[test]
fn a_successor_removes_resigned_addresses_itself() {
    let mut handover = holding(&[("a", SECOND)]);
    handover.install(vec![address(1)]);
    die(&mut handover, DIED);
    handover.due(DIED + SECOND);
    assert_eq!(*handover.resume().inventory(), Inventory::from([address(1)]));
    assert_eq!(handover.removal(), None);
}
