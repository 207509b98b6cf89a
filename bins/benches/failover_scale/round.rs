//! What is done to a pair of daemons, once.

use std::{
    thread,
    time::{Duration, Instant},
};

use lb_lab::Process;
use nix::sys::signal::Signal;

use crate::{
    Kind, Options, Result,
    bed::{Bed, Plan, wait_for_line},
    process::usage,
    report::{Figure, Report},
    watch::{Nanos, now},
};

/// From the first address until the second burst of announcements is over: it follows after 5 s.
const BURSTS: Duration = Duration::from_secs(9);
/// The priority of the instance that is changed: still the higher one.
const CHANGED: u8 = 151;

pub(crate) fn measure(kind: Kind, size: usize, options: &Options, report: &mut Report) -> Result<()> {
    let advert = Duration::from_millis(options.advert);
    let plan = |priority| Plan { instances: size, advert, priority, changed: None };
    let [one, two] = [plan(150), plan(100)];
    let mut bed = Bed::new(size, advert)?;
    let [a, b] = &mut bed.nodes;
    a.configure(one)?;
    b.configure(two)?;

    let began = now();
    let mut first = a.start(kind, &options.program)?;
    let up = a.wait_for(size)?;
    let add = |report: &mut Report, figure, value| report.add(kind, figure, value);
    add(report, Figure::Start, seconds(began, up.last) - one.down());
    let mut second = b.start(kind, &options.program)?;
    thread::sleep(BURSTS + 4 * advert);

    let before = [usage(&first), usage(&second)];
    let begin = Instant::now();
    thread::sleep(Duration::from_secs_f64(options.seconds));
    let took = begin.elapsed().as_secs_f64();
    let after = [usage(&first), usage(&second)];
    let share = |node: usize| (after[node].cpu_seconds - before[node].cpu_seconds) / took * 100.0;
    add(report, Figure::MasterCpu, share(0));
    add(report, Figure::BackupCpu, share(1));
    add(report, Figure::MasterResident, after[0].resident);
    add(report, Figure::BackupResident, after[1].resident);
    add(report, Figure::MasterProportional, after[0].proportional);

    let quiet = |changes: [usize; 2], bed: &mut Bed| -> Result<f64> {
        let [a, b] = &mut bed.nodes;
        Ok((a.seen()?.changes + b.seen()?.changes - changes[0] - changes[1]) as f64)
    };
    let changes = [a.seen()?.changes, b.seen()?.changes];
    // The wire is recorded where advertisements arrive.
    for (changed, took_figure, gap, late) in [
        (None, Figure::Reload, Figure::ReloadGap, Figure::ReloadLate),
        (Some(CHANGED), Figure::Change, Figure::ChangeGap, Figure::ChangeLate),
    ] {
        let [a, b] = &mut bed.nodes;
        a.configure(Plan { changed, ..one })?;
        b.record()?;
        thread::sleep(2 * advert);
        let done = reload(&mut first)?;
        add(report, took_figure, done.took);
        thread::sleep(3 * advert);
        let seen = b.rest()?;
        add(report, gap, seen.longest - advert.as_secs_f64() * 1000.0);
        add(report, late, seen.late as f64);
        if changed.is_some() {
            match seen.priorities.get(&CHANGED) {
                Some(on_wire) => add(report, Figure::OnWire, seconds(done.asked, *on_wire) * 1000.0),
                None => eprintln!("    the changed priority was not heard within three intervals"),
            }
        }
    }
    let done = reload(&mut second)?;
    add(report, Figure::BackupReload, done.took);
    thread::sleep(4 * advert);
    add(report, Figure::Spurious, quiet(changes, &mut bed)?);
    if let Kind::Ours = kind {
        observed(&mut bed, advert, report)?;
    }

    let [a, b] = &mut bed.nodes;
    let from = now();
    first.signal(Signal::SIGTERM)?;
    let taken = b.wait_for(size)?;
    add(report, Figure::TakenAfterStop, seconds(from, taken.last) - two.skew());
    first.wait()?;
    first = a.start(kind, &options.program)?;
    a.wait_for(size)?;
    b.wait_for(0)?;
    thread::sleep(2 * advert);
    let from = now();
    first.kill_family()?;
    let taken = b.wait_for(size)?;
    add(report, Figure::TakenAfterKill, seconds(from, taken.last) - two.down());
    second.kill_family()?;
    Ok(())
}

/// What must not delay advertisements: questions of the operator.
fn observed(bed: &mut Bed, advert: Duration, report: &mut Report) -> Result<()> {
    let [a, b] = &mut bed.nodes;
    b.record()?;
    thread::sleep(2 * advert);
    let begin = Instant::now();
    let mut lbctl = std::process::Command::new(env!("CARGO_BIN_EXE_lbctl"));
    lbctl.args(["status", "--json"]);
    let said = a.host.run(&lbctl)?;
    report.add(Kind::Ours, Figure::Status, begin.elapsed().as_secs_f64() * 1000.0);
    if said.len() < 1000 {
        return Err(format!("lbctl status: {said}").into());
    }
    thread::sleep(3 * advert);
    let seen = b.rest()?;
    report.add(Kind::Ours, Figure::StatusLate, seen.late as f64);
    Ok(())
}

struct Reloaded {
    asked: Nanos,
    /// Milliseconds.
    took: f64,
}

/// Until the daemon says that it is done.
fn reload(daemon: &mut Process) -> Result<Reloaded> {
    let written = daemon.log().len();
    let (asked, begin) = (now(), Instant::now());
    daemon.signal(Signal::SIGHUP)?;
    wait_for_line(daemon, written, "Reload complete")?;
    Ok(Reloaded { asked, took: begin.elapsed().as_secs_f64() * 1000.0 })
}

fn seconds(from: Nanos, to: Nanos) -> f64 {
    (to as f64 - from as f64) / 1e9
}
