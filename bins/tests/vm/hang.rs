//! A case that hangs: in a machine it is reported with what it waits for, and the machine ends. The others run in the next one.

use std::{
    fs,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{
    guest::{Guest, in_machine, on_ipvs},
    machine::with_machine,
    support::AWAITED,
};

/// How long a case may take: longer than anything in it waits, on a machine on which nothing is fast.
const CASE_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Another limit in seconds, with which [`a_case_that_hangs_on_purpose`] does so.
const SHORT_LIMIT: &str = "LB_VM_CASE_LIMIT";

/// Runs a case. In a machine, ends the program with a report when the case takes too long.
pub(crate) fn guard(name: &'static str, case: impl FnOnce()) {
    let (running, ended) = mpsc::channel::<()>();
    if in_machine() {
        let limit = short_limit().unwrap_or(CASE_LIMIT);
        thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                println!("{name} has not ended within {} s; {}", limit.as_secs(), report());
                std::process::exit(1);
            }
        });
    }
    case();
    drop(running);
}

fn short_limit() -> Option<Duration> {
    std::env::var(SHORT_LIMIT).ok()?.parse().ok().map(Duration::from_secs)
}

/// What a test waits for: by its own word, and where its threads and the other programs of the machine stand in the kernel.
fn report() -> String {
    let mut text =
        format!("it last waited for: {}", AWAITED.lock().map_or_else(|_| String::new(), |what| what.clone()));
    let stands = |path: &std::path::Path| fs::read_to_string(path.join("wchan")).unwrap_or_default();
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        text += &format!("\n  a thread of the test in {}", stands(&thread.path()));
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Threads of the kernel have no command line.
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if !command.is_empty() && process.file_name() != *std::process::id().to_string() {
            text += &format!("\n  `{}` in {}", command.trim(), stands(&process.path()));
        }
    }
    text
}

#[test]
fn a_case_that_hangs_on_purpose() {
    if short_limit().is_some() {
        on_ipvs(|| {
            "a packet that never comes".clone_into(&mut AWAITED.lock().unwrap());
            thread::sleep(CASE_LIMIT);
        });
    }
}

#[test]
fn a_case_that_passes() {
    if short_limit().is_some() {
        on_ipvs(|| println!("passed"));
    }
}

#[test]
fn a_case_that_hangs_is_named_with_what_it_waits_for_and_the_others_go_on() {
    const HANGS: &str = "hang::a_case_that_hangs_on_purpose";
    const PASSES: &str = "hang::a_case_that_passes";
    with_machine("the report on a case that hangs", |machine| {
        let tests = ["--exact", HANGS, PASSES].map(str::to_owned);
        let guest = Guest::start(machine, None, tests.into(), &[(SHORT_LIMIT, "2")]);
        let (passed, text) = guest.outcome(HANGS);
        assert!(!passed);
        assert!(text.contains("hangs_on_purpose has not ended within 2 s"), "{text}");
        assert!(text.contains("waited for: a packet that never comes"), "{text}");
        assert_eq!(guest.outcome(PASSES), (true, "passed\n".to_owned()));
    });
}
