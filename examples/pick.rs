//! Who gets the next connection? The kernel's schedulers as a library.
//!
//! `cargo run -p lb-examples --bin pick -- wrr`
#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error, net::SocketAddr};

use lb_core::{
    Time,
    model::{SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, Weight},
    schedule::{Balancer, Flow},
};

fn main() -> Result<(), Box<dyn Error>> {
    let kind: SchedulerKind = std::env::args().nth(1).as_deref().unwrap_or("wrr").parse()?;
    let mut balancer =
        Balancer::new(&kind, SchedulerFlags::EMPTY, 1).ok_or("no such scheduler; try wrr, wlc, mh, …")?;
    for (server, weight) in [("192.168.0.1:80", 1), ("192.168.0.2:80", 2), ("192.168.0.3:80", 3)] {
        balancer.set(server.parse()?, ServerSpec::masq(Weight::new(weight)), None);
    }
    let mut picks: BTreeMap<ServerKey, u32> = BTreeMap::new();
    for client in 0..600u16 {
        let source = SocketAddr::from(([10, 1, (client >> 8) as u8, client as u8], 40_000));
        let flow = Flow { source, destination: "10.0.0.1:80".parse()?, now: Time::ZERO };
        if let Some(server) = balancer.pick(&flow) {
            // The connection stays open, so that the schedulers that count connections have something to count.
            server.load().open(true);
            *picks.entry(server.key()).or_default() += 1;
        }
    }
    println!("600 connections by {kind}:");
    for (server, count) in picks {
        println!("  {server} got {count}");
    }
    Ok(())
}
