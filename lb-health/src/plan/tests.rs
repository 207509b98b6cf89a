use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use lb_core::Time;
use proptest::prelude::*;

use super::{CheckId, Input, Output, Pacing, Plan};
use crate::Timing;

const SECOND: Duration = Duration::from_secs(1);

fn pacing() -> Pacing {
    Pacing { in_flight: 1000, tick: Duration::ZERO, spread: SECOND, seed: 7 }
}

fn every(interval: Duration) -> Timing {
    Timing::every(interval, SECOND)
}

fn id(number: u64) -> CheckId {
    CheckId::new(number)
}

fn feed(plan: &mut Plan, now: Time, input: Input) {
    plan.handle_input(now, input);
    plan.handle_timeout(now);
}

fn outputs(plan: &mut Plan) -> Vec<Output> {
    std::iter::from_fn(|| plan.poll_output()).collect()
}

/// Runs the plan until `end`; each look takes what `takes` says. Returns the starts of each check.
fn run(plan: &mut Plan, end: Time, takes: impl Fn(CheckId) -> Duration) -> BTreeMap<CheckId, Vec<Time>> {
    let mut starts: BTreeMap<CheckId, Vec<Time>> = BTreeMap::new();
    let mut ends: BTreeSet<(Time, CheckId)> = BTreeSet::new();
    let mut now = Time::ZERO;
    loop {
        for output in outputs(plan) {
            match output {
                Output::Start(id) => {
                    starts.entry(id).or_default().push(now);
                    ends.insert((now + takes(id), id));
                }
                Output::Expire(id) | Output::Cancel(id) => ends.retain(|&(_, other)| other != id),
            }
        }
        let next_end = ends.first().copied();
        let wake = plan.poll_timeout();
        now = wake.into_iter().chain(next_end.map(|(at, _)| at)).min().unwrap_or(end);
        if now >= end {
            return starts;
        }
        match next_end {
            Some((at, id)) if at == now => {
                ends.pop_first();
                feed(plan, now, Input::Finished(id));
            }
            _ => {
                plan.handle_timeout(now);
                assert!(plan.poll_timeout().is_none_or(|next| next > now), "no progress at {now}");
            }
        }
    }
}

fn gaps(starts: &[Time]) -> Vec<Duration> {
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn looks_spread_over_the_interval() {
    let mut plan = Plan::new(pacing());
    for n in 0..100 {
        feed(&mut plan, Time::ZERO, Input::Set(id(n), every(10 * SECOND)));
    }
    let starts = run(&mut plan, Time::from_secs(30), |_| Duration::ZERO);
    assert!(starts.len() == 100 && starts.values().all(|times| times[0] <= Time::from_secs(1)), "{starts:?}");
    // From then on, no 100 ms see more than three of a hundred checks, where one is the mean.
    let mut later: Vec<Time> = starts.values().flat_map(|times| &times[2..]).copied().collect();
    later.sort_unstable();
    let crowd = later
        .iter()
        .map(|&from| later.iter().filter(|&&at| at >= from && at - from < SECOND / 10).count())
        .max();
    assert!(crowd <= Some(3), "{crowd:?}");
}

#[test]
fn each_check_keeps_its_beat_however_long_its_looks_take() {
    let mut plan = Plan::new(pacing());
    for n in 0..10 {
        feed(&mut plan, Time::ZERO, Input::Set(id(n), every(SECOND)));
    }
    let starts = run(&mut plan, Time::from_secs(10), |id| Duration::from_millis(90) * id.number() as u32);
    for times in starts.values() {
        assert!(gaps(&times[1..]).iter().all(|&gap| gap == SECOND), "{times:?}");
    }
}

#[test]
fn a_slow_check_leaves_out_beats_and_delays_nobody() {
    let mut plan = Plan::new(pacing());
    let slow = Timing { timeout: 10 * SECOND, ..every(SECOND) };
    feed(&mut plan, Time::ZERO, Input::Set(id(1), slow));
    feed(&mut plan, Time::ZERO, Input::Set(id(2), every(SECOND)));
    let takes = |check| if check == id(1) { Duration::from_millis(2500) } else { Duration::ZERO };
    let starts = run(&mut plan, Time::from_secs(20), takes);
    assert!(gaps(&starts[&id(1)][1..]).iter().all(|&gap| gap == 3 * SECOND), "{starts:?}");
    assert!(gaps(&starts[&id(2)][1..]).iter().all(|&gap| gap == SECOND), "{starts:?}");
}

#[test]
fn a_look_expires_at_its_deadline() {
    let mut plan = Plan::new(Pacing { spread: Duration::ZERO, ..pacing() });
    feed(&mut plan, Time::ZERO, Input::Set(id(1), Timing::every(10 * SECOND, 3 * SECOND)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1))]);
    assert_eq!(plan.poll_timeout(), Some(Time::from_secs(3)));
    plan.handle_timeout(Time::from_millis(2999));
    assert_eq!(outputs(&mut plan), []);
    plan.handle_timeout(Time::from_secs(3));
    assert_eq!(outputs(&mut plan), [Output::Expire(id(1))]);
    assert!(
        plan.poll_timeout() > Some(Time::from_secs(3)) && plan.poll_timeout() <= Some(Time::from_secs(13))
    );
}

