use std::{sync::Arc, time::Duration};

use lb_control::{
    event::{TrackerId, Why},
    protocol::{MasterStatus, ShareStatus},
    story::Story,
};
use lb_failover::view::sample::{NOW, Sample};
use lb_vrrp::{
    Cause, Priority,
    track::{Effect, Status},
};

use super::*;

fn status(name: &str) -> InstanceStatus {
    let sample = Sample::new();
    sample.view().instance(name).unwrap().status(NOW)
}

fn event(millis_ago: u64, subject: Subject, what: What) -> Event {
    let at = Time::from_nanos(NOW.as_nanos() - millis_ago * 1_000_000);
    Event { at, subject, what }
}

fn instance(name: &str) -> Subject {
    Subject::Instance(Arc::from(name))
}

/// Local time differs from machine to machine.
fn without_clocks(text: &str, explanation: &Explanation) -> String {
    let mut text = text.to_owned();
    let story = &explanation.story;
    for event in story.change.iter().chain(&story.earlier) {
        text = text.replace(&rfc3339(event.at), "TIME");
    }
    text
}

#[test]
fn a_take_over_is_told_step_by_step() {
    let at = |millis_ago: u64| Time::from_nanos(NOW.as_nanos() - millis_ago * 1_000_000);
    let change = What::State {
        from: Condition::Backup,
        to: Condition::Master,
        why: Why::Protocol(Cause::Silence),
        priority: 150,
    };
    let first = What::State {
        from: Condition::Init,
        to: Condition::Backup,
        why: Why::Protocol(Cause::Startup),
        priority: 150,
    };
    let basis = What::Basis {
        heard: Some((at(8_772), [10, 9, 0, 2].into())),
        timer: Some("3 x 1000 ms + 414 ms skew".to_owned()),
        due: Some(at(5_358)),
        dropped: None,
    };
    let group = What::State {
        from: Condition::Backup,
        to: Condition::Master,
        why: Why::Group(Arc::from("G")),
        priority: 0,
    };
    let explanation = Explanation {
        instance: status("VI_1"),
        at: None,
        story: Story {
            earlier: vec![event(20_000, instance("VI_1"), first)],
            before: vec![event(5_358, instance("VI_1"), basis)],
            change: Some(event(5_357, instance("VI_1"), change)),
            after: vec![
                event(5_355, instance("VI_1"), What::Installed(3)),
                // It has nothing to do with it.
                Event {
                    at: NOW + Duration::from_secs(3600),
                    subject: instance("VI_1"),
                    what: What::PutBack([10, 9, 0, 100].into()),
                },
            ],
        },
        related: vec![
            event(5_356, Subject::Group(Arc::from("G")), group),
            event(600_000, Subject::Daemon, What::Started),
            event(5_400, Subject::Daemon, What::Late(Duration::from_micros(12_345))),
        ],
    };
    let text = without_clocks(&render(&explanation), &explanation);
    assert_eq!(text, include_str!("../golden/explain-master.txt"));
}

#[test]
fn what_keeps_a_backup_from_being_master_is_named() {
    let explanation =
        Explanation { instance: status("VI_3"), at: None, story: Story::default(), related: Vec::new() };
    assert_eq!(render(&explanation), include_str!("../golden/explain-backup.txt"));
}

#[test]
fn what_keeps_a_faulty_one_from_being_master_is_named() {
    let explanation =
        Explanation { instance: status("VI_6"), at: None, story: Story::default(), related: Vec::new() };
    let text = render(&explanation);
    assert!(text.contains("  - its interface eth0 is down or has no carrier\n"), "{text}");
}

#[test]
fn a_lower_master_is_left_alone_for_a_reason() {
    let mut instance = status("VI_3");
    instance.trackers.clear();
    instance.priority = Priority::new(200).unwrap();
    instance.preempt_delay = 0.0;
    let master =
        MasterStatus { address: [10, 9, 0, 2].into(), priority: Priority::new(100).unwrap(), heard: None };
    instance.master = Some(master);
    assert_eq!(reasons(&instance), ["10.9.0.2 is MASTER with priority 100 where ours is 200"]);
    instance.group = Some("G".to_owned());
    assert!(reasons(&instance)[0].ends_with(", and its sync group is not ready for it"));
    instance.preempt_delay = 3.0;
    assert!(reasons(&instance)[0].ends_with(", and preempt_delay is not over"));
    instance.nopreempt = true;
    assert!(reasons(&instance)[0].ends_with(", and it does not preempt (nopreempt)"));
}

#[test]
fn a_tracker_that_is_a_fault_is_named_as_one() {
    let mut instance = status("VI_6");
    instance.link.clear();
    instance.trackers = vec![ShareStatus {
        tracker: TrackerId::Script("chk".to_owned()),
        contribution: lb_vrrp::track::Contribution {
            weight: lb_vrrp::track::Weight::FAULT,
            status: Status::Down,
            effect: Effect::Fault,
        },
        detail: "timed out".to_owned(),
    }];
    assert_eq!(reasons(&instance), ["script chk is down (timed out), and that is a fault"]);
    instance.trackers.clear();
    assert_eq!(
        reasons(&instance),
        ["interface eth0 is down or has no carrier"],
        "what it says itself, when nothing else is known"
    );
}
