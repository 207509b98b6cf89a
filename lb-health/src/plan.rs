//! When to look at what. Pure: no clock, no socket, no entropy; the same inputs give the same plan.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use lb_core::Time;
use serde::{Deserialize, Serialize};

use crate::Timing;

/// Names one check. Never used twice by one runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckId(u64);

/// Which checks to start and which to give up.
///
/// Feed it with [`handle_input`](Self::handle_input), call [`handle_timeout`](Self::handle_timeout) when the time
/// of [`poll_timeout`](Self::poll_timeout) has come (early or late is harmless), and after either drain
/// [`poll_output`](Self::poll_output).
///
/// - The first looks spread over the interval (at most [`Pacing::spread`]), the later ones over the whole interval,
///   evenly for any number of checks: each new check falls into the widest gap (multiples of the golden ratio).
/// - Every check keeps its own beat. A slow check leaves out the beats it has missed, never runs twice at a time
///   and delays no other.
/// - At most [`Pacing::in_flight`] looks run at a time; who is due waits in the order of the due times.
///
/// Each step costs O(log n) in the number of checks.
#[derive(Debug)]
pub struct Plan {
    pacing: Pacing,
    checks: ById<Entry>,
    due: BTreeSet<(Time, CheckId)>,
    /// On a clock that stands still while the program does: without `lost`.
    deadlines: BTreeSet<(Time, CheckId)>,
    /// How long the program has not run when it should have.
    lost: Duration,
    outputs: VecDeque<Output>,
    /// Where in its interval the next check falls, in 2⁻⁶⁴.
    next_phase: u64,
}

/// What concerns all checks of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Looks that may run at the same time; at least 1.
    pub in_flight: usize,
    /// Due times and deadlines are rounded up to multiples of this, so that many are handled in one go; zero = not
    /// at all. A deadline is never earlier than asked for.
    pub tick: Duration,
    /// All new checks have their first look within this time.
    pub spread: Duration,
    /// Changes phases and jitter; give every balancer its own.
    pub seed: u64,
}

/// What happens to the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A new check, or another timing for one that is there.
    Set(CheckId, Timing),
    /// A check is gone. A look in flight is cancelled.
    Remove(CheckId),
    /// A look has ended. The next one starts on the check's next beat.
    Finished(CheckId),
    /// The look that has just ended or expired asks for the next one this long from now, instead of on the beat;
    /// not less than 1 ms.
    Retry(CheckId, Duration),
    /// Look as soon as possible; if a look is in flight, another one follows it.
    Now(CheckId),
    /// No looks until further notice. A look in flight is cancelled.
    Pause(CheckId),
    /// The end of a pause: look at once.
    Resume(CheckId),
    /// This program was held up for so long, so that it can neither have sent nor read anything: all deadlines
    /// move by that.
    Stalled(Duration),
}

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a look.
    Start(CheckId),
    /// The look has passed its deadline: drop it, it counts as failed. Not to be reported as [`Input::Finished`].
    Expire(CheckId),
    /// Drop the look, it counts as never made. Not to be reported as [`Input::Finished`].
    Cancel(CheckId),
}

#[derive(Debug)]
struct Entry {
    interval: u64,
    timeout: Duration,
    jitter: u64,
    phase: u64,
    beats: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Paused,
    Waiting { due: Time },
    Looking { deadline: Time, again: bool },
}

impl Plan {
    /// No checks yet.
    pub fn new(pacing: Pacing) -> Self {
        let pacing = Pacing { in_flight: pacing.in_flight.max(1), ..pacing };
        Self {
            pacing,
            checks: ById::default(),
            due: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            lost: Duration::ZERO,
            outputs: VecDeque::new(),
            next_phase: scramble(pacing.seed),
        }
    }

