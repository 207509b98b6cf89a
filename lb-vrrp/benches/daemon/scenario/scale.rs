//! Thousands of virtual routers in one process.

use std::time::Instant;

use super::{pause, start_active};
use crate::{
    Result,
    daemon::{Daemon, Kind},
    lan::Lan,
    options::Options,
    plan::Plan,
    report::{Figure, Report, Row},
    watch::{AddressChange, Watch, now},
};

/// The bars of a size.
struct Bars {
    cpu: f64,
    memory: f64,
}

pub(super) fn each_second(kind: Kind, options: &Options, report: &mut Report) -> Result<()> {
    measure(kind, Plan::new(1_000, 100), None, options, report)?;
    measure(kind, Plan::new(4_000, 100), None, options, report)?;
    measure(kind, Plan::new(10_000, 100), Some(Bars { cpu: 3.0, memory: 20.0 }), options, report)?;
    measure(kind, Plan::new(16_000, 100), None, options, report)
}

pub(super) fn ten_times_a_second(kind: Kind, options: &Options, report: &mut Report) -> Result<()> {
    measure(kind, Plan::new(4_000, 10), Some(Bars { cpu: 20.0, memory: 20.0 }), options, report)
}

/// From the first address until the second burst of announcements is over, in seconds: both wait for 5 s with it.
const BURSTS: f64 = 9.0;

fn measure(kind: Kind, plan: Plan, bars: Option<Bars>, options: &Options, report: &mut Report) -> Result<()> {
    let lan = Lan::direct(plan.links())?;
    let started = now();
    let (first, one) = start_active(kind, plan, &lan)?;
    let started_in = (last_added(&one, started) - started) as f64 / 1e9 - plan.down();
    let two = Watch::addresses(&lan.second)?;
    let second = Daemon::start(kind, plan.second(), &lan.second)?;
    pause(BURSTS + 4.0 * plan.seconds());
    let changes = || one.seen().len() + two.seen().len();
    let (changed, sent, begin) = (changes(), lan.first.sent(plan.links()), Instant::now());
    let before = [&first, &second].map(Daemon::cpu_seconds);
    pause(options.seconds.unwrap_or(10.0));
    let after = [&first, &second].map(Daemon::cpu_seconds);
    let took = begin.elapsed().as_secs_f64();
    let rate = (lan.first.sent(plan.links()) - sent) as f64 / took;
    let name = |what: &str| format!("{} routers, {} s: {what}", plan.routers, plan.seconds());
    let row = |what: &str, unit, bar: Option<f64>| Row { bar, ..Row::new(name(what), unit) };
    let (cpu, memory) = bars.map_or((None, None), |bars| (Some(bars.cpu), Some(bars.memory)));
    for (number, (role, daemon)) in [("Active", &first), ("Backup", &second)].into_iter().enumerate() {
        let share = (after[number] - before[number]) / took * 100.0;
        report.add(row(&format!("{role}, CPU"), "% of a core", cpu), kind, share);
        report.add(row(&format!("{role}, memory"), "MB", memory), kind, daemon.resident_megabytes());
    }
    let due = plan.routers as f64 / plan.seconds();
    report.add(row("advertisements sent of those due", "%", None), kind, rate / due * 100.0);
    report.add(row("start: until the last is Active, beyond the down interval", "s", None), kind, started_in);
    let spurious = Row::new(name("addresses that came or went"), "").of(Figure::Most).bar(0.0);
    report.add(spurious, kind, (changes() - changed) as f64);
    let from = now();
    first.terminate()?;
    for _ in 0..600 {
        if two.held() >= plan.routers {
            let taken = (last_added(&two, from) - from) as f64 / 1e9 - plan.second().skew();
            report.add(row("taking over all of them, beyond skew time", "s", None), kind, taken);
            return Ok(());
        }
        pause(0.1);
    }
    Err(format!("{} of {} were taken over within a minute", two.held(), plan.routers).into())
}

/// When the last address was added since then.
fn last_added(addresses: &Watch<AddressChange>, from: u64) -> u64 {
    let added = addresses.since(from).into_iter().filter(|(_, change)| change.added);
    added.map(|(at, _)| at).max().unwrap_or(from)
}
