//! What the supervisor does: pure. See [`Supervisor`].

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use lb_control::protocol::DumpKind;
use lb_vrrp::{Time, driver::Resignation};

use super::{
    handover::Handover,
    message::{Message, Request},
};
use crate::inventory::Inventory;

/// A daemon that has died this often within [`DEATH_WINDOW`] is started again after [`RESPAWN_PAUSE`] only.
const MAX_QUICK_DEATHS: usize = 3;
const DEATH_WINDOW: Duration = Duration::from_secs(30);
const RESPAWN_PAUSE: Duration = Duration::from_secs(1);
/// How long after a failed start the next one is tried, and how many in a row may fail.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const MAX_FAILED_STARTS: u32 = 30;
/// How long resigned addresses stay when nobody is to go on with them: long enough for a peer to take over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Exit status when there can be no daemon.
const CANNOT_RUN: u8 = 1;

/// A supervisor and its daemon, as a state machine.
///
/// The driver gives it what happens and when, and carries out the outputs in their order. A request to stop is remembered
/// from any state: no daemon is started after it. Other signals wait until the daemon handles them.
#[derive(Debug)]
pub(super) struct Supervisor {
    state: State,
    handover: Handover,
    outputs: VecDeque<Output>,
    respawns: bool,
    /// Whether a daemon was ready once.
    was_ready: bool,
    /// The request to stop.
    stop: Option<Stop>,
    /// Signals for the daemon, which does not handle them yet.
    pending: BTreeSet<Forward>,
    /// When daemons died lately.
    deaths: Vec<Time>,
    failed_starts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A daemon was to be started, and the driver has not said yet whether it was.
    Launching,
    /// The daemon runs, and does not handle signals yet.
    Starting {
        pid: u32,
    },
    /// The daemon handles signals, and knows what to go on with.
    Running {
        pid: u32,
    },
    /// There is no daemon until then.
    Pausing {
        until: Time,
    },
    /// There will be no daemon any more. What is installed is removed then.
    Leaving {
        until: Time,
        code: u8,
    },
    Ended,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// The daemon was started.
    Started { pid: u32 },
    /// The daemon could not be started.
    StartFailed(String),
    /// The daemon has ended. All its messages were given before.
    Exited(Exit),
    /// The daemon says something.
    Message(Message),
    /// The supervisor is to stop.
    Stop(Stop),
    /// The supervisor got another signal.
    Forward(Forward),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    /// Whether a signal ended it.
    pub(super) killed: bool,
    /// Its exit status, or 128 and the number of the signal.
    pub(super) code: u8,
    /// In words.
    pub(super) text: String,
}

/// A signal that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Terminate,
    Interrupt,
}

/// A signal for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forward {
    Reload,
    Dump(DumpKind),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// Start the daemon. Answered by [`Input::Started`] or [`Input::StartFailed`].
    Start,
    /// Send the daemon this signal.
    Stop(Stop),
    /// Send the daemon SIGHUP.
    Reload,
    /// Send the daemon this message.
    Send(Request),
    /// Send these messages to peers.
    Resign(Vec<Resignation>),
    /// Remove these objects.
    Remove(Inventory),
    /// Instances are resigned in this network namespace from now on.
    Namespace(String),
    /// A daemon runs, for the first time.
    Ready,
    /// Write this to the log.
    Log(String),
    /// End with this exit status.
    Exit(u8),
}

impl Supervisor {
    /// A supervisor that starts its daemon. `respawns`: whether one that dies is started again.
    pub(super) fn new(respawns: bool) -> Self {
        Self {
            state: State::Launching,
            handover: Handover::default(),
            outputs: VecDeque::from([Output::Start]),
            respawns,
            was_ready: false,
            stop: None,
            pending: BTreeSet::new(),
            deaths: Vec::new(),
            failed_starts: 0,
        }
    }

    /// Something happens.
    pub(super) fn handle_input(&mut self, now: Time, input: Input) {
        match input {
            Input::Started { pid } => {
                self.state = State::Starting { pid };
                if let Some(stop) = self.stop {
                    self.outputs.push_back(Output::Stop(stop));
                }
            }
            Input::StartFailed(error) => self.start_failed(now, &error),
            Input::Exited(exit) => self.exited(now, exit),
            Input::Message(message) => self.handle_message(message),
            Input::Stop(stop) => self.handle_stop(now, stop),
            Input::Forward(signal) => match self.state {
                State::Running { .. } => self.forward(signal),
                State::Launching | State::Starting { .. } | State::Pausing { .. } => {
                    self.pending.insert(signal);
                }
                State::Leaving { .. } | State::Ended => {}
            },
        }
    }

