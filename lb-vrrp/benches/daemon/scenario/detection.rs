//! Take-over after silence.

use super::{Duel, FIRST, pause};
use crate::{
    Result,
    daemon::Kind,
    options::Options,
    plan::Plan,
    report::{Figure, Report, Row},
    watch::{Frame, now},
};

/// Take-overs in a round.
const TIMES: usize = 25;

pub(super) fn run(kind: Kind, _: &Options, report: &mut Report) -> Result<()> {
    let plan = Plan { realtime: true, ..Plan::new(1, 1) };
    let duel = Duel::start(kind, plan)?;
    for time in 0..TIMES {
        // A phase of the interval that is another one each time.
        pause(0.1 + time as f64 * 0.37 % 1.0 * plan.seconds());
        let from = now();
        duel.lan.cut(true)?;
        let taken = duel.taken_over(from, 10.0);
        let heard = duel.frames.since(from - 1_000_000_000);
        duel.lan.cut(false)?;
        let taken = taken?;
        let adverts = heard
            .iter()
            .filter(|(at, frame)| *at < taken && matches!(frame, Frame::Advert { host: FIRST, .. }));
        let last = adverts.map(|(at, _)| *at).max().ok_or("the first router was not heard")?;
        let late = (taken - last) as f64 / 1e6 - plan.second().down() * 1e3;
        let row = Row::new("take-over after silence, 10 ms: beyond the RFC's time", "ms").bar(1.0);
        report.add(row.clone(), kind, late);
        report.add(row.of(Figure::P99), kind, late);
        duel.settle(plan)?;
    }
    Ok(())
}
