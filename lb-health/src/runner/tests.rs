use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lb_core::Health;
use tokio::{sync::Notify, time::timeout};

use super::{Check, Runner, RunnerSettings, Verdict};
use crate::{
    Failure, FailureKind, HealthCheck, Outcome, Passed, Target, Timing, Transition, testing::PATIENCE,
};

/// Answers from a script, the last answer for ever.
#[derive(Clone)]
struct Scripted {
    name: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<Vec<Answer>>,
    looks: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
    dropped: AtomicUsize,
    go: Notify,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Up,
    Fail(FailureKind),
    Hang,
    Panic,
    /// Up as soon as `go` is notified.
    Wait,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Scripted {
    fn new(name: &'static str, answers: &[Answer]) -> Self {
        let state = State { answers: Mutex::new(answers.to_vec()), ..State::default() };
        Self { name, state: Arc::new(state) }
    }

    fn looks(&self) -> usize {
        self.state.looks.load(Ordering::SeqCst)
    }

    fn say(&self, answers: &[Answer]) {
        *self.state.answers.lock().unwrap() = answers.to_vec();
    }

    fn check(&self, port: u16, timing: Timing) -> Check {
        Check::new(Arc::new(self.clone()), Target::new(([127, 0, 0, 1], port).into()), timing)
    }
}

/// Counts a look while it lives, and whether it was dropped before its end.
struct Running<'a>(&'a State, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

#[async_trait]
impl HealthCheck for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    async fn check(&self, _: &Target) -> Outcome {
        let state = &*self.state;
        state.looks.fetch_add(1, Ordering::SeqCst);
        let running = state.running.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_running.fetch_max(running, Ordering::SeqCst);
        let mut running = Running(state, false);
        let answer = {
            let mut answers = state.answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0] }
        };
        match answer {
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("on purpose"),
            Answer::Wait => state.go.notified().await,
            Answer::Up | Answer::Fail(_) => {}
        }
        running.1 = true;
        match answer {
            Answer::Fail(kind) => Err(Failure::new(kind, "as told")),
            _ => Ok(Passed::with("as told")),
        }
    }
}

const REFUSED: Answer = Answer::Fail(FailureKind::Refused);

fn quick() -> Timing {
    Timing::every(Duration::from_millis(20), PATIENCE)
}

fn rare() -> Timing {
    Timing::every(Duration::from_secs(3600), PATIENCE)
}

fn start() -> Runner {
    start_with(|_| {})
}

/// A runner whose checks have their first look at once.
fn start_with(change: impl FnOnce(&mut RunnerSettings)) -> Runner {
    let tick = Duration::from_millis(1);
    let mut settings = RunnerSettings { spread: Duration::ZERO, tick, seed: 1, ..RunnerSettings::default() };
    change(&mut settings);
    Runner::start(settings)
}

async fn next(runner: &Runner) -> Verdict {
    timeout(PATIENCE, runner.verdict()).await.expect("no verdict")
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("did not come true");
}

#[tokio::test]
async fn the_first_look_is_told_with_its_transition() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Up]));
    let ids = runner.set([probe.check(1, rare())]);
    let verdict = next(&runner).await;
    assert_eq!((verdict.check, verdict.health, verdict.looks), (ids[0], Health::Up, 1));
    let transition = verdict.transition.unwrap();
    assert_eq!((transition.from, transition.to), (Health::Unknown, Health::Up));
    assert_eq!(verdict.look.outcome, Ok(Passed::with("as told")));
    assert_eq!(runner.status_of(ids[0]).unwrap().since, Some(transition.at));
}

