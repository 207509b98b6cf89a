//! What every scheduler owes its users, whatever its rule.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
};

use lb_core::{
    Time,
    model::{SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, Thresholds, Weight},
    schedule::{Balancer, Flow},
};
use proptest::prelude::*;

fn key(n: usize) -> ServerKey {
    ServerKey::new(Ipv4Addr::from_bits(0x0a10_0000 + n as u32).into(), 80)
}

fn spec(weight: u16) -> ServerSpec {
    ServerSpec::masq(Weight::new(weight))
}

/// The `n`th of many clients, spread over addresses and ports.
fn flow(n: u32) -> Flow {
    let mixed = u64::from(n).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Flow {
        source: (Ipv4Addr::from_bits((mixed >> 32) as u32), (mixed >> 16) as u16).into(),
        destination: (Ipv4Addr::new(172, 16, 0, (mixed >> 60) as u8), 80).into(),
        now: Time::from_secs(n.into()),
    }
}

fn balancer(kind: &SchedulerKind, flags: SchedulerFlags, weights: &[u16]) -> Balancer {
    let mut balancer = Balancer::new(kind, flags, 7).unwrap();
    for (n, weight) in weights.iter().enumerate() {
        balancer.set(key(n), spec(*weight), None);
    }
    balancer
}

/// Which server, by its place in the weights, gets each of these clients.
fn picks(balancer: &mut Balancer, clients: std::ops::Range<u32>) -> Vec<usize> {
    let places: HashMap<_, _> = (0..balancer.pool().len()).map(|n| (key(n), n)).collect();
    clients.map(|n| places[&balancer.pick(&flow(n)).unwrap().key()]).collect()
}

fn counts(picks: &[usize]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for server in picks {
        *counts.entry(*server).or_default() += 1;
    }
    counts
}

/// Each server's part of the picks is its part of the weights, give or take `tolerance` of all picks.
fn assert_shares(picks: &[usize], weights: &[u16], tolerance: f64) {
    let (counts, sum) = (counts(picks), f64::from(weights.iter().copied().map(u32::from).sum::<u32>()));
    for (server, weight) in weights.iter().enumerate() {
        let got = counts.get(&server).copied().unwrap_or(0) as f64 / picks.len() as f64;
        let due = f64::from(*weight) / sum;
        assert!((got - due).abs() <= tolerance, "server {server} of {weights:?} got {got}, not {due}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rr_shares_equally(servers in 1..20_usize, rounds in 1..5_usize) {
        let mut rr = balancer(&SchedulerKind::RoundRobin, SchedulerFlags::EMPTY, &vec![3; servers]);
        let picks = picks(&mut rr, 0..(servers * rounds) as u32);
        prop_assert_eq!(counts(&picks), (0..servers).map(|server| (server, rounds)).collect());
    }

    #[test]
    fn wrr_shares_exactly_by_weight(weights in proptest::collection::vec(0..40_u16, 1..8), factor in 1..5_u16) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let weights: Vec<_> = weights.into_iter().map(|weight| weight * factor).collect();
        let sum: u32 = weights.iter().copied().map(u32::from).sum();
        let mut wrr = balancer(&SchedulerKind::WeightedRoundRobin, SchedulerFlags::EMPTY, &weights);
        picks(&mut wrr, 0..sum); // the first round may be cut short by the history
        let due = (0..).zip(&weights).filter(|(_, weight)| **weight > 0);
        prop_assert_eq!(counts(&picks(&mut wrr, 0..sum)), due.map(|(n, weight)| (n, (*weight).into())).collect());
    }

    /// Nobody is picked who must not be, and somebody is when somebody can be.
    #[test]
    fn only_the_usable_are_picked(
        kind in proptest::sample::select(&SchedulerKind::KNOWN[..]),
        bits in 0..8_u8,
        steps in proptest::collection::vec((0..8_usize, 0..6_u8, 0..4_u16, 0..3_u32), 1..80),
    ) {
        let flags = SchedulerFlags::from_bits(bits);
        let mut balancer = balancer(&kind, flags, &[]);
        for (n, (server, step, weight, upper)) in (0..).zip(steps) {
            let thresholds = Thresholds { upper, lower: 0 };
            match step {
                0 | 1 => balancer.set(key(server), ServerSpec { thresholds, ..spec(weight) }, None),
                2 => drop(balancer.remove(&key(server))),
                _ => {}
            }
            let usable = balancer.pool().destinations().iter().any(|server| server.is_usable());
            let picked = balancer.pick(&flow(n));
            if let Some(server) = picked {
                // Only `lblc` lets an address keep a server above its threshold.
                prop_assert!(server.weight() > 0);
                prop_assert!(server.is_usable() || kind == SchedulerKind::LocalityLeastConnection);
                server.load().open(step > 3);
            }
            use SchedulerKind as S;
            let may_refuse = matches!(kind, S::DestinationHash | S::SourceHash | S::Maglev | S::Overflow);
            prop_assert!(picked.is_some() == usable || may_refuse || kind == S::LocalityLeastConnection);
        }
    }

    #[test]
    fn maglev_moves_few_flows(servers in 3..20_usize, gone in any::<proptest::sample::Index>()) {
        let mut mh = balancer(&SchedulerKind::Maglev, SchedulerFlags::PORT, &vec![1; servers]);
        let before = picks(&mut mh, 0..2000);
        let gone = gone.index(servers);
        mh.remove(&key(gone));
        let places: HashMap<_, _> = (0..servers).map(|n| (key(n), n)).collect();
        let after: Vec<_> = (0..2000).map(|n| places[&mh.pick(&flow(n)).unwrap().key()]).collect();
        prop_assert!(!after.contains(&gone));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        let must = before.iter().filter(|server| **server == gone).count();
        // Those of the gone server have to move; of the others fewer than one in ten does.
        prop_assert!(moved < must + 200, "{} moved, {} had to", moved, must);
        prop_assert!(moved < 2000 / servers + 300, "{} of 2000 moved, with {} servers", moved, servers);
    }
}

