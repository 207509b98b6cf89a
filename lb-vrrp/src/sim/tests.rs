use alloc::string::ToString;
use core::net::IpAddr;

use super::*;
use crate::{Config, Farewell, Priority, Vrid};

fn node(priority: u8, last: u8) -> Node {
    let config = Config::v3(Vrid::new(1).unwrap(), [IpAddr::from([192, 0, 2, 100])])
        .priority(Priority::new(priority).unwrap())
        .build()
        .unwrap();
    Node::new(config, IpAddr::from([192, 0, 2, last]))
}

fn pair() -> (World, NodeId, NodeId) {
    let mut world = World::new(1, Lan::default());
    let left = world.add(node(200, 1)).unwrap();
    let right = world.add(node(100, 2)).unwrap();
    (world, left, right)
}

fn losses(world: &World, node: NodeId, wanted: Loss) -> usize {
    let lost = |entry: &&Entry| matches!(entry.what, Record::Lost(_, loss) if loss == wanted);
    world.trace().entries().iter().filter(|entry| entry.node == Some(node)).filter(lost).count()
}

/// The numbers of the reference implementation, <https://prng.di.unimi.it/splitmix64.c>, for the seed 1234567.
#[test]
fn the_numbers_are_those_of_splitmix64() {
    let mut random = Random::new(1_234_567);
    let numbers = [random.number(), random.number(), random.number()];
    assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn chances_are_kept() {
    let mut random = Random::new(7);
    let mut times = |chance| (0..10_000).filter(|_| random.happens(chance)).count();
    assert_eq!((times(Chance::NEVER), times(Chance::ALWAYS)), (0, 10_000));
    assert!((2_300..2_700).contains(&times(Chance::percent(25))));
    assert_eq!(Chance::percent(200), Chance::ALWAYS);
    let range = Duration::from_millis(2)..=Duration::from_millis(3);
    assert!((0..1000).all(|_| range.contains(&random.duration(&range))));
    assert_eq!(random.one_of::<u8>(&[]), None);
}

#[test]
fn a_message_is_missed_for_one_of_five_reasons() {
    let (mut world, left, right) = pair();
    world.run_until(Time::from_secs(10));
    let sent = |world: &World| world.trace().sent(left).count();
    let second = Duration::from_secs(1);
    for (fault, undo, loss) in [
        (Fault::Cut { from: left, to: right }, Fault::Mend { from: left, to: right }, Loss::Cut),
        (Fault::Sleep(right), Fault::Wake(right), Loss::Asleep),
        (Fault::Crash(right), Fault::Start(right), Loss::NoProcess),
        (
            Fault::Lan(LanId::default(), Lan { loss: Chance::ALWAYS, ..Lan::default() }),
            Fault::Lan(LanId::default(), Lan::default()),
            Loss::Network,
        ),
    ] {
        let before = sent(&world);
        world.inflict(fault);
        world.run_for(second * 2);
        world.inflict(undo);
        assert_eq!((losses(&world, right, loss), sent(&world) - before), (2, 2), "{loss}");
    }
    let mut world = World::new(1, Lan::default());
    world.add(node(200, 1)).unwrap();
    let right = world.add(node(100, 2).buffer(3)).unwrap();
    world.run_until(Time::from_secs(10));
    world.inflict(Fault::Pause(right));
    world.run_for(second * 10);
    assert_eq!(losses(&world, right, Loss::Full), 7);
}

#[test]
fn a_cut_is_one_way() {
    let (mut world, left, right) = pair();
    world.inflict(Fault::Cut { from: left, to: right });
    world.run_until(Time::from_secs(10));
    assert!(world.actives().eq([left, right]), "left outlasts what it hears, right hears nothing");
    assert_eq!(losses(&world, left, Loss::Cut), 0);
    world.inflict(Fault::Heal);
    world.run_for(Duration::from_secs(2));
    assert!(world.actives().eq([left]));
}

#[test]
fn what_is_paused_waits_and_keeps_when_it_came() {
    let (mut world, left, right) = pair();
    world.run_until(Time::from_secs(10));
    world.inflict(Fault::Pause(right));
    world.run_for(Duration::from_millis(2500));
    world.inflict(Fault::Resume(right));
    world.run_until(Time::from_millis(12_500));
    let waited = world.trace().entries().iter().filter_map(|entry| match entry.what {
        Record::Received { waited, .. } if entry.node == Some(right) && !waited.is_zero() => Some(waited),
        _ => None,
    });
    let waited: Vec<Duration> = waited.collect();
    assert!(waited.len() == 3 && waited[0] > Duration::from_secs(2) && waited[2] < Duration::from_secs(1));
    assert!(world.actives().eq([left]), "they were read before the timer");
}

/// Clocks that differ by a tenth: the fast one takes over sooner, by its own second.
#[test]
fn a_router_goes_by_its_own_clock() {
    let mut world = World::new(1, Lan::default());
    let fast = world.add(node(100, 1).drift_ppm(100_000)).unwrap();
    world.run_until(Time::from_secs(5));
    let since = world.active_since(fast).unwrap();
    let wanted = Duration::from_secs_f64((3.0 + 156.0 / 256.0) / 1.1);
    assert!(since.since(Time::ZERO).abs_diff(wanted) < Duration::from_micros(1), "{since}");
}

#[test]
fn a_process_is_replaced_without_a_takeover() {
    let (mut world, left, right) = pair();
    world.schedule(Schedule::new().at(Time::from_secs(10), Fault::Replace(left)));
    world.schedule(Schedule::new().at(Time::from_secs(20), Fault::Replace(right)));
    world.run_until(Time::from_secs(30));
    assert_eq!(world.trace().tenures().len(), 1);
    assert!(world.actives().eq([left]));
}

#[test]
fn a_trace_tells_who_was_active_and_for_how_long_nobody_was() {
    let (mut world, left, right) = pair();
    let schedule = Schedule::new()
        .at(Time::from_secs(10), Fault::Crash(left))
        .at(Time::from_secs(20), Fault::Start(left))
        .at(Time::from_secs(30), Fault::Pause(left))
        .at(Time::from_secs(40), Fault::Resume(left));
    world.schedule(schedule);
    world.run_until(Time::from_secs(50));
    let trace = world.trace();

    let tenures: Vec<_> =
        trace.tenures().iter().map(|tenure| (tenure.node, tenure.until.is_some())).collect();
    assert_eq!(tenures, [(left, true), (right, true), (left, false), (right, true)]);
    assert_eq!(trace.tenures()[0].until, Some(Time::from_secs(10)), "until the crash");
    assert_eq!(world.active_since(left), Some(trace.tenures()[2].from));
    assert_eq!(world.active_since(right), None);

    let overlaps = trace.overlaps();
    assert_eq!(overlaps.len(), 2, "until right hears left, and while left is paused");
    assert!(overlaps[0].until.unwrap() - overlaps[0].from < Duration::from_millis(1));
    assert!(overlaps[1].until.unwrap() >= Time::from_secs(40));

    let outages: Vec<_> = trace.takeovers().iter().map(|takeover| takeover.outage).collect();
    assert_eq!((outages[0], outages[2]), (None, Some(Duration::ZERO)));
    // The last advertisement before the crash, or the pause, was up to a second before.
    for outage in [outages[1].unwrap(), outages[3].unwrap()] {
        assert!(outage > Duration::from_millis(2609) && outage < Duration::from_millis(3610), "{outage:?}");
    }
}

#[test]
fn what_does_not_exist_is_not_touched() {
    let (mut world, left, _) = pair();
    let nobody = NodeId::new(9);
    for fault in [Fault::Start(nobody), Fault::Crash(nobody), Fault::Pause(nobody), Fault::Replace(nobody)] {
        world.inflict(fault);
    }
    world.inflict(Fault::Lan(LanId(9), Lan::default()));
    world.inflict(Fault::Partition(vec![nobody]));
    world.run_until(Time::from_secs(10));
    assert!(world.actives().eq([left]));
    assert_eq!(world.state(nobody), State::Initialize);
}

#[test]
fn a_trace_and_a_schedule_can_be_read() {
    let (mut world, left, _) = pair();
    let schedule =
        Schedule::new().at(Time::from_secs(4), Fault::Stop { node: left, farewell: Farewell::Resign });
    assert_eq!(schedule.to_string(), "4.000 stop r0\n");
    world.schedule(schedule);
    world.run_until(Time::from_secs(5));
    let text = world.trace().to_string();
    for line in [
        "r0 is 192.0.2.1 on lan0: IPv4 virtual router 1, priority 200",
        "    0.000000 -- start r1",
        "    3.218750 r0 sends v3 vrid 1 priority 200 every 100 cs to 224.0.0.18",
        "    4.000000 r0 does: stop r0",
        "    4.000000 r0 Active -> Initialize: Shutdown",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}
