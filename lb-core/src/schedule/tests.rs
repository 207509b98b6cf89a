//! Picks that were worked out by hand, or by the kernel.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::model::{ServerKey, ServerSpec, Thresholds, Weight};

/// Server `n` is 192.168.0.`n`:80.
fn key(n: u8) -> ServerKey {
    ServerKey::new(Ipv4Addr::new(192, 168, 0, n).into(), 80)
}

fn weight(weight: u16) -> ServerSpec {
    ServerSpec::masq(Weight::new(weight))
}

fn flow(source: &str) -> Flow {
    let source: SocketAddr = source.parse().unwrap();
    Flow { source, destination: "10.0.0.100:80".parse().unwrap(), now: Time::ZERO }
}

fn empty(scheduler: &str) -> Balancer {
    Balancer::new(&scheduler.parse().unwrap(), SchedulerFlags::EMPTY, 0).unwrap()
}

/// Servers 1, 2, … with these weights, added in this order.
fn balancer(scheduler: &str, weights: &[u16]) -> Balancer {
    let mut balancer = empty(scheduler);
    for (n, w) in (1..).zip(weights) {
        balancer.set(key(n), weight(*w), None);
    }
    balancer
}

/// The number of the picked server, `-` for none.
fn pick(balancer: &mut Balancer) -> String {
    let picked = balancer.pick(&flow("10.0.0.2:1024"));
    picked.map_or("-".into(), |server| server.key().to_string()[10..].trim_end_matches(":80").to_owned())
}

/// So many picks whose connections close at once.
fn picks(balancer: &mut Balancer, count: usize) -> String {
    (0..count).map(|_| pick(balancer)).collect::<Vec<_>>().join(" ")
}

/// So many picks whose connections stay open and active.
fn held(balancer: &mut Balancer, count: usize) -> String {
    let mut picks = Vec::new();
    for _ in 0..count {
        picks.push(pick(balancer));
        if let Some(server) = balancer.pool().destination(&key(picks[picks.len() - 1].parse().unwrap_or(0))) {
            server.load().open(true);
        }
    }
    picks.join(" ")
}

#[test]
fn rr_goes_around_newest_first() {
    let mut rr = balancer("rr", &[1, 5, 1]);
    assert_eq!(picks(&mut rr, 7), "3 2 1 3 2 1 3");
    rr.set(key(4), weight(1), None);
    assert_eq!(picks(&mut rr, 4), "2 1 4 3", "adding does not start the round anew");
    rr.remove(&key(3));
    assert_eq!(pick(&mut rr), "2", "the removed last pick steps back to the one before it");
    rr.set(key(2), weight(0), None);
    assert_eq!(picks(&mut rr, 3), "1 4 1", "a quiesced last pick keeps its place");
    rr.remove(&key(4));
    rr.remove(&key(1));
    assert_eq!(picks(&mut rr, 2), "- -");
}

#[test]
fn wrr_starts_in_the_round_that_its_history_made() {
    let mut wrr = balancer("wrr", &[1, 2, 3]);
    assert_eq!(picks(&mut wrr, 9), "3 2 1 3 3 2 3 2 1");
    assert_eq!(picks(&mut wrr, 6), "3 3 2 3 2 1");
}

#[test]
fn wrr_skips_rounds_that_nobody_fits() {
    let mut wrr = balancer("wrr", &[1, 65_535]);
    let heavy = wrr.pool().destination(&key(2)).unwrap().load().clone();
    wrr.set(key(2), ServerSpec { thresholds: Thresholds { upper: 1, lower: 0 }, ..weight(65_535) }, None);
    heavy.open(true);
    // Were every round walked, this would be 65,535 walks for each of the picks.
    assert!((0..100_000).all(|_| pick(&mut wrr) == "1"));
}

#[test]
fn the_least_loaded_win() {
    assert_eq!(held(&mut balancer("lc", &[1, 2, 3]), 6), "3 2 1 3 2 1");
    assert_eq!(held(&mut balancer("wlc", &[1, 2, 3]), 7), "3 2 1 3 2 3 3");
    assert_eq!(held(&mut balancer("sed", &[1, 2, 3]), 6), "3 2 3 3 2 1");
    assert_eq!(held(&mut balancer("nq", &[1, 2, 3]), 6), "3 2 1 3 3 2");
}

#[test]
fn the_heaviest_win() {
    assert_eq!(held(&mut balancer("fo", &[2, 3, 3, 1]), 3), "3 3 3");
    assert_eq!(held(&mut balancer("ovf", &[1, 2]), 6), "2 2 2 1 1 -", "each takes one more than its weight");
}