#[tokio::test]
async fn soft_failures_are_told_one_by_one_and_steady_state_is_silent() {
    let answers = [Answer::Up, REFUSED, REFUSED, REFUSED, REFUSED, Answer::Up, Answer::Up];
    let (runner, probe) = (start(), Scripted::new("p", &answers));
    let ids = runner.set([probe.check(1, Timing { fall: NonZeroU32::new(3).unwrap(), ..rare() })]);
    let mut told = Vec::new();
    for looks in 1..=answers.len() {
        until(|| runner.status_of(ids[0]).unwrap().looks == looks as u64).await;
        told.push(runner.try_verdict().map(|verdict| {
            let leaning = verdict.leaning.map(|soft| soft.to_string());
            (verdict.health, leaning.unwrap_or_default(), verdict.transition.is_some())
        }));
        runner.check_now(ids[0]);
    }
    let expected = [
        Some((Health::Up, String::new(), true)),
        Some((Health::Up, "failure 1/3".into(), false)),
        Some((Health::Up, "failure 2/3".into(), false)),
        Some((Health::Down, String::new(), true)),
        None,
        Some((Health::Up, String::new(), true)),
        None,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn every_look_is_told_on_demand() {
    let (runner, probe) = (start_with(|s| s.every_look = true), Scripted::new("p", &[Answer::Up]));
    runner.set([probe.check(1, quick())]);
    let mut looks = 0;
    for _ in 0..4 {
        looks += next(&runner).await.looks;
    }
    assert!(looks >= 4);
}

#[tokio::test]
async fn a_reader_that_sleeps_sees_the_latest_and_one_transition() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Up, REFUSED]));
    let ids = runner.set([probe.check(1, quick())]);
    until(|| runner.status_of(ids[0]).unwrap().looks >= 4).await;
    let verdict = runner.try_verdict().unwrap();
    assert_eq!(verdict.health, Health::Down);
    let Transition { from, to, .. } = verdict.transition.unwrap();
    assert_eq!((from, to), (Health::Unknown, Health::Down));
    assert!(verdict.looks >= 4);
}

#[tokio::test]
async fn the_deadline_drops_the_look() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Hang]));
    runner.set([probe.check(1, Timing { timeout: Duration::from_millis(30), ..rare() })]);
    let verdict = next(&runner).await;
    let failure = verdict.look.outcome.unwrap_err();
    assert_eq!((failure.kind, verdict.health), (FailureKind::Timeout, Health::Down));
    assert!(verdict.look.latency >= Duration::from_millis(30), "{:?}", verdict.look.latency);
    until(|| probe.state.dropped.load(Ordering::SeqCst) == 1).await;
    assert_eq!(runner.counts().expired, 1);
}

#[tokio::test]
async fn equal_checks_are_one() {
    let (runner, probe, other) =
        (start(), Scripted::new("p", &[Answer::Up]), Scripted::new("q", &[Answer::Up]));
    let slower = Timing { timeout: Duration::from_secs(9), ..rare() };
    let ids = runner.set([
        probe.check(1, rare()),
        probe.check(1, rare()),
        probe.check(2, rare()),
        other.check(1, rare()),
        probe.check(1, slower),
    ]);
    assert_eq!(ids[0], ids[1]);
    let mut distinct = ids.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
    until(|| runner.counts().passed == 4).await;
    assert_eq!((probe.looks(), other.looks()), (3, 1));
}

#[tokio::test]
async fn a_reload_keeps_what_stays_and_looks_no_more_at_what_goes() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Up]));
    let before = runner.set([probe.check(1, rare()), probe.check(2, rare())]);
    until(|| runner.counts().passed == 2).await;
    let since = runner.status_of(before[1]).unwrap().since;
    let after = runner.set([probe.check(2, rare()), probe.check(3, rare())]);
    assert_eq!(after[0], before[1]);
    assert!(!before.contains(&after[1]));
    until(|| runner.counts().passed == 3).await;
    assert_eq!(runner.status_of(after[0]).unwrap().since, since);
    assert_eq!(runner.status_of(before[0]), None);
    assert_eq!(probe.looks(), 3);
}

