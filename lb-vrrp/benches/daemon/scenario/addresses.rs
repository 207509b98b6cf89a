//! Thousands of addresses in one virtual router.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{Duel, FIRST, SECOND, pause};
use crate::{
    Result,
    daemon::Kind,
    options::Options,
    plan::Plan,
    report::{Figure, Report, Row},
    watch::{Frame, Watch, now},
};

pub(super) fn run(kind: Kind, _: &Options, report: &mut Report) -> Result<()> {
    for count in [1_000, 5_000] {
        measure(kind, Plan { unadvertised: count, ..Plan::new(1, 10) }, report)?;
    }
    Ok(())
}

fn measure(kind: Kind, plan: Plan, report: &mut Report) -> Result<()> {
    let duel = Duel::start(kind, plan)?;
    // The second burst of announcements, 5 s later.
    pause(7.0);
    let addresses = Watch::addresses(&duel.lan.second)?;
    let (from, before) = (now(), duel.second.cpu_seconds());
    duel.first.terminate()?;
    let taken = duel.taken_over(from, 20.0)?;
    let all = plan.unadvertised + 1;
    for _ in 0..600 {
        if addresses.held() == all && announced(&duel.frames, from).len() == all {
            break;
        }
        pause(0.05);
    }
    // The rest of the first burst of announcements.
    pause(0.5);
    let spent = duel.second.cpu_seconds() - before;
    pause(2.0);
    let seen = duel.frames.since(taken);
    let times: Vec<u64> = seen
        .iter()
        .filter(|(_, frame)| matches!(frame, Frame::Advert { host: SECOND, .. }))
        .map(|(at, _)| *at)
        .collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX);
    let added: Vec<_> = addresses.since(from).into_iter().filter(|(_, change)| change.added).collect();
    let last_added = added.iter().map(|(at, _)| *at).max().unwrap_or(u64::MAX);
    let announced = announced(&duel.frames, from);
    let (count, last_announced) = (announced.len(), announced.values().copied().max().unwrap_or(u64::MAX));
    if (addresses.held(), count) != (all, all) {
        return Err(format!("{} of {all} addresses are there, {count} announced", addresses.held()).into());
    }
    let also = seen.iter().filter(|(_, frame)| matches!(frame, Frame::Advert { host: FIRST, .. })).count();
    if also > 0 {
        return Err("the first router was Active at the same time".into());
    }
    let name = |what: &str| format!("{} addresses: {what}", plan.unadvertised);
    let since = |at: u64| at.saturating_sub(taken) as f64 / 1e6;
    let gap =
        Row::new(name("longest time between advertisements, of 100 ms"), "ms").of(Figure::Most).bar(110.0);
    report.add(gap, kind, longest as f64 / 1e6);
    report.add(Row::new(name("until the last one is there"), "ms"), kind, since(last_added));
    report.add(Row::new(name("until all are announced"), "ms"), kind, since(last_announced));
    report.add(Row::new(name("CPU until then and half a second more"), "ms"), kind, spent * 1e3);
    let row = Row::new(name("from there until announced, 99th percentile"), "ms").of(Figure::P99);
    for (at, change) in &added {
        let waited = announced.get(&change.address).map_or(u64::MAX, |sent| sent.saturating_sub(*at));
        report.add(row.clone(), kind, waited as f64 / 1e6);
    }
    Ok(())
}

/// When the second router announced each address for the first time.
fn announced(frames: &Watch<Frame>, from: u64) -> BTreeMap<Ipv4Addr, u64> {
    let mut known = BTreeMap::new();
    for (at, frame) in frames.since(from) {
        if let Frame::Announcement(address) = frame {
            known.entry(address).or_insert(at);
        }
    }
    known
}
