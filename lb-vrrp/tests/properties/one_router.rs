//! One router, alone with a stranger who sends it anything at any time. What fails here is made small by proptest.

use std::{net::IpAddr, time::Duration};

use lb_vrrp::{
    AddressList, Family, Farewell, Interval, Preempt, Priority, Profile, Time, Version, VersionMode, Vrid,
    sim::{Fault, Injection, Lan, LanId, NodeId, Schedule, World},
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};
use proptest::prelude::*;

use crate::{
    generate::{Spec, VRID},
    oracle::{Oracle, judge_alternation, judge_causes},
};

const ROUTER: NodeId = NodeId::new(0);
const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 5));

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn one_router_keeps_the_rules_whatever_comes(
        spec in specs(),
        inputs in prop::collection::vec(inputs(), 1..40),
        late in (0..20_000_u64).prop_map(Duration::from_millis),
    ) {
        let mut world = World::new(0, Lan::default());
        world.add(spec.node()).unwrap();
        let specs = [spec];
        let mut oracle = Oracle::new(&specs);
        let mut schedule = Schedule::new().at(Time::ZERO, Fault::Start(ROUTER));
        let mut end = Time::ZERO;
        for (gap, fault) in inputs {
            end = end + gap;
            schedule.push(end, fault);
        }
        world.schedule(schedule);
        while world.next_time().is_some_and(|next| next <= end) {
            oracle.step(&mut world).map_err(TestCaseError::fail)?;
            oracle.odd_timeouts(&world, ROUTER, late).map_err(TestCaseError::fail)?;
        }
        judge_alternation(&world, ROUTER).map_err(TestCaseError::fail)?;
        judge_causes(&world, ROUTER).map_err(TestCaseError::fail)?;
    }
}

fn specs() -> impl Strategy<Value = Spec> {
    let version = prop_oneof![Just(VersionMode::V3), Just(VersionMode::V2), Just(VersionMode::Dual)];
    let preempt = prop_oneof![
        Just(Preempt::Yes),
        Just(Preempt::No),
        (0..5000_u64).prop_map(|millis| Preempt::After(Duration::from_millis(millis))),
    ];
    let cap = prop::option::of((1..4000_u16).prop_map(|value| Interval::from_centiseconds(value).unwrap()));
    let flags = (any::<[bool; 5]>(), any::<[bool; 3]>());
    (version, priorities(), preempt, cap, 1..5_u8, flags).prop_map(
        |(version, priority, preempt, max_learned_interval, down_adverts, (flags, beyond))| {
            let strict = flags[0];
            Spec {
                version,
                source: OWN,
                virtual_addresses: vec![IpAddr::from([192, 0, 2, 100])],
                priority,
                interval: Interval::DEFAULT,
                preempt: if priority.is_owner() { Preempt::Yes } else { preempt },
                profile: if strict { Profile::Strict } else { Profile::Compatible },
                checksum: None,
                peers: None,
                auth_text: None,
                accept_interval_mismatch: flags[1],
                resignation_of_active_only: flags[2],
                reassert_v2: flags[3],
                max_learned_interval,
                down_adverts: if strict { 3 } else { down_adverts },
                step_down_when_late: flags[4],
                only_backup: beyond[0] && !strict,
                preempt_after_skew: beyond[1] && !strict,
                drift_ppm: 0,
                latency: if beyond[2] { Duration::from_millis(50) } else { Duration::ZERO },
                buffer: 4,
            }
        },
    )
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![4 => 1..=255_u8, 1 => Just(100), 1 => Just(255)]
        .prop_map(|value| Priority::new(value).unwrap())
}

fn farewells() -> impl Strategy<Value = Farewell> {
    prop_oneof![1 => Just(Farewell::Silent), 1 => Just(Farewell::Resign), 2 => Just(Farewell::Linger)]
}

/// How long after the one before, and what.
fn inputs() -> impl Strategy<Value = (Duration, Fault)> {
    let gap = prop_oneof![Just(0), 0..20_000_u64, 0..2_000_000_u64, 0..8_000_000_u64]
        .prop_map(Duration::from_micros);
    let fault = prop_oneof![
        10 => adverts(),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|payload| injection(stranger(0), 255, payload)),
        2 => Just(Fault::Start(ROUTER)),
        1 => farewells().prop_map(|farewell| Fault::Stop { node: ROUTER, farewell }),
        1 => farewells().prop_map(|farewell| Fault::StepDown { node: ROUTER, farewell }),
        1 => Just(Fault::TakeOver(ROUTER)),
        1 => Just(Fault::HandOver(ROUTER)),
        1 => Just(Fault::Announce(ROUTER)),
        1 => Just(Fault::Crash(ROUTER)),
        1 => Just(Fault::Replace(ROUTER)),
        1 => Just(Fault::Pause(ROUTER)),
        2 => Just(Fault::Resume(ROUTER)),
        1 => Just(Fault::Sleep(ROUTER)),
        2 => Just(Fault::Wake(ROUTER)),
        1 => priorities().prop_map(|priority| Fault::Priority(ROUTER, priority)),
        1 => (0..4_u8).prop_map(|who| Fault::PeerDown(ROUTER, stranger(who))),
        1 => (5..9_u8).prop_map(|last| Fault::Source(ROUTER, IpAddr::from([192, 0, 2, last]))),
    ];
    (gap, fault)
}

/// Three strangers, of lower and greater addresses, and the router's own address.
fn stranger(who: u8) -> IpAddr {
    [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]), IpAddr::from([192, 0, 2, 200]), OWN]
        [usize::from(who % 4)]
}

fn injection(source: IpAddr, ttl: u8, payload: Vec<u8>) -> Fault {
    let destination = Family::V4.multicast_group();
    Fault::Inject(Injection { lan: LanId::default(), source, destination, ttl, payload })
}

fn adverts() -> impl Strategy<Value = Fault> {
    let version = prop_oneof![Just(Version::V3), Just(Version::V2)];
    let priority = prop::option::weighted(0.8, priorities());
    let interval = prop_oneof![Just(100), Just(200), 1..=4000_u16];
    let ttl = prop_oneof![9 => Just(255), 1 => any::<u8>()];
    let form = prop_oneof![Just(ChecksumForm::MessageOnly), Just(ChecksumForm::PseudoHeader)];
    (0..4_u8, version, priority, interval, ttl, form).prop_map(
        |(who, version, priority, interval, ttl, form)| {
            let addresses = AddressList::new([IpAddr::from([192, 0, 2, 100])]).unwrap();
            let advert = Advert {
                version,
                vrid: Vrid::new(VRID).unwrap(),
                priority,
                interval: Interval::from_centiseconds(interval).unwrap(),
                addresses: addresses.as_addresses(),
                authentication: Authentication::None,
            };
            let mut payload = vec![0; advert.encoded_len()];
            advert.encode(&mut payload);
            let form = if version == Version::V2 { ChecksumForm::MessageOnly } else { form };
            fill_checksum(&mut payload, stranger(who), Family::V4.multicast_group(), form);
            injection(stranger(who), ttl, payload)
        },
    )
}