#[tokio::test]
async fn another_timing_keeps_the_health() {
    let (runner, probe) = (start(), Scripted::new("p", &[REFUSED]));
    runner.set([probe.check(1, rare())]);
    assert_eq!(next(&runner).await.health, Health::Down);
    probe.say(&[Answer::Hang]);
    let ids = runner.set([probe.check(1, Timing { rise: NonZeroU32::new(2).unwrap(), ..rare() })]);
    assert_eq!(runner.status_of(ids[0]).unwrap().health, Health::Down);
}

#[tokio::test]
async fn a_given_health_holds_until_looks_say_otherwise() {
    let (runner, probe) = (start(), Scripted::new("p", &[REFUSED]));
    let fall = NonZeroU32::new(2).unwrap();
    let check = Check { initial: Health::Up, ..probe.check(1, Timing { fall, ..rare() }) };
    let ids = runner.set([check]);
    let verdict = next(&runner).await;
    assert_eq!((verdict.health, verdict.leaning.unwrap().count), (Health::Up, 1));
    runner.check_now(ids[0]);
    let transition = next(&runner).await.transition.unwrap();
    assert_eq!((transition.from, transition.to), (Health::Up, Health::Down));
}

#[tokio::test]
async fn a_check_that_cannot_run_changes_no_health() {
    let answers = [Answer::Up, Answer::Fail(FailureKind::Local)];
    let (runner, probe) = (start(), Scripted::new("p", &answers));
    runner.set([probe.check(1, quick())]);
    let mut verdict = next(&runner).await;
    while verdict.look.outcome.is_ok() {
        verdict = next(&runner).await;
    }
    assert_eq!((verdict.health, verdict.look.outcome.unwrap_err().kind), (Health::Up, FailureKind::Local));
    until(|| runner.counts().inconclusive >= 2).await;
    assert_eq!(runner.try_verdict(), None, "the same failure again is no news");
}

#[tokio::test]
async fn a_panic_takes_a_server_out_of_service() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Up, Answer::Panic]));
    runner.set([probe.check(1, quick())]);
    let mut verdict = next(&runner).await;
    while verdict.look.outcome.is_ok() {
        verdict = next(&runner).await;
    }
    while verdict.health != Health::Down {
        assert_eq!(verdict.look.outcome.unwrap_err().kind, FailureKind::Panicked);
        verdict = next(&runner).await;
    }
}

#[tokio::test]
async fn switched_off_counts_at_once() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Fail(FailureKind::Administrative)]));
    let check = probe.check(1, Timing { fall: NonZeroU32::new(9).unwrap(), ..rare() });
    runner.set([Check { initial: Health::Up, ..check }]);
    assert_eq!(next(&runner).await.health, Health::Down);
}

#[tokio::test]
async fn a_retry_is_sooner_than_the_interval() {
    let (runner, probe) = (start(), Scripted::new("p", &[REFUSED, Answer::Up]));
    let retry = Some(Duration::from_millis(5));
    let fall = NonZeroU32::new(3).unwrap();
    runner.set([Check { initial: Health::Up, ..probe.check(1, Timing { retry, fall, ..rare() }) }]);
    until(|| runner.counts().passed == 1).await;
    assert_eq!(probe.looks(), 2);
}

#[tokio::test]
async fn a_pause_drops_the_look_and_the_end_of_it_looks() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Wait]));
    let ids = runner.set([probe.check(1, quick())]);
    until(|| probe.looks() == 1).await;
    runner.pause(ids[0]);
    until(|| probe.state.dropped.load(Ordering::SeqCst) == 1).await;
    assert!(runner.status_of(ids[0]).unwrap().paused);
    runner.check_now(ids[0]);
    probe.say(&[Answer::Up]);
    runner.resume(ids[0]);
    assert_eq!(next(&runner).await.health, Health::Up);
}

