//! Short intervals while others want the processor.

use std::process::Stdio;

use super::{Duel, FIRST, SECOND, pause};
use crate::{
    Result,
    daemon::Kind,
    options::Options,
    plan::Plan,
    report::{Figure, Report, Row},
    role::Running,
    watch::{Frame, now},
};

/// Endless loops for each core.
const SPINNING: usize = 2;

pub(super) fn run(kind: Kind, options: &Options, report: &mut Report) -> Result<()> {
    for realtime in [true, false] {
        measure(kind, Plan { realtime, ..Plan::new(1, 1) }, options, report)?;
    }
    Ok(())
}

fn measure(kind: Kind, plan: Plan, options: &Options, report: &mut Report) -> Result<()> {
    let duel = Duel::start(kind, plan)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let spinning: Vec<Running> =
        (0..SPINNING * cores).map(|_| Running::start("spin", &[], Stdio::null())).collect::<Result<_>>()?;
    let from = now();
    pause(options.seconds.unwrap_or(60.0));
    let until = now();
    drop(spinning);
    let adverts: Vec<(u64, u8)> = duel
        .frames
        .since(from)
        .into_iter()
        .filter(|(at, _)| *at < until)
        .filter_map(|(at, frame)| match frame {
            Frame::Advert { host, .. } => Some((at, host)),
            Frame::Announcement(_) => None,
        })
        .collect();
    // A router that becomes Active says so. So does the first one when it hears that.
    let take_overs = adverts.windows(2).filter(|pair| pair[0].1 == FIRST && pair[1].1 == SECOND).count();
    let times: Vec<u64> = adverts.iter().filter(|(_, host)| *host == FIRST).map(|(at, _)| *at).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX);
    let class = if plan.realtime { "real-time" } else { "ordinary" };
    let name = |what: &str| format!("10 ms on a loaded machine, {class}: {what}");
    let spurious = Row::new(name("take-overs in a minute"), "").of(Figure::Most);
    let spurious = if plan.realtime { spurious.bar(0.0) } else { spurious };
    report.add(spurious, kind, take_overs as f64);
    let longest = longest as f64 / 1e6;
    report.add(Row::new(name("longest time between advertisements"), "ms").of(Figure::Most), kind, longest);
    Ok(())
}
