//! What scripts and notifications cost, and whether a thread that has to be on time feels them.
//!
//! ```text
//! cargo run --release -p lb-bins --example tracking_load [SECONDS]
//! ```
//!
//! A thread sleeps for 10 ms at a time, as one that sends advertisements does, and notes how late it wakes: first with
//! nothing else to do, then while 500 scripts run every second and 100 notifications a second go to scripts and a pipe.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use lb_config::keepalived::model::{
    Config, Fifo, Globals, Group, Notify, Script, ScriptCommand, Tracked, User, Weight,
};
use lb_failover::{
    notify::{Happened, Kind, Notification, Notifier},
    track::Trackers,
};
use lb_runtime::{
    clock::Clock,
    log::{Log, Target},
};
use nix::sys::resource::{UsageWho, getrusage};

const SCRIPTS: usize = 500;
const NOTIFICATIONS: u64 = 100;
const TICK: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    measure("idle", || thread::sleep(time));

    let folder = tempfile::tempdir()?;
    let user = Some(User { name: nix::unistd::geteuid().to_string(), group: None });
    let command = |text: &str| ScriptCommand { argv: vec![text.to_owned()], user: user.clone() };
    let (mut trackers, mut reports) = Trackers::start();
    let (mut notifier, _progress) =
        Notifier::start(Log::new(Target::File(folder.path().join("log")), Clock::start(), "load"));
    let fifo = Some(Fifo { path: folder.path().join("fifo"), owner: None, script: None });
    notifier.configure(&Globals { fifo, ..Globals::default() });
    trackers.set(&config(&command("/bin/true")));
    for _ in 0..SCRIPTS {
        reports.recv().await.ok_or("a tracker is gone")?;
    }
    let wanted = Notify { any: Some(command("/bin/true")), ..Notify::default() };
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let measured = thread::spawn(move || {
        measure("500 scripts and 100 notifications a second", || thread::sleep(time));
        over.store(true, Ordering::Relaxed);
    });
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(NOTIFICATIONS)?);
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        tick.tick().await;
        number += 1;
        let name = format!("VI_{}", number % 50).into();
        let what = if number % 2 == 0 { Happened::Master } else { Happened::Backup };
        let told = Instant::now();
        let notification = Notification { of: Kind::Instance, name, what, priority: 100, peer: None };
        notifier.tell(&notification, &wanted);
        longest = longest.max(told.elapsed());
    }
    println!("longest call of tell(): {longest:.1?} of {number}");
    println!("reports besides the first ones: {}", reports.len());
    println!("log: {:?}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    let _ = measured.join();
    Ok(())
}

fn config(command: &ScriptCommand) -> Config {
    let mut config = Config::default();
    let mut group = Group { name: "G".to_owned(), ..Group::default() };
    for number in 0..SCRIPTS {
        let name = format!("chk{number}");
        group.tracks.scripts.push(Tracked { name: name.clone(), weight: Weight::default() });
        let script = Script {
            name: name.clone(),
            command: command.clone(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            weight: Weight::default(),
            rise: 1,
            fall: 1,
            init_fail: false,
        };
        config.scripts.insert(name, script);
    }
    config.groups.push(group);
    config
}

/// Prints how late a thread wakes while something is done, and what that took of the processor.
fn measure(what: &str, work: impl FnOnce()) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let ticker = thread::spawn(move || {
        let mut late = Vec::new();
        let mut due = Instant::now() + TICK;
        while !stopped.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            late.push(due.elapsed());
            due = Instant::now() + TICK;
        }
        late.sort_unstable();
        late
    });
    let before = cpu();
    let start = Instant::now();
    work();
    let (own, children) = (cpu().0 - before.0, cpu().1 - before.1);
    let elapsed = start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let late = ticker.join().unwrap_or_default();
    let at = |share: usize| late.get(late.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "{what}: late by {:.0?} (median), {:.0?} (99 %), {:.0?} (most); CPU {:.1} % ours, {:.1} % of the programs",
        at(500),
        at(990),
        late.last().copied().unwrap_or_default(),
        own * 100.0 / elapsed,
        children * 100.0 / elapsed
    );
}

/// Seconds of processor time: ours, and that of programs that have ended.
fn cpu() -> (f64, f64) {
    let of = |who| {
        getrusage(who).map_or(0.0, |usage| {
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds(usage.user_time()) + seconds(usage.system_time())
        })
    };
    (of(UsageWho::RUSAGE_SELF), of(UsageWho::RUSAGE_CHILDREN))
}