#[test]
fn a_stall_of_the_program_is_not_the_servers() {
    let mut plan = Plan::new(Pacing { spread: Duration::ZERO, ..pacing() });
    feed(&mut plan, Time::ZERO, Input::Set(id(1), Timing::every(100 * SECOND, 3 * SECOND)));
    feed(&mut plan, Time::from_secs(5), Input::Stalled(4 * SECOND));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1))]);
    assert_eq!(plan.poll_timeout(), Some(Time::from_secs(7)));
    // One that starts afterwards has no more than its own time.
    feed(&mut plan, Time::from_secs(6), Input::Set(id(2), Timing::every(100 * SECOND, 3 * SECOND)));
    plan.handle_timeout(Time::from_secs(7));
    assert_eq!(outputs(&mut plan), [Output::Start(id(2)), Output::Expire(id(1))]);
    assert_eq!(plan.poll_timeout(), Some(Time::from_secs(9)));
}

#[test]
fn the_limit_holds_and_the_longest_due_goes_first() {
    let mut plan = Plan::new(Pacing { in_flight: 2, spread: Duration::ZERO, ..pacing() });
    for n in 1..=4 {
        feed(&mut plan, Time::from_secs(n), Input::Set(id(n), Timing::every(100 * SECOND, 50 * SECOND)));
    }
    assert_eq!(outputs(&mut plan), [Output::Start(id(1)), Output::Start(id(2))]);
    assert_eq!(plan.poll_timeout(), Some(Time::from_secs(51)));
    feed(&mut plan, Time::from_secs(5), Input::Finished(id(2)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(3))]);
    plan.handle_timeout(Time::from_secs(51));
    assert_eq!(outputs(&mut plan), [Output::Expire(id(1)), Output::Start(id(4))]);
    assert_eq!(plan.in_flight(), 2);
}

#[test]
fn a_retry_does_not_wait_for_the_beat() {
    let mut plan = Plan::new(Pacing { spread: Duration::ZERO, ..pacing() });
    feed(&mut plan, Time::ZERO, Input::Set(id(1), every(100 * SECOND)));
    outputs(&mut plan);
    let now = Time::from_millis(100);
    feed(&mut plan, now, Input::Finished(id(1)));
    feed(&mut plan, now, Input::Retry(id(1), SECOND));
    assert_eq!(plan.poll_timeout(), Some(Time::from_millis(1100)));
}

#[test]
fn now_means_after_whatever_is_seen_now() {
    let mut plan = Plan::new(pacing());
    feed(&mut plan, Time::ZERO, Input::Set(id(1), every(100 * SECOND)));
    feed(&mut plan, Time::ZERO, Input::Now(id(1)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1))]);
    feed(&mut plan, Time::from_millis(1), Input::Now(id(1)));
    assert_eq!(outputs(&mut plan), []);
    feed(&mut plan, Time::from_millis(2), Input::Finished(id(1)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1))]);
    feed(&mut plan, Time::from_millis(3), Input::Finished(id(1)));
    assert_eq!(outputs(&mut plan), []);
}

#[test]
fn pause_cancels_and_resume_looks() {
    let mut plan = Plan::new(Pacing { spread: Duration::ZERO, ..pacing() });
    feed(&mut plan, Time::ZERO, Input::Set(id(1), every(SECOND)));
    feed(&mut plan, Time::ZERO, Input::Pause(id(1)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1)), Output::Cancel(id(1))]);
    assert_eq!((plan.poll_timeout(), plan.is_paused(id(1))), (None, true));
    feed(&mut plan, Time::from_secs(5), Input::Now(id(1)));
    assert_eq!(outputs(&mut plan), []);
    feed(&mut plan, Time::from_secs(9), Input::Resume(id(1)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1))]);
}

#[test]
fn a_removed_check_leaves_nothing() {
    let mut plan = Plan::new(Pacing { spread: Duration::ZERO, ..pacing() });
    feed(&mut plan, Time::ZERO, Input::Set(id(1), every(SECOND)));
    feed(&mut plan, Time::from_millis(1), Input::Remove(id(1)));
    assert_eq!(outputs(&mut plan), [Output::Start(id(1)), Output::Cancel(id(1))]);
    feed(&mut plan, Time::from_millis(2), Input::Finished(id(1)));
    assert_eq!((plan.poll_timeout(), plan.in_flight()), (None, 0));
}

