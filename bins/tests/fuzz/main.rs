//! Mutated inputs for everything that reads what others write: servers that are checked, configuration files, peers, the
//! kernel, and both sides of the control socket.
//!
//! `cargo test -p lb-bins --test fuzz` takes some seconds. In the environment:
//! - `FUZZ_SECONDS`: how long all targets take together; default 5. Each has its committed inputs read in any case.
//! - `FUZZ_SEED`: default random; printed. An input depends on seed, target and iteration, and on nothing else.
//! - `FUZZ_TARGET`: only those whose names contain this.
//!
//! An input may take one second of processor time and 200 MB. One that takes more, or makes its target panic, is made
//! smaller, and written to a file whose path is printed; what it shows belongs into `tests/corpus/` and a test beside the
//! code.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failure is a failed test, and says why"
)]

mod child;
mod mutate;
mod parent;
mod servers;
mod targets;

use std::time::Duration;

#[test]
fn nothing_that_is_read_panics_hangs_or_grows() {
    if let Some(order) = child::Order::from_environment() {
        return child::run(&order);
    }
    let seconds =
        variable("FUZZ_SECONDS").map_or(5.0, |text| text.parse().expect("FUZZ_SECONDS is a number"));
    let seed = variable("FUZZ_SEED").map_or_else(random, |text| text.parse().expect("FUZZ_SEED is a number"));
    let only = variable("FUZZ_TARGET").unwrap_or_default();
    let chosen: Vec<_> = targets::all().into_iter().filter(|target| target.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "no target is called `{only}`");
    println!("FUZZ_SEED={seed}");
    let share = Duration::from_secs_f64(seconds) / u32::try_from(chosen.len()).unwrap();
    let mut failures = Vec::new();
    for target in &chosen {
        match parent::fuzz(target, seed, share) {
            Ok(inputs) => println!("{:20} {inputs} inputs", target.name),
            Err(failure) => {
                println!("{failure}");
                failures.push(failure);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The only source of entropy in the standard library.
fn random() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}
