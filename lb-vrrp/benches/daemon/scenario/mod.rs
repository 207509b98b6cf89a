//! What is measured.

mod addresses;
mod detection;
mod handover;
mod loaded;
mod scale;

use std::{thread::sleep, time::Duration};

use crate::{
    Result,
    daemon::{Daemon, Kind},
    lan::Lan,
    options::Options,
    plan::Plan,
    report::Report,
    watch::{AddressChange, Frame, Watch, now},
};

/// Something to measure, with one daemon.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Kind, &Options, &mut Report) -> Result<()>,
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "scale-1s", run: scale::each_second },
    Scenario { name: "scale-100ms", run: scale::ten_times_a_second },
    Scenario { name: "loaded", run: loaded::run },
    Scenario { name: "detection", run: detection::run },
    Scenario { name: "addresses", run: addresses::run },
    Scenario { name: "handover", run: handover::run },
];

/// Host of the router with the higher priority, which is Active.
const FIRST: u8 = 1;
/// Host of the other, which is Backup.
const SECOND: u8 = 2;

fn pause(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds));
}

/// Starts a daemon and waits until it has all addresses.
fn start_active(kind: Kind, plan: Plan, lan: &Lan) -> Result<(Daemon, Watch<AddressChange>)> {
    let addresses = Watch::addresses(&lan.first)?;
    let daemon = Daemon::start(kind, plan, &lan.first)?;
    let all = plan.routers * (1 + plan.unadvertised);
    for _ in 0..600 {
        if addresses.held() == all {
            return Ok((daemon, addresses));
        }
        pause(0.1);
    }
    Err(format!("{} of {all} addresses were installed within a minute", addresses.held()).into())
}

/// One router each on a switched link; both have settled.
struct Duel {
    first: Daemon,
    second: Daemon,
    /// What the second router sees.
    frames: Watch<Frame>,
    lan: Lan,
}

impl Duel {
    fn start(kind: Kind, plan: Plan) -> Result<Self> {
        let lan = Lan::switched()?;
        let (first, _) = start_active(kind, plan, &lan)?;
        let frames = Watch::frames(&lan.second)?;
        let second = Daemon::start(kind, plan.second(), &lan.second)?;
        let duel = Self { first, second, frames, lan };
        duel.settle(plan)?;
        Ok(duel)
    }

    /// When the second router advertised for the first time after `from`; waits for it for so many seconds.
    fn taken_over(&self, from: u64, seconds: f64) -> Result<u64> {
        let taken = self.frames.wait(from, seconds, |at, frame| match frame {
            Frame::Advert { host: SECOND, .. } => Some(at),
            _ => None,
        });
        Ok(taken.ok_or("there was no take-over")?)
    }

    /// Waits until the first router is Active and the other has heard it for a while.
    fn settle(&self, plan: Plan) -> Result<()> {
        for _ in 0..20 {
            pause(0.2 + 4.0 * plan.seconds());
            let while_ago = now() - ((0.2 + 2.0 * plan.seconds()) * 1e9) as u64;
            let recent = self.frames.since(while_ago);
            let from = |host| {
                recent.iter().any(|(_, frame)| matches!(frame, Frame::Advert { host: is, .. } if *is == host))
            };
            if from(FIRST) && !from(SECOND) {
                return Ok(());
            }
        }
        Err("the router with the higher priority does not become, and stay, the only Active one".into())
    }
}
