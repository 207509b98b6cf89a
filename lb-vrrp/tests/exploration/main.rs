//! Everything that can happen to two and three routers, breadth first: every message may arrive in any order, late or
//! not at all, every timer may fire on time or late and in any order, and routers crash, resign and come back.
//!
//! Time goes in quarters of an interval, and all priorities are such that their skew times are whole quarters. So the
//! situations that routers can be in are finite, and those that look the same from now on are one. In each situation the
//! rules are checked, and that it ends well when all is well from then on: with exactly one Active router.
#![allow(missing_docs, clippy::unwrap_used)]

mod network;

use std::{collections::HashSet, io::Write as _, net::IpAddr};

use lb_vrrp::{Config, ConfigBuilder, Interval, Preempt, Priority, Profile, VersionMode, Vrid};
use network::{Limits, Network};

const VIRTUAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

fn router(version: VersionMode, priority: u8) -> ConfigBuilder {
    let vrid = Vrid::new(51).unwrap();
    let builder = match version {
        VersionMode::V2 => Config::v2(vrid, [VIRTUAL]),
        VersionMode::V3 => Config::v3(vrid, [VIRTUAL]),
        VersionMode::Dual => Config::dual(vrid, [VIRTUAL]),
    };
    // The form of the checksum would double the situations.
    builder.priority(Priority::new(priority).unwrap()).checksum(lb_vrrp::router::ChecksumPolicy::MessageOnly)
}

fn v3(priority: u8) -> ConfigBuilder {
    router(VersionMode::V3, priority)
}

/// Goes through everything up to this many steps, or until there is nothing new, and says how much that was.
fn explore(name: &str, configs: Vec<ConfigBuilder>, limits: Limits, depth: usize, least: usize) {
    let configs: Vec<Config> = configs.into_iter().map(|builder| builder.build().unwrap()).collect();
    // From the start of all, and from when one has been Active for long.
    let fresh = Network::new(&configs, limits);
    let mut settled = fresh.clone();
    for _ in 0..500 {
        settled.go_on().unwrap();
    }
    let mut seen: HashSet<u64> = HashSet::from([fresh.digest(), settled.digest()]);
    let mut ends_well: HashSet<u64> = HashSet::new();
    let mut frontier = vec![fresh, settled];
    let (mut steps, mut transitions, mut ended) = (0, 0_usize, 0_usize);
    while steps < depth && !frontier.is_empty() {
        let mut next = Vec::new();
        for network in &frontier {
            for step in network.steps() {
                let after = network.after(step).unwrap_or_else(|wrong| {
                    panic!("{name}: {wrong}\nby {step:?}, after {steps} steps, from\n{network}")
                });
                transitions += 1;
                if seen.insert(after.digest()) {
                    next.push(after);
                }
            }
        }
        // Every situation of the frontier was looked at when it was new.
        for network in &next {
            ended += 1;
            if let Err(wrong) = end(network, &mut ends_well) {
                panic!("{name}: {wrong}\nafter {steps} steps and then none that is bad, from\n{network}");
            }
        }
        frontier = next;
        steps += 1;
    }
    let whole = if frontier.is_empty() { "all there are" } else { "up to a depth" };
    let states = seen.len();
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {states} situations by {transitions} transitions, {steps} steps deep ({whole}); {ended} end well"
    );
    assert!(states >= least, "{name}: {states} situations, where there were {least}: the model has shrunk");
}

/// Nothing is lost or late from here on, and nobody fails: it ends with one Active router, and stays so.
fn end(network: &Network, ends_well: &mut HashSet<u64>) -> Result<(), String> {
    let mut path = Vec::new();
    let mut network = network.clone();
    // A router that listens, one that is preempted, and the last message between them: 30 intervals are ample.
    let (mut quarters, mut single) = (0, 0);
    while quarters < 30 * 4 {
        let digest = network.digest();
        if ends_well.contains(&digest) {
            break;
        }
        path.push(digest);
        quarters += usize::from(network.go_on()?);
        match network.actives() {
            1 => single += 1,
            0 if network.running() == 0 => single += 1,
            _ => single = 0,
        }
        // Longer than anyone waits: six intervals of four quarters, and the steps within them.
        if single > 60 {
            break;
        }
    }
    if quarters >= 30 * 4 {
        return Err(format!(
            "{} of {} routers are Active at the end:\n{network}",
            network.actives(),
            network.running()
        ));
    }
    ends_well.extend(path);
    Ok(())
}

const CALM: Limits = Limits { failures: 0, in_flight: 1, late_quarters: 1 };
const ROUGH: Limits = Limits { failures: 2, in_flight: 1, late_quarters: 1 };

#[test]
fn two_routers() {
    explore("two routers", vec![v3(192), v3(128)], ROUGH, 400, 25_000);
}

#[test]
fn two_equal_routers() {
    explore("two equal routers", vec![v3(128), v3(128)], ROUGH, 400, 27_000);
}

#[test]
fn two_routers_without_preemption() {
    let no = |priority| v3(priority).preempt(Preempt::No);
    explore("two routers without preemption", vec![no(192), no(128)], ROUGH, 400, 26_000);
}

#[test]
fn an_owner_and_a_backup() {
    let strict = |priority| v3(priority).profile(Profile::Strict);
    explore("an owner and a Backup", vec![strict(255), strict(128)], ROUGH, 400, 10_000);
}

#[test]
fn two_routers_of_v2() {
    let v2 = |priority| router(VersionMode::V2, priority).profile(Profile::Strict);
    explore("two routers of VRRPv2", vec![v2(192), v2(128)], ROUGH, 400, 25_000);
}

#[test]
fn a_fast_and_a_slow_router() {
    let slow = v3(192).interval(Interval::from_centiseconds(200).unwrap());
    explore("a fast and a slow router", vec![slow, v3(128)], ROUGH, 400, 71_000);
}

#[test]
fn two_routers_with_all_that_is_beyond_the_rfc() {
    let beyond = |priority| v3(priority).only_backup(true).preempt_after_skew(true).step_down_when_late(true);
    explore("two routers beyond the RFC", vec![beyond(192), beyond(128)], ROUGH, 400, 18_000);
}

#[test]
fn three_routers() {
    explore("three routers", vec![v3(192), v3(128), v3(64)], ROUGH, 14, 118_000);
}

#[test]
fn three_routers_that_do_not_fail() {
    explore("three routers that do not fail", vec![v3(192), v3(128), v3(128)], CALM, 24, 70_000);
}
