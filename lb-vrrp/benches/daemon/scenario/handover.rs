//! Hand-over when the Active router is stopped in good order.

use super::{Duel, FIRST, pause, start_active};
use crate::{
    Result,
    daemon::Kind,
    options::Options,
    plan::Plan,
    report::{Report, Row},
    watch::{Frame, now},
};

pub(super) fn run(kind: Kind, _: &Options, report: &mut Report) -> Result<()> {
    measure(kind, Plan { realtime: true, ..Plan::new(1, 1) }, 10, report)?;
    measure(kind, Plan { realtime: true, ..Plan::new(1, 100) }, 2, report)
}

fn measure(kind: Kind, plan: Plan, times: usize, report: &mut Report) -> Result<()> {
    let mut duel = Duel::start(kind, plan)?;
    for time in 0..times {
        if time > 0 {
            duel.first.end();
            let (first, _) = start_active(kind, plan, &duel.lan)?;
            duel.first = first;
            duel.settle(plan)?;
        }
        pause(time as f64 * 0.37 % 1.0 * plan.seconds());
        let from = now();
        duel.first.terminate()?;
        let taken = duel.taken_over(from, 20.0)?;
        let resigned = duel.frames.since(from).into_iter().find_map(|(at, frame)| match frame {
            Frame::Advert { host: FIRST, priority: 0 } => Some(at),
            _ => None,
        });
        let resigned = resigned.ok_or("the first router did not resign")?;
        let interval = plan.seconds();
        let name = |what: &str| format!("hand-over, {interval} s: {what}");
        report.add(
            Row::new(name("from SIGTERM to the resignation"), "ms"),
            kind,
            (resigned - from) as f64 / 1e6,
        );
        let late = (taken - resigned) as f64 / 1e6 - plan.second().skew() * 1e3;
        report.add(
            Row::new(name("from there to the other's advertisement, beyond skew time"), "ms").bar(1.0),
            kind,
            late,
        );
        report.add(
            Row::new(name("from SIGTERM to the other's advertisement"), "ms"),
            kind,
            (taken - from) as f64 / 1e6,
        );
    }
    Ok(())
}
