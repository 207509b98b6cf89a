//! Two VRRP routers in a simulation: one fails and comes back, then the cable between them does.
//!
//! `cargo run -p lb-examples --bin two-routers -- 42` (the seed; the same one gives the same run)
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use lb_vrrp::{
    Config, Interval, Priority, Time, Vrid,
    sim::{Chance, Fault, Lan, Node, Record, Schedule, World},
};

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(42), |seed| seed.parse())?;
    let config = |priority| -> Result<Config, Box<dyn Error>> {
        let config = Config::v3(Vrid::new(51)?, ["192.0.2.100".parse()?])
            .priority(Priority::new(priority)?)
            .interval(Interval::from_centiseconds(10)?);
        Ok(config.build()?)
    };
    // A network that loses one message in a hundred, a clock that goes wrong, and a busy machine.
    let lan = Lan { loss: Chance::percent(1), ..Lan::default() };
    let busy = Duration::ZERO..=Duration::from_millis(2);
    let mut world = World::new(seed, lan);
    let left = world.add(Node::new(config(200)?, "192.0.2.1".parse()?).drift_ppm(40))?;
    world.add(Node::new(config(100)?, "192.0.2.2".parse()?).latency(busy))?;

    world.schedule(
        Schedule::new()
            .at(Time::from_secs(2), Fault::Crash(left))
            .at(Time::from_secs(4), Fault::Start(left))
            .at(Time::from_secs(6), Fault::Partition(vec![left]))
            .at(Time::from_secs(8), Fault::Heal),
    );
    world.run_until(Time::from_secs(10));

    // Everything is in `world.trace()`; what is told every 100 ms is left out here.
    let steady = |what: &Record| {
        matches!(what, Record::Sent(_) | Record::Received { .. } | Record::Lost(..) | Record::Timeout { .. })
    };
    for entry in world.trace().entries().iter().filter(|entry| !steady(&entry.what)) {
        println!("{entry}");
    }
    println!("\nTakeovers:");
    for takeover in world.trace().takeovers() {
        println!("{takeover}");
    }
    println!("\nTwo Active routers at once:");
    for overlap in world.trace().overlaps() {
        println!("{overlap}");
    }
    Ok(())
}