    /// Takes notice. Inputs about checks that are not there are ignored: they may have been under way when the
    /// check was removed.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        match input {
            Input::Set(id, timing) => self.set(now, id, &timing),
            Input::Remove(id) => {
                self.halt(id);
                self.checks.remove(&id);
            }
            Input::Finished(id) => self.finished(now, id),
            Input::Retry(id, after) => {
                if let Some(State::Waiting { .. }) = self.checks.get(&id).map(|entry| entry.state) {
                    self.wait(id, now + after.max(SHORTEST));
                }
            }
            Input::Now(id) => match self.checks.get_mut(&id).map(|entry| &mut entry.state) {
                Some(State::Looking { again, .. }) => *again = true,
                Some(State::Waiting { .. }) => self.wait(id, now),
                Some(State::Paused) | None => {}
            },
            Input::Pause(id) => {
                self.halt(id);
                if let Some(entry) = self.checks.get_mut(&id) {
                    entry.state = State::Paused;
                }
            }
            Input::Resume(id) => {
                if self.checks.get(&id).is_some_and(|entry| entry.state == State::Paused) {
                    self.wait(id, now);
                }
            }
            Input::Stalled(time) => self.lost = self.lost.saturating_add(time),
        }
    }

    /// Starts what is due and gives up what has passed its deadline.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline + self.lost <= now
        {
            self.outputs.push_back(Output::Expire(id));
            self.finished(now, id);
        }
        self.start_due(now);
    }

    /// What to do next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether [`Self::poll_output`] has something to say.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// When to call [`Self::handle_timeout`]; after that call it is later than its `now`.
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = self.due.first().filter(|_| self.has_room()).map(|&(due, _)| due);
        due.into_iter().chain(self.deadlines.first().map(|&(deadline, _)| deadline + self.lost)).min()
    }

    /// Whether the next [`Self::handle_timeout`] will give up a look.
    pub fn is_overdue(&self, now: Time) -> bool {
        self.deadlines.first().is_some_and(|&(deadline, _)| deadline + self.lost <= now)
    }

    /// Looks that are running.
    pub fn in_flight(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether the check is paused.
    pub fn is_paused(&self, id: CheckId) -> bool {
        self.checks.get(&id).is_some_and(|entry| entry.state == State::Paused)
    }

    fn set(&mut self, now: Time, id: CheckId, timing: &Timing) {
        let interval = nanos(timing.interval).clamp(nanos(SHORTEST), u64::MAX / 4);
        let jitter = nanos(timing.jitter).min(interval / 2);
        if let Some(entry) = self.checks.get_mut(&id) {
            entry.phase = scale(share(entry.phase, entry.interval), interval);
            (entry.interval, entry.jitter, entry.timeout) = (interval, jitter, timing.timeout);
            if let State::Waiting { .. } = entry.state {
                self.wait_for_beat(id, now);
            }
            return;
        }
        let place = self.next_phase;
        self.next_phase = place.wrapping_add(GOLDEN);
        let first = Duration::from_nanos(scale(place, interval.min(nanos(self.pacing.spread))));
        let state = State::Paused;
        let phase = scale(place, interval);
        self.checks.insert(id, Entry { interval, timeout: timing.timeout, jitter, phase, beats: 0, state });
        self.wait(id, now + first);
    }

    fn finished(&mut self, now: Time, id: CheckId) {
        let Some(&State::Looking { deadline, again }) = self.checks.get(&id).map(|entry| &entry.state) else {
            return;
        };
        self.deadlines.remove(&(deadline, id));
        if again { self.wait(id, now) } else { self.wait_for_beat(id, now) }
    }

    /// Off both lists; a look in flight is cancelled.
    fn halt(&mut self, id: CheckId) {
        match self.checks.get(&id).map(|entry| entry.state) {
            Some(State::Waiting { due }) => {
                self.due.remove(&(due, id));
            }
            Some(State::Looking { deadline, .. }) => {
                self.deadlines.remove(&(deadline, id));
                self.outputs.push_back(Output::Cancel(id));
            }
            Some(State::Paused) | None => {}
        }
    }

    fn wait_for_beat(&mut self, id: CheckId, now: Time) {
        let Some(entry) = self.checks.get_mut(&id) else { return };
        entry.beats = entry.beats.wrapping_add(1);
        let jitter = scale(scramble(self.pacing.seed ^ scramble(id.0) ^ entry.beats), entry.jitter);
        let beat = entry.beat_after(now) + Duration::from_nanos(jitter);
        self.wait(id, beat);
    }

    fn wait(&mut self, id: CheckId, due: Time) {
        let due = self.round_up(due);
        let Some(entry) = self.checks.get_mut(&id) else { return };
        if let State::Waiting { due: before } = entry.state {
            self.due.remove(&(before, id));
        }
        entry.state = State::Waiting { due };
        self.due.insert((due, id));
    }

    fn start_due(&mut self, now: Time) {
        while self.has_room()
            && let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            let Some(timeout) = self.checks.get(&id).map(|entry| entry.timeout) else { continue };
            // The deadline has to be later than now, or handle_timeout() could not make progress.
            let deadline = self.round_up((now + timeout).max(now + Duration::from_nanos(1)));
            let deadline = Time::ZERO + deadline.since(Time::ZERO + self.lost);
            if let Some(entry) = self.checks.get_mut(&id) {
                entry.state = State::Looking { deadline, again: false };
            }
            self.deadlines.insert((deadline, id));
            self.outputs.push_back(Output::Start(id));
        }
    }

    fn has_room(&self) -> bool {
        self.deadlines.len() < self.pacing.in_flight
    }

    fn round_up(&self, time: Time) -> Time {
        match nanos(self.pacing.tick) {
            0 => time,
            tick => Time::from_nanos(time.as_nanos().div_ceil(tick).saturating_mul(tick)),
        }
    }
}

impl Entry {
    /// The first point after `now` that is the phase plus a multiple of the interval.
    fn beat_after(&self, now: Time) -> Time {
        let past = (now.as_nanos() % self.interval + self.interval - self.phase) % self.interval;
        now + Duration::from_nanos(self.interval - past)
    }
}

/// A map by name, hashed by one multiplication: names are drawn by us, so nobody can make them collide.
pub(crate) type ById<T> = HashMap<CheckId, T, BuildHasherDefault<NumberHasher>>;

#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN).rotate_left(32);
    }
}

impl CheckId {
    /// The name with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// No check looks more often than this.
const SHORTEST: Duration = Duration::from_millis(1);

/// 2⁶⁴ divided by the golden ratio: its multiples, taken modulo 2⁶⁴, always split the widest gap.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function: every bit of the input changes about half of the output's.
const fn scramble(seed: u64) -> u64 {
    let z = seed.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `part`, in 2⁻⁶⁴, of `whole`.
const fn scale(part: u64, whole: u64) -> u64 {
    ((part as u128 * whole as u128) >> 64) as u64
}

/// What part of `whole` `some` is, in 2⁻⁶⁴; `some` is less than `whole`.
const fn share(some: u64, whole: u64) -> u64 {
    (((some as u128) << 64) / whole as u128) as u64
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