#[tokio::test]
async fn a_probe_that_panics_harms_nobody() {
    let (runner, bad, good) =
        (start(), Scripted::new("bad", &[Answer::Panic]), Scripted::new("good", &[Answer::Up]));
    let ids = runner.set([bad.check(1, rare()), good.check(2, rare())]);
    until(|| runner.counts().passed == 1 && runner.counts().failed == 1).await;
    let last = runner.status_of(ids[0]).unwrap().last.unwrap();
    assert_eq!(last.outcome.unwrap_err().kind, FailureKind::Panicked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_looks_run_than_may_and_none_twice() {
    let (runner, probe) = (start_with(|s| s.in_flight = 3), Scripted::new("p", &[Answer::Wait]));
    runner.set((1..=20).map(|port| probe.check(port, rare())));
    let state = &probe.state;
    while runner.counts().passed < 20 {
        state.go.notify_waiters();
        tokio::task::yield_now().await;
        assert!(runner.counts().in_flight <= 3);
    }
    assert_eq!((probe.looks(), state.most_running.load(Ordering::SeqCst)), (20, 3));
}

#[tokio::test]
async fn a_dropped_runner_drops_its_looks() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Hang]));
    runner.set((1..=5).map(|port| probe.check(port, rare())));
    until(|| probe.looks() == 5).await;
    drop(runner);
    until(|| probe.state.dropped.load(Ordering::SeqCst) == 5).await;
}

#[tokio::test]
async fn removal_drops_the_look() {
    let (runner, probe) = (start(), Scripted::new("p", &[Answer::Hang]));
    runner.set([probe.check(1, rare())]);
    until(|| probe.looks() == 1).await;
    runner.set([]);
    until(|| probe.state.dropped.load(Ordering::SeqCst) == 1).await;
    assert_eq!((runner.counts().checks, runner.counts().in_flight, runner.status().len()), (0, 0, 0));
}

/// The answer is there in time, and it is the balancer that does not run: no failure of the server.
#[cfg(feature = "http")]
#[tokio::test]
async fn a_late_balancer_reads_answers_before_it_gives_up() {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
    let (answered, was_answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        asked.blocking_send(()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        answered.send(stream).unwrap();
    });
    let probe = crate::probe::http::Http::new(crate::probe::http::HttpSettings::default()).unwrap();
    let (runner, deadline) = (start(), Duration::from_secs(1));
    runner.set([Check::new(Arc::new(probe), address, Timing { timeout: deadline, ..rare() })]);
    timeout(PATIENCE, was_asked.recv()).await.unwrap();
    // This blocks the runtime, as a machine does that has no time for it.
    let _stream = was_answered.recv().unwrap();
    std::thread::sleep(deadline + deadline / 2);
    // The runner looks at its plan before the runtime looks at its sockets.
    runner.check_now(crate::CheckId::new(0));
    assert_eq!(next(&runner).await.look.outcome.unwrap().detail, "200 OK");
}

/// Time in which the balancer did not run is not the server's, either.
#[cfg(feature = "http")]
#[tokio::test]
async fn a_stall_moves_the_deadlines() {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
    let (go, answer) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        asked.blocking_send(()).unwrap();
        answer.recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream
    });
    let probe = crate::probe::http::Http::new(crate::probe::http::HttpSettings::default()).unwrap();
    // The other one has the runner wake up often, and so notice when it could not.
    let (runner, deadline, other) = (start(), Duration::from_secs(8), Scripted::new("other", &[Answer::Up]));
    let slow = Check::new(Arc::new(probe), address, Timing { timeout: deadline, ..rare() });
    let ids = runner.set([slow, other.check(1, quick())]);
    timeout(PATIENCE, was_asked.recv()).await.unwrap();
    std::thread::sleep(deadline);
    let looks = other.looks();
    until(|| other.looks() > looks + 2).await;
    go.send(()).unwrap();
    until(|| runner.status_of(ids[0]).unwrap().looks == 1).await;
    let last = runner.status_of(ids[0]).unwrap().last.unwrap();
    assert_eq!(last.outcome.unwrap().detail, "200 OK");
    drop(server.join());
}
