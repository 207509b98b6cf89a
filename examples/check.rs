//! Watches servers: one line for each change of mind.
//!
//! `cargo run -p lb-examples --bin check -- 127.0.0.1:80 127.0.0.1:443`
#![allow(clippy::print_stdout)]

use std::{error::Error, num::NonZeroU32, sync::Arc, time::Duration};

use lb_health::{Check, Runner, RunnerSettings, Timing, probe::tcp::Tcp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let timing = Timing {
        fall: NonZeroU32::MIN.saturating_add(1),
        ..Timing::every(Duration::from_secs(1), Duration::from_secs(1))
    };
    let probe = Arc::new(Tcp);
    let mut checks = Vec::new();
    for address in std::env::args().skip(1) {
        checks.push(Check::new(probe.clone(), address.parse::<std::net::SocketAddr>()?, timing));
    }
    if checks.is_empty() {
        return Err("name some servers, such as 127.0.0.1:80".into());
    }
    let runner = Runner::start(RunnerSettings::default());
    let names = runner.set(checks.clone());
    loop {
        let verdict = runner.verdict().await;
        let index = names.iter().position(|name| *name == verdict.check);
        if let (Some(index), Some(transition)) = (index, verdict.transition) {
            let server = checks[index].target.address;
            println!("{server}: {} -> {} ({:?})", transition.from, transition.to, verdict.look.outcome);
        }
    }
}
