//! The process that reads inputs. It dies of one that is bad, and leaves its number behind.

use std::{
    env, fs,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::gettid,
};

use crate::{mutate, targets, targets::Target};

/// Processor time that an input may take, in ticks of 10 ms.
const MAX_TICKS: u64 = 100;

/// Memory that an input may take, in bytes.
const MAX_MEMORY: u64 = 200_000_000;

/// What the parent wants.
pub(crate) enum Order {
    /// Mutations for so long.
    Fuzz { target: String, seed: u64, share: Duration, progress: PathBuf },
    /// One input.
    Once { target: String, input: PathBuf },
}

impl Order {
    pub(crate) const TARGET: &'static str = "FUZZ_CHILD_TARGET";
    pub(crate) const INPUT: &'static str = "FUZZ_CHILD_INPUT";
    pub(crate) const SEED: &'static str = "FUZZ_CHILD_SEED";
    pub(crate) const MILLIS: &'static str = "FUZZ_CHILD_MILLIS";
    pub(crate) const PROGRESS: &'static str = "FUZZ_CHILD_PROGRESS";

    pub(crate) fn from_environment() -> Option<Self> {
        let variable = |name| env::var(name).ok();
        let target = variable(Self::TARGET)?;
        if let Some(input) = variable(Self::INPUT) {
            return Some(Self::Once { target, input: input.into() });
        }
        Some(Self::Fuzz {
            target,
            seed: variable(Self::SEED)?.parse().ok()?,
            share: Duration::from_millis(variable(Self::MILLIS)?.parse().ok()?),
            progress: variable(Self::PROGRESS)?.into(),
        })
    }
}

pub(crate) fn run(order: &Order) {
    let iteration = Arc::new(AtomicU64::new(0));
    match order {
        Order::Once { target, input } => {
            let target = find(target);
            let bytes = fs::read(input).unwrap();
            limit(&iteration);
            (target.read)(&bytes);
        }
        Order::Fuzz { target, seed, share, progress } => {
            let target = find(target);
            let seeds = target.seeds();
            limit(&iteration);
            let progress = File::options().write(true).open(progress).unwrap();
            let start = Instant::now();
            for number in 0_u64.. {
                if number >= seeds.len() as u64 && start.elapsed() >= *share {
                    break;
                }
                iteration.store(number, Relaxed);
                progress.write_all_at(&number.to_le_bytes(), 0).unwrap();
                (target.read)(&mutate::input(&seeds, *seed, target.name, number));
            }
        }
    }
}

fn find(name: &str) -> Target {
    targets::all().into_iter().find(|target| target.name == name).expect("the parent knows the same targets")
}

/// Limits memory, and has a thread watch over the processor time of this one.
fn limit(iteration: &Arc<AtomicU64>) {
    // Pages of data and stack, not what is only reserved.
    let memory = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = memory.split(' ').nth(5).unwrap().parse().unwrap();
    let most = pages * 4096 + MAX_MEMORY;
    setrlimit(Resource::RLIMIT_DATA, most, most).unwrap();

    let stat = format!("/proc/self/task/{}/stat", gettid());
    let iteration = Arc::clone(iteration);
    thread::spawn(move || {
        let mut since = (u64::MAX, 0);
        loop {
            let now = (iteration.load(Relaxed), ticks(Path::new(&stat)));
            if now.0 != since.0 {
                since = now;
            } else if now.1 > since.1 + MAX_TICKS {
                eprintln!("an input takes more than one second of processor time");
                process::abort();
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
}

/// Processor time of a thread so far.
fn ticks(stat: &Path) -> u64 {
    let stat = fs::read_to_string(stat).unwrap_or_default();
    // The name in brackets may have anything in it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    fields.skip(12).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