#[test]
fn hashes_share_by_weight() {
    let (sh, mh) = (SchedulerKind::SourceHash, SchedulerKind::Maglev);
    for weights in [&[1_u16, 1][..], &[1, 2, 5], &[4, 4, 4, 4], &[16, 8, 4, 2, 1, 1]] {
        for kind in [&sh, &mh] {
            for flags in [SchedulerFlags::EMPTY, SchedulerFlags::PORT] {
                assert_shares(&picks(&mut balancer(kind, flags, weights), 0..20_000), weights, 0.03);
            }
        }
    }
}

#[test]
fn two_choices_share_by_weight_and_level_the_load() {
    let weights = [1, 2, 3, 4, 10];
    let mut idle = balancer(&SchedulerKind::TwoChoices, SchedulerFlags::EMPTY, &weights);
    // Without load the first choice is taken; the head of the list has one more lot than its weight.
    assert_shares(&picks(&mut idle, 0..20_000), &weights, 0.06);

    let mut busy = balancer(&SchedulerKind::TwoChoices, SchedulerFlags::EMPTY, &weights);
    for n in 0..20_000 {
        busy.pick(&flow(n)).unwrap().load().open(true);
    }
    for server in busy.pool().destinations() {
        let level = f64::from(server.load().active()) / f64::from(server.weight());
        assert!((950.0..1050.0).contains(&level), "{level} for each unit of weight {}", server.weight());
    }
}

#[test]
fn the_same_seed_makes_the_same_picks() {
    let run = |seed| {
        let mut twos = Balancer::new(&SchedulerKind::TwoChoices, SchedulerFlags::EMPTY, seed).unwrap();
        (0..10).for_each(|n| twos.set(key(n), spec(1), None));
        picks(&mut twos, 0..100)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Were a table made for every change, or a list searched, this would take minutes.
#[test]
fn ten_thousand_servers_come_and_go() {
    for kind in &SchedulerKind::KNOWN {
        let mut balancer = balancer(kind, SchedulerFlags::EMPTY, &[]);
        assert!(balancer.pick(&flow(0)).is_none(), "{kind}: none to pick");
        for n in 0..10_000 {
            balancer.set(key(n), spec(n as u16 % 50 + 1), None);
        }
        assert!(balancer.pick(&flow(0)).is_some(), "{kind}");
        for n in 0..10_000 {
            balancer.set(key(n), spec(0), None);
        }
        assert!(balancer.pick(&flow(0)).is_none(), "{kind}: all are quiesced");
        for n in 0..10_000 {
            assert!(balancer.remove(&key(n)).is_some());
        }
        assert!(balancer.pool().is_empty() && balancer.pick(&flow(0)).is_none(), "{kind}");
    }
}

/// Connections open and close on some threads while another edits the thresholds; when all is quiet the counts and
/// the flag are what they would be had all of it happened in turn.
#[test]
fn loads_converge() {
    let limits = |upper, lower| ServerSpec { thresholds: Thresholds { upper, lower }, ..spec(1) };
    let mut balancer = Balancer::new(&SchedulerKind::RoundRobin, SchedulerFlags::EMPTY, 0).unwrap();
    balancer.set(key(0), limits(2, 1), None);
    let load = balancer.pool().destinations()[0].load().clone();
    for _ in 0..20 {
        let running = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..2000 {
                            load.open(true);
                            load.set_active(false);
                            load.close(false);
                        }
                    })
                })
                .collect();
            let editor = scope.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    balancer.set(key(0), limits(1, 0), None);
                    balancer.set(key(0), limits(0, 0), None);
                    balancer.set(key(0), limits(2, 1), None);
                }
            });
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            running.store(false, Ordering::Relaxed);
            editor.join().unwrap();
        });
        assert_eq!((load.active(), load.total(), load.is_overloaded()), (0, 0, false));
    }
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(|| load.open(true))));
    });
    assert_eq!((load.active(), load.total(), load.is_overloaded()), (2, 2, true));
}
