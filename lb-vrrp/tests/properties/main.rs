//! What holds in every simulated world: thousands of random groups of routers in random trouble, and single routers
//! with random inputs.
//!
//! A failure prints its seed. `LB_VRRP_SEED=1234 cargo test -p lb-vrrp --test properties one_seed -- --nocapture` runs
//! it alone and prints its trace; `LB_VRRP_WORLDS=1000000` makes each test of many worlds run so many.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod generate;
mod one_router;
mod oracle;

use std::{collections::BTreeSet, env, io::Write as _, time::Duration};

use generate::Case;
use lb_vrrp::{
    Preempt, State, Time,
    sim::{NodeId, Random, World},
};
use oracle::{Oracle, judge_alternation, judge_causes};

/// What does not hold, when something does not.
type Judged = Result<(), String>;

/// Worlds for each of the three tests that run many.
const WORLDS: u64 = 3400;

#[test]
fn first_third_of_the_worlds() {
    many(0);
}

#[test]
fn second_third_of_the_worlds() {
    many(1);
}

#[test]
fn last_third_of_the_worlds() {
    many(2);
}

#[test]
fn one_seed() {
    let Some(seed) = env::var("LB_VRRP_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let case = Case::new(seed);
    let mut world = case.world();
    let judged = run(&case, &mut world);
    println!("{case}\n{}", world.trace());
    judged.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
}

/// The same nodes, seed and schedule make the same trace, byte for byte; and it is the seed that makes it.
#[test]
fn the_same_seed_makes_the_same_trace() {
    let mut traces = BTreeSet::new();
    for seed in 0..100 {
        let trace = |world: u64| {
            let mut case = Case::new(seed);
            case.seed = world;
            let mut world = case.world();
            world.run_until(case.calm);
            (serde_json::to_vec(world.trace()).unwrap(), world.trace().clone())
        };
        let (bytes, original) = trace(seed);
        assert!(trace(seed).0 == bytes, "two runs of seed {seed} differ");
        assert_eq!(serde_json::from_slice::<lb_vrrp::sim::Trace>(&bytes).unwrap(), original);
        traces.insert(bytes);
    }
    assert_eq!(traces.len(), 100, "different seeds make different traces");
}

fn many(part: u64) {
    let worlds =
        env::var("LB_VRRP_WORLDS").map_or(WORLDS, |worlds| worlds.parse().expect("a number of worlds"));
    let mut seen = Seen::default();
    for seed in part * worlds..(part + 1) * worlds {
        let case = Case::new(seed);
        let mut world = case.world();
        if let Err(wrong) = run(&case, &mut world) {
            panic!(
                "seed {seed}: {wrong}\n{case}\nrepeat it: LB_VRRP_SEED={seed} cargo test -p lb-vrrp --test properties \
                 one_seed -- --nocapture"
            );
        }
        seen.add(&world);
    }
    seen.report(worlds);
}

/// One world: trouble, then calm, then exactly one Active router.
fn run(case: &Case, world: &mut World) -> Judged {
    let mut oracle = Oracle::new(&case.specs);
    let mut odd = Random::new(case.seed);
    let mut go = |world: &mut World, until: Time, each: &dyn Fn(&World) -> Judged| -> Judged {
        while world.next_time().is_some_and(|next| next <= until) {
            oracle.step(world)?;
            each(world)?;
            if odd.below(64) == 0 {
                let node = NodeId::new(odd.below(case.specs.len() as u64) as u16);
                let late = odd.duration(&(Duration::ZERO..=case.longest_down() * 3));
                oracle.odd_timeouts(world, node, late)?;
            }
        }
        Ok(())
    };
    go(world, case.calm, &|_| Ok(()))?;

    // A router that waits for silence, one that recovers from a stall, and one that preempts after a delay.
    let down = case.longest_down();
    let settled = case.calm + down * 3 + case.longest_preempt_delay() + case.longest_interval() * 2;
    go(world, settled, &|_| Ok(()))?;
    let actives: Vec<NodeId> = world.actives().collect();
    go(world, settled + down, &|world| {
        if world.actives().eq(actives.iter().copied()) && actives.len() == 1 {
            return Ok(());
        }
        Err(format!(
            "Active at {}: {:?}, before: {actives:?}",
            world.now(),
            world.actives().collect::<Vec<_>>()
        ))
    })?;

    judge_winner(case, world, actives[0])?;
    judge_overlaps(case, world)?;
    for node in world.nodes() {
        judge_alternation(world, node)?;
        judge_causes(world, node)?;
        let lingers = world.router(node).is_some_and(|router| router.lingers());
        if lingers || world.holds_addresses(node) != (world.state(node) == State::Active) {
            return Err(format!(
                "{node} is {} and holds: {}",
                world.state(node),
                world.holds_addresses(node)
            ));
        }
    }
    Ok(())
}

/// Where the routers of the highest priority preempt, one of them has won.
fn judge_winner(case: &Case, world: &World, winner: NodeId) -> Judged {
    let priority = |node: NodeId| world.router(node).map(|router| router.priority());
    let highest = world.nodes().map(priority).max().flatten();
    let preempts = |node: &NodeId| case.specs[usize::from(node.index())].preempt != Preempt::No;
    let would = world.nodes().filter(|node| priority(*node) == highest).any(|node| preempts(&node));
    match would && priority(winner) != highest {
        true => Err(format!("{winner} is Active, with a priority below {highest:?}")),
        false => Ok(()),
    }
}

/// Two Active routers that hear each other become one within an interval.
fn judge_overlaps(case: &Case, world: &World) -> Judged {
    let slack = *case.lan.delay.end() + case.specs.iter().map(|spec| spec.latency).max().unwrap() * 2;
    for overlap in world.trace().overlaps() {
        let from = overlap.from.max(case.calm);
        let lasted = overlap.until.unwrap_or(world.now()).since(from);
        if lasted > case.longest_interval() * 1001 / 1000 + slack {
            return Err(format!("{overlap}, which is too long"));
        }
    }
    Ok(())
}

/// How much happened, so that it can not become little without being seen.
#[derive(Default)]
struct Seen {
    entries: usize,
    takeovers: usize,
    overlaps: usize,
}

impl Seen {
    fn add(&mut self, world: &World) {
        self.entries += world.trace().entries().len();
        self.takeovers += world.trace().takeovers().len();
        self.overlaps += world.trace().overlaps().len();
    }

    fn report(&self, worlds: u64) {
        let Self { entries, takeovers, overlaps } = *self;
        let _ = writeln!(
            std::io::stderr(),
            "{worlds} worlds: {entries} things happened, {takeovers} takeovers, {overlaps} times two Active routers"
        );
        let worlds = worlds as usize;
        assert!(
            entries > worlds * 200 && takeovers > worlds && overlaps > worlds / 4,
            "the worlds are too quiet"
        );
    }
}