    /// A deadline is over.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if !matches!(self.state, State::Running { .. } | State::Ended) {
            let due = self.handover.due(now);
            self.resign(due);
        }
        match self.state {
            State::Pausing { until } if until <= now => {
                self.state = State::Launching;
                self.outputs.push_back(Output::Start);
            }
            State::Leaving { until, code } if until <= now => return self.end(code),
            _ => {}
        }
        if matches!(self.state, State::Launching | State::Starting { .. } | State::Pausing { .. }) {
            let abandoned = self.handover.abandoned(now);
            self.remove(abandoned);
        }
    }

    /// What is to be done next.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let vacant = [self.handover.deadline(), self.handover.removal()].into_iter().flatten().min();
        match self.state {
            State::Launching | State::Starting { .. } => vacant,
            State::Pausing { until } => Some(vacant.map_or(until, |vacant| vacant.min(until))),
            State::Leaving { until, .. } => Some(until),
            State::Running { .. } | State::Ended => None,
        }
    }

    fn start_failed(&mut self, now: Time, error: &str) {
        self.failed_starts += 1;
        let failed = format!("The daemon cannot be started: {error}");
        if !self.was_ready || self.failed_starts >= MAX_FAILED_STARTS || self.stop.is_some() {
            self.outputs.push_back(Output::Log(failed));
            let code = if self.stop.is_some() { 0 } else { CANNOT_RUN };
            return self.leave(now, code);
        }
        let pause = RETRY_PAUSE.as_secs();
        if self.failed_starts == 1 {
            self.outputs.push_back(Output::Log(format!("{failed}; it is tried again every {pause} s")));
        }
        self.state = State::Pausing { until: now + RETRY_PAUSE };
    }

    fn exited(&mut self, now: Time, Exit { killed, code, text }: Exit) {
        let (State::Starting { pid } | State::Running { pid }) = self.state else { return };
        if !killed && code == 0 {
            self.handover.parted();
        }
        if self.stop.is_some() {
            // A daemon that did not handle signals yet was killed by the request itself.
            return self.leave(now, if killed { 0 } else { code });
        }
        if !killed && code != PANICKED {
            // What a daemon says by its exit status is its own decision.
            return self.leave(now, code);
        }
        self.handover.died(now, pid, text.clone());
        if !self.was_ready || !self.respawns {
            self.outputs.push_back(Output::Log(format!("VRRP child process({pid}) died: Exiting ({text})")));
            return self.leave(now, code);
        }
        self.deaths.retain(|death| now.since(*death) < DEATH_WINDOW);
        self.deaths.push(now);
        self.outputs.push_back(Output::Log(format!("VRRP child process({pid}) died: Respawning ({text})")));
        if self.deaths.len() > MAX_QUICK_DEATHS {
            self.state = State::Pausing { until: now + RESPAWN_PAUSE };
        } else {
            self.state = State::Launching;
            self.outputs.push_back(Output::Start);
        }
    }

    fn handle_message(&mut self, message: Message) {
        match message {
            Message::Namespace(name) => self.outputs.push_back(Output::Namespace(name)),
            Message::Resume => {
                let State::Starting { pid } = self.state else { return };
                self.state = State::Running { pid };
                let resume = Box::new(self.handover.resume());
                self.outputs.push_back(Output::Send(Request::Resume(resume)));
                std::mem::take(&mut self.pending).into_iter().for_each(|signal| self.forward(signal));
            }
            Message::Ready => {
                self.handover.ready();
                self.failed_starts = 0;
                if !std::mem::replace(&mut self.was_ready, true) {
                    self.outputs.push_back(Output::Ready);
                }
            }
            Message::Active(name, held) => self.handover.active(name, *held),
            Message::Inactive(name) => self.handover.inactive(&name),
            Message::Tracker(id, status) => self.handover.tracker(id, status),
            Message::Install(entries) => self.handover.install(entries),
            Message::Removed(entries) => self.handover.removed(&entries),
        }
    }

    fn handle_stop(&mut self, now: Time, stop: Stop) {
        self.stop.get_or_insert(stop);
        match self.state {
            // It is sent when it is known whether there is a daemon.
            State::Launching | State::Ended => {}
            State::Starting { .. } | State::Running { .. } => self.outputs.push_back(Output::Stop(stop)),
            State::Pausing { .. } => self.leave(now, 0),
            // Whoever asks once more does not want to wait for peers.
            State::Leaving { code, .. } => self.end(code),
        }
    }

    fn forward(&mut self, signal: Forward) {
        self.outputs.push_back(match signal {
            Forward::Reload => Output::Reload,
            Forward::Dump(kind) => Output::Send(Request::Dump(kind)),
        });
    }

    /// There will be no daemon any more.
    fn leave(&mut self, now: Time, code: u8) {
        let due = self.handover.resign_all(now);
        if due.is_empty() {
            return self.end(code);
        }
        self.resign(due);
        self.state = State::Leaving { until: now + FAREWELL, code };
    }

    fn end(&mut self, code: u8) {
        let mut inventory = self.handover.take_inventory();
        inventory.retain(|entry| !entry.stays());
        self.remove(inventory);
        self.outputs.push_back(Output::Exit(code));
        self.state = State::Ended;
    }

    fn resign(&mut self, resignations: Vec<Resignation>) {
        if resignations.is_empty() {
            return;
        }
        let mut names: Vec<&str> = resignations.iter().map(|one| &*one.instance).collect();
        names.dedup();
        let lines = names.iter().map(|name| format!("({name}) sent 0 priority, since its daemon died"));
        self.outputs.extend(lines.map(Output::Log));
        self.outputs.push_back(Output::Resign(resignations));
    }

    fn remove(&mut self, inventory: Inventory) {
        if !inventory.is_empty() {
            self.outputs.push_back(Output::Remove(inventory));
        }
    }
}

/// Exit status of a program of ours that ended by a bug.
const PANICKED: u8 = 101;

#[cfg(test)]
mod tests;