#[test]
fn another_timing_keeps_the_place_in_the_interval() {
    let mut plan = Plan::new(pacing());
    for n in 0..50 {
        feed(&mut plan, Time::ZERO, Input::Set(id(n), every(SECOND)));
    }
    for n in 0..50 {
        feed(&mut plan, Time::ZERO, Input::Set(id(n), every(50 * SECOND)));
    }
    let starts = run(&mut plan, Time::from_secs(50), |_| Duration::ZERO);
    let seconds: BTreeSet<u64> = starts.values().map(|times| times[0].as_nanos() / 1_000_000_000).collect();
    assert!(seconds.len() > 40, "{seconds:?}");
}

#[test]
fn jitter_delays_by_less_than_itself_and_not_always_by_the_same() {
    let mut plan = Plan::new(pacing());
    let jitter = SECOND / 10;
    feed(&mut plan, Time::ZERO, Input::Set(id(1), Timing { jitter, ..every(SECOND) }));
    let starts = run(&mut plan, Time::from_secs(100), |_| Duration::ZERO);
    let gaps = gaps(&starts[&id(1)][1..]);
    assert!(gaps.iter().all(|&gap| gap > SECOND - jitter && gap < SECOND + jitter), "{gaps:?}");
    assert!(gaps.iter().collect::<BTreeSet<_>>().len() > 50, "{gaps:?}");
}

#[test]
fn a_tick_rounds_up_and_never_down() {
    let tick = Duration::from_millis(10);
    let mut plan = Plan::new(Pacing { tick, spread: Duration::ZERO, ..pacing() });
    let timing = Timing::every(SECOND, Duration::from_millis(15));
    feed(&mut plan, Time::from_millis(3), Input::Set(id(1), timing));
    assert_eq!(plan.poll_timeout(), Some(Time::from_millis(10)));
    plan.handle_timeout(Time::from_millis(11));
    assert_eq!(
        (outputs(&mut plan), plan.poll_timeout()),
        (vec![Output::Start(id(1))], Some(Time::from_millis(30)))
    );
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let play = |seed| {
        let mut plan = Plan::new(Pacing { seed, ..pacing() });
        for n in 0..20 {
            feed(&mut plan, Time::ZERO, Input::Set(id(n), Timing { jitter: SECOND / 4, ..every(SECOND) }));
        }
        run(&mut plan, Time::from_secs(9), |_| Duration::from_millis(3))
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

fn input() -> impl Strategy<Value = Input> {
    let timing = (0u64..3000, 0u64..3000, 0u64..2000).prop_map(|(interval, timeout, jitter)| Timing {
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(timeout),
        jitter: Duration::from_millis(jitter),
        retry: None,
        rise: NonZeroU32::MIN,
        fall: NonZeroU32::MIN,
    });
    (0u64..6, 0u8..9, timing).prop_map(|(n, what, timing)| match what {
        8 => Input::Stalled(timing.jitter),
        0 | 1 => Input::Set(id(n), timing),
        2 => Input::Remove(id(n)),
        3 => Input::Finished(id(n)),
        4 => Input::Retry(id(n), timing.interval),
        5 => Input::Now(id(n)),
        6 => Input::Pause(id(n)),
        _ => Input::Resume(id(n)),
    })
}

proptest! {
    /// Whatever happens: one look per check at a time, never more than the limit, each start has one end, and the
    /// next wake-up is later than the last.
    #[test]
    fn no_input_breaks_the_plan(inputs in prop::collection::vec((input(), 0u64..2000), 1..200), in_flight in 1usize..4) {
        let mut plan = Plan::new(Pacing { in_flight, tick: Duration::from_millis(10), ..pacing() });
        let mut now = Time::ZERO;
        let mut flying = BTreeSet::new();
        for (input, pause) in inputs {
            // A driver reports the end of looks only that are running.
            if let Input::Finished(id) = input && !flying.remove(&id) { continue }
            plan.handle_input(now, input);
            for step in 0..2 {
                if step == 1 {
                    now = now + Duration::from_millis(pause);
                    plan.handle_timeout(now);
                    prop_assert!(plan.poll_timeout().is_none_or(|next| next > now));
                }
                while let Some(output) = plan.poll_output() {
                    match output {
                        Output::Start(id) => prop_assert!(flying.insert(id), "{} runs twice", id),
                        Output::Expire(id) | Output::Cancel(id) => prop_assert!(flying.remove(&id)),
                    }
                }
                prop_assert!(flying.len() <= in_flight);
                prop_assert_eq!(flying.len(), plan.in_flight());
            }
        }
    }
}
