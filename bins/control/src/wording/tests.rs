//! Lines on the left of `==` as keepalived 2.2.7 writes them, seen with `keepalived -n -l -D` on both sides of a veth pair.

use std::{net::IpAddr, sync::Arc};

use lb_core::Time;
use lb_vrrp::{Cause, Priority};

use super::*;
use crate::event::{Condition, Why};

const PEER: [u8; 4] = [10, 9, 0, 2];

fn peer() -> IpAddr {
    PEER.into()
}

fn priority(priority: u8) -> Priority {
    Priority::new(priority).unwrap()
}

fn of_instance(what: What) -> Event {
    Event { at: Time::from_secs(100), subject: Subject::Instance(Arc::from("VI_1")), what }
}

fn of_tracker(id: TrackerId, status: Status, detail: &str) -> Event {
    let what = What::Tracked { status, detail: detail.to_owned() };
    Event { at: Time::from_secs(100), subject: Subject::Tracker(id), what }
}

fn state(from: Condition, to: Condition, why: Why) -> Event {
    of_instance(What::State { from, to, why, priority: 150 })
}

fn with_detail(event: &Event) -> Vec<String> {
    lines(event, Known::default(), true)
}

fn without(event: &Event) -> Vec<String> {
    lines(event, Known::default(), false)
}

#[test]
fn becoming_master_is_told_in_known_words_with_the_cause_behind() {
    use Condition::{Backup, Master};
    let last = Time::from_millis(96_600);
    let basis =
        of_instance(What::Basis { heard: Some((last, peer())), timer: None, due: None, dropped: None });
    let since = [basis];
    let known = Known { since: &since, priority: None };
    let event = state(Backup, Master, Why::Protocol(Cause::Silence));
    assert_eq!(
        lines(&event, known, true),
        [
            "(VI_1) Receive advertisement timeout",
            "(VI_1) Entering MASTER STATE (heard nothing from 10.9.0.2 for 3.4 s)",
            "(VI_1) setting VIPs.",
        ]
    );
    assert_eq!(
        lines(&event, known, false),
        ["(VI_1) Entering MASTER STATE (heard nothing from 10.9.0.2 for 3.4 s)"]
    );
    assert_eq!(without(&event), ["(VI_1) Entering MASTER STATE (no MASTER was heard)"]);
    let event = state(Backup, Master, Why::Protocol(Cause::Resigned(peer())));
    assert_eq!(with_detail(&event)[0], "(VI_1) Backup received priority 0 advertisement");
    assert_eq!(without(&event), ["(VI_1) Entering MASTER STATE (10.9.0.2 resigned)"]);
}

#[test]
fn yielding_is_told_with_both_priorities() {
    use Condition::{Backup, Master};
    let higher = Why::Protocol(Cause::HigherPriority(peer(), priority(200)));
    assert_eq!(
        without(&state(Master, Backup, higher)),
        [
            "(VI_1) Master received advert from 10.9.0.2 with higher priority 200, ours 150",
            "(VI_1) Entering BACKUP STATE",
        ]
    );
    let greater = Why::Protocol(Cause::GreaterAddress(peer()));
    assert_eq!(
        without(&state(Master, Backup, greater))[0],
        "(VI_1) Master received advert from 10.9.0.2 with same priority 150 but higher IP address than ours"
    );
}

#[test]
fn start_and_fault_have_their_words() {
    use Condition::{Backup, Fault, Init, Master};
    let started = Why::Protocol(Cause::Startup);
    assert_eq!(without(&state(Init, Backup, started.clone())), ["(VI_1) Entering BACKUP STATE (init)"]);
    assert_eq!(without(&state(Fault, Backup, started)), ["(VI_1) Entering BACKUP STATE"]);
    let script = || Why::Tracker(TrackerId::Script("chk".to_owned()));
    assert_eq!(
        without(&state(Init, Fault, script())),
        ["(VI_1) entering FAULT state due to script chk", "(VI_1) Entering FAULT STATE (script chk failed)",]
    );
    assert_eq!(without(&state(Master, Fault, script())).len(), 1);
    let file = Why::Tracker(TrackerId::File("tf".to_owned()));
    assert_eq!(without(&state(Master, Fault, file))[0], "(VI_1) tracked file tf now FAULT state");
    let interface = Why::Interface("eth0 is down or has no carrier".to_owned());
    assert_eq!(
        without(&state(Master, Fault, interface)),
        ["(VI_1) Entering FAULT STATE (interface eth0 is down or has no carrier)"]
    );
}

