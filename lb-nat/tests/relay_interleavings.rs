//! Whatever two ends do in whatever order, each sees what it would have seen without a relay between them.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "relay/payload.rs"]
mod payload;
#[path = "relay/world.rs"]
mod world;

use std::{
    io::Write,
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use lb_core::model::SchedulerKind;
use lb_nat::relay::{RelayConfig, SpliceMode};
use proptest::{collection::vec, prelude::*, test_runner::Config};

use payload::{Check, pattern};
use world::{World, impatient};

/// What one end does next.
#[derive(Clone, Debug)]
enum Act {
    /// Sends so many bytes.
    Send(usize),
    /// Waits until so many bytes have come, or the other end has said its end.
    Expect(usize),
    /// Lets others run.
    Yield,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop_oneof![1_usize..20, 1_000_usize..3_000, 60_000_usize..70_000, 200_000_usize..700_000]
            .prop_map(Act::Send),
        2 => (1_usize..5_000).prop_map(Act::Expect),
        1 => Just(Act::Yield),
    ]
}

/// One end of a connection, by its script; at the end it half-closes and reads on to the other's end. Returns how
/// much it has received, all of it checked.
///
/// Reading is a thread of its own, as writing would block for ever where two ends only write.
fn play(socket: TcpStream, script: Vec<Act>, own: u64, other: u64) -> usize {
    let source = socket.try_clone().unwrap();
    let (progress, progressed) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut check = Check::new(other);
        let mut total = 0;
        while check.read_exactly(&source, 1).is_ok() {
            total += 1;
            // Single bytes first, so that pieces of every size occur; then whatever is there.
            let _ = progress.send(1);
            if total == 16 {
                break;
            }
        }
        total + check.read_to_end(&source).unwrap()
    });
    let mut at = 0;
    for act in script {
        match act {
            Act::Send(size) => {
                pattern(own, at, size, |chunk| (&socket).write_all(chunk)).unwrap();
                at += size as u64;
            }
            Act::Expect(count) => {
                for _ in 0..count.min(16) {
                    // An error: the reader is past its single bytes, or at the end.
                    if progressed.recv().is_err() {
                        break;
                    }
                }
            }
            Act::Yield => thread::yield_now(),
        }
    }
    socket.shutdown(Shutdown::Write).unwrap();
    reader.join().unwrap()
}

fn sent(script: &[Act]) -> usize {
    script.iter().map(|act| if let Act::Send(size) = act { *size } else { 0 }).sum()
}

/// An end that waits for the other must not be waited for by it: only the client's script keeps its waits.
fn without_waits(script: Vec<Act>) -> Vec<Act> {
    script.into_iter().map(|act| if let Act::Expect(_) = act { Act::Yield } else { act }).collect()
}

proptest! {
    #![proptest_config(Config { cases: 60, ..Config::default() })]

    #[test]
    fn both_ends_get_everything_and_the_end(
        mode in prop_oneof![Just(SpliceMode::Adaptive), Just(SpliceMode::Never), Just(SpliceMode::Always)],
        client in vec(act(), 0..8),
        server in vec(act(), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = World::with(RelayConfig { splice: mode, ..RelayConfig::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = listener.local_addr().unwrap().into();
        let service = runtime.block_on(world.serve(SchedulerKind::RoundRobin, &[key]));
        let server = without_waits(server);
        let expected = (sent(&server), sent(&client));
        let near = world.connect(&service);
        let far = listener.accept().unwrap().0;
        impatient(&far);
        let far = thread::spawn(move || play(far, server, 2, 1));
        let near = play(near, client, 1, 2);
        prop_assert_eq!((near, far.join().unwrap()), expected);
        runtime.block_on(world.until(&service, &key, "ended", |counters| {
            counters.active + counters.inactive == 0
        }));
        let traffic = runtime.block_on(world.counters(&service, &key)).traffic;
        prop_assert_eq!((traffic.in_bytes, traffic.out_bytes), (expected.1 as u64, expected.0 as u64));
    }
}
