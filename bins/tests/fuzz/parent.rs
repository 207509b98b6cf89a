//! Starts the processes that read inputs, and makes a bad input small.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{child::Order, mutate, targets::Target};

/// How long a process may take longer than it should before it hangs.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Inputs that are tried to make a bad one smaller.
const MAX_ATTEMPTS: usize = 60;

/// Reads inputs for a while; how many, or what is wrong and where the input is.
pub(crate) fn fuzz(target: &Target, seed: u64, share: Duration) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let progress = folder.path().join("progress");
    fs::write(&progress, [0; 8]).unwrap();
    let ended = child(target, share, |command| {
        command
            .env(Order::SEED, seed.to_string())
            .env(Order::MILLIS, share.as_millis().to_string())
            .env(Order::PROGRESS, &progress);
    });
    let number = u64::from_le_bytes(fs::read(&progress).unwrap().try_into().unwrap());
    let Err(why) = ended else { return Ok(number + 1) };
    let bad = mutate::input(&target.seeds(), seed, target.name, number);
    let small = smaller(target, &bad, folder.path());
    let path = keep(target, seed, number, &small);
    Err(format!(
        "{}: input {number} of FUZZ_SEED={seed} ({} bytes, cut down to {}) is in {}:\n{why}",
        target.name,
        bad.len(),
        small.len(),
        path.display()
    ))
}

/// The input without what can be left out while it stays bad; itself if one process alone does not fail.
fn smaller(target: &Target, bad: &[u8], folder: &Path) -> Vec<u8> {
    let file = folder.join("input");
    let is_bad = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        child(target, Duration::ZERO, |command| {
            command.env(Order::INPUT, &file);
        })
        .is_err()
    };
    let mut kept = bad.to_vec();
    if !is_bad(&kept) {
        return kept;
    }
    let mut attempts = 1;
    let mut size = kept.len().div_ceil(2);
    while size > 0 && attempts < MAX_ATTEMPTS {
        let mut at = 0;
        while at < kept.len() && attempts < MAX_ATTEMPTS {
            let end = (at + size).min(kept.len());
            let without = [&kept[..at], &kept[end..]].concat();
            attempts += 1;
            if is_bad(&without) {
                kept = without;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    kept
}

fn keep(target: &Target, seed: u64, number: u64, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}-{seed}-{number}", target.name));
    fs::write(&path, input).unwrap();
    path
}

/// Runs this program again; what it said if it did not end well.
fn child(target: &Target, share: Duration, with: impl FnOnce(&mut Command)) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "nothing_that_is_read_panics_hangs_or_grows", "--nocapture"])
        .env(Order::TARGET, target.name)
        // Else each thread reserves memory of its own.
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    with(&mut command);
    let mut process = command.spawn().unwrap();
    let mut stderr = process.stderr.take().unwrap();
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.read_to_end(&mut said);
        said
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > share + MAX_DELAY {
            let _ = process.kill();
            let _ = process.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let said = String::from_utf8_lossy(&said.join().unwrap()).into_owned();
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{status}\n{}", last_lines(&said))),
        None => Err(format!("waits without end\n{}", last_lines(&said))),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