#[test]
fn priorities_and_masters_have_their_words() {
    let event = of_instance(What::Priority { from: priority(150), to: priority(90) });
    assert_eq!(without(&event), ["(VI_1) Changing effective priority from 150 to 90"]);
    let first = of_instance(What::NewMaster { source: peer(), priority: priority(100) });
    assert_eq!(with_detail(&first), ["(VI_1) master set to 10.9.0.2"]);
    assert!(without(&first).is_empty());
    let since = [first];
    let next = of_instance(What::NewMaster { source: [10, 9, 0, 3].into(), priority: priority(100) });
    let known = Known { since: &since, priority: None };
    assert_eq!(lines(&next, known, true), ["(VI_1) master changed from 10.9.0.2 to 10.9.0.3"]);
}

#[test]
fn a_lower_priority_is_told_with_ours() {
    let event =
        of_instance(What::Router(lb_vrrp::Event::OtherActive { source: peer(), priority: priority(90) }));
    let known = Known { since: &[], priority: Some(100) };
    assert_eq!(
        lines(&event, known, false),
        ["(VI_1) Received advert from 10.9.0.2 with lower priority 90, ours 100, forcing new election"]
    );
    let event = of_instance(What::Router(lb_vrrp::Event::Ready(Some(Cause::Silence))));
    assert!(without(&event).is_empty());
}

#[test]
fn trackers_have_their_words() {
    let script = || TrackerId::Script("chk".to_owned());
    assert_eq!(
        without(&of_tracker(script(), Status::Down, "exited with status 1")),
        ["VRRP_Script(chk) failed (exited with status 1)"]
    );
    assert_eq!(
        without(&of_tracker(script(), Status::Down, "now returning 1")),
        ["Script `chk` now returning 1"]
    );
    assert_eq!(without(&of_tracker(script(), Status::Up, "")), ["VRRP_Script(chk) succeeded"]);
    assert_eq!(without(&of_tracker(script(), Status::Down, "timed out")), ["VRRP_Script(chk) timed_out"]);
    assert_eq!(
        without(&of_tracker(script(), Status::Down, "no such file")),
        ["VRRP_Script(chk) failed (no such file)"]
    );
    let interface = || TrackerId::Interface("eth0".to_owned());
    assert_eq!(without(&of_tracker(interface(), Status::Down, "is down")), ["Netlink reports eth0 down"]);
    assert_eq!(without(&of_tracker(interface(), Status::Up, "")), ["Netlink reports eth0 up"]);
    let process = TrackerId::Process("squid".to_owned());
    assert_eq!(
        without(&of_tracker(process, Status::Down, "0 run, 1 needed")),
        ["Quorum lost for tracked process squid (0 run, 1 needed)"]
    );
}

#[test]
fn groups_and_the_daemon_have_their_words() {
    let what = What::State {
        from: Condition::Backup,
        to: Condition::Master,
        why: Why::Group(Arc::from("G")),
        priority: 0,
    };
    let event = Event { at: Time::ZERO, subject: Subject::Group(Arc::from("G")), what };
    assert_eq!(without(&event), ["VRRP_Group(G) Syncing instances to MASTER state"]);
    let daemon = |what| without(&Event { at: Time::ZERO, subject: Subject::Daemon, what });
    assert_eq!(daemon(What::Stopping), ["Stopping"]);
    let late = What::Late(Duration::from_micros(1_250_007));
    assert_eq!(daemon(late), ["A thread timer expired 1.250007 seconds ago"]);
    let loaded = daemon(What::Configured { added: 1, changed: 2, removed: 3 });
    assert_eq!(loaded, ["Reload complete: 1 instances new, 2 changed, 3 gone"]);
}
