//! Sync groups: virtual routers of one host that are Active together, or not at all.
//!
//! A firewall between two links is of use only if the same machine has the addresses of both. VRRP knows nothing of
//! this; a [`SyncGroup`] stands above the routers of one host and orders them. It is as pure as they are, and has the same
//! verbs: it is told the events of its members, and gives out what they are to be told.
//!
//! - **A fault of one member is a fault of all.** They go to Initialize, and the Active ones resign. When there is no
//!   fault any more, all start.
//! - **All become Active together, when each could.** The members are [held](crate::Input::Hold): one whose link is
//!   silent says that it is ready and waits. When no other is in the way on any link, all take over. So a link that
//!   loses messages, or is parted, does not move the addresses of the others.
//! - **When one yields, all do**, whether to a higher priority or because it was told to. The others resign, so that the
//!   peer follows on their links within the skew time, and keep their addresses until then
//!   ([`Farewell::Linger`]). (keepalived 2.2.7 sends no resignation here, and its peer waits
//!   for the whole down interval.)
//! - **Two hosts do not take it from each other for ever.** If each is the stronger on another link, both yield. The one
//!   that yielded on the link of its *first* member waits before it takes over again; the other goes first, unless it
//!   resigns on all links. So name the members in the same order on all hosts. It is best to give all members of a host
//!   the same priority as well.
//!
//! While a router is in a group, nobody else is to start it or shut it down.

mod member;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use member::Member;
use serde::{Deserialize, Serialize};

use crate::{Cause, Event, Farewell, Input, State, Time};

/// Virtual routers of one host that are Active together. See the [module](self).
///
/// `K` names a member, such as [`RouterKey`](crate::RouterKey). Drain [`poll_output`](Self::poll_output) after each input,
/// and give its inputs to the routers *in this order* after the outputs that they have. An input costs O(members).
///
/// ```
/// use lb_vrrp::{Cause, Event, Input, State, Time, group::{GroupInput, GroupOutput, SyncGroup}};
///
/// let now = Time::from_secs(1);
/// let mut group = SyncGroup::new(["inside", "outside"], core::time::Duration::from_secs(4));
/// group.handle_input(now, GroupInput::Startup);
/// let mut orders = Vec::new();
/// while let Some(output) = group.poll_output() {
///     if let GroupOutput::Member(member, input) = output {
///         orders.push((member, input));
///     }
/// }
/// assert!(orders.contains(&("inside", Input::Startup)));
/// ```
#[derive(Clone, Debug)]
pub struct SyncGroup<K> {
    members: Vec<Member<K>>,
    patience: Duration,
    running: bool,
    state: State,
    /// Until when the other host goes first.
    waits: Option<Time>,
    queue: VecDeque<GroupOutput<K>>,
}

/// What happens to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupInput<'a, K> {
    /// Take part.
    Startup,
    /// Take part no longer.
    Shutdown(Farewell),
    /// A router told of an event. Give it all; it takes what it needs.
    Event {
        /// Which one.
        member: &'a K,
        /// What it told.
        event: Event,
    },
    /// A member can not take part: its link is down, or a tracker says so.
    Fault {
        /// Which one.
        member: &'a K,
        /// How it parts: [`Farewell::Silent`] if nothing can be sent on its own link. The other members linger.
        farewell: Farewell,
    },
    /// The fault of a member is over.
    Recovered {
        /// Which one.
        member: &'a K,
    },
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum GroupOutput<K> {
    /// Give this input to this member.
    Member(K, Input<'static>),
    /// The group as a whole changed its state; there is nothing to be done.
    State {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
}

/// What is known about a member, for those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The state that it is in, or was ordered into.
    pub state: State,
    /// Whether nothing but the group keeps it from becoming Active.
    pub ready: bool,
    /// Whether it can not take part.
    pub fault: bool,
}

impl<K: Clone + Eq> SyncGroup<K> {
    /// A group of these members, which are in state Initialize and have no fault, and in which the first one decides
    /// between two hosts. It takes part from [`GroupInput::Startup`] on.
    ///
    /// `down_interval` is the longest one of the members; the other host goes first for one and a half of it.
    pub fn new(members: impl IntoIterator<Item = K>, down_interval: Duration) -> Self {
        let mut group = Self {
            members: Vec::new(),
            patience: down_interval + down_interval / 2,
            running: false,
            state: State::Initialize,
            waits: None,
            queue: VecDeque::new(),
        };
        members.into_iter().for_each(|member| group.insert(member, State::Initialize));
        group
    }

    /// Adds a member after the others, in the state that its router is in: it may have been
    /// [restored](crate::VirtualRouter::restore). A member that joins a group that is Active takes over when it is ready,
    /// and the others stay Active. Nothing happens when it is there already.
    pub fn insert(&mut self, member: K, state: State) {
        if self.place(&member).is_some() {
            return;
        }
        self.queue.push_back(GroupOutput::Member(member.clone(), Input::Hold(true)));
        self.members.push(Member::new(member, state, self.state == State::Active));
        if self.running && !self.has_fault() {
            self.order_all(Input::Startup);
        }
    }

    /// Lets a member go: it is held no longer, and does as it will.
    pub fn remove(&mut self, now: Time, member: &K) {
        let Some(place) = self.place(member) else { return };
        let gone = self.members.remove(place);
        self.queue.push_back(GroupOutput::Member(gone.key, Input::Hold(false)));
        if gone.fault && self.running && !self.has_fault() {
            self.order_all(Input::Startup);
        }
        self.consider(now);
        self.note_state();
    }

    /// Takes an input. Drain [`poll_output`](Self::poll_output) afterwards. What is said of a member that is not here is
    /// ignored.
    pub fn handle_input(&mut self, now: Time, input: GroupInput<'_, K>) {
        match input {
            GroupInput::Startup => {
                self.running = true;
                self.resume();
                if !self.has_fault() {
                    self.order_all(Input::Startup);
                }
            }
            GroupInput::Shutdown(farewell) => {
                self.running = false;
                self.order_all(Input::Shutdown(farewell));
            }
            GroupInput::Event { member, event } => {
                if let Some(place) = self.place(member) {
                    self.hear(now, place, event);
                }
            }
            GroupInput::Fault { member, farewell } => {
                if let Some(place) = self.place(member) {
                    self.members[place].fault = true;
                    self.order(place, Input::Shutdown(farewell));
                    self.order_all(Input::Shutdown(Farewell::Linger));
                }
            }
            GroupInput::Recovered { member } => {
                let recovered = self.place(member).map(|place| &mut self.members[place].fault);
                if recovered.is_some_and(core::mem::take) && self.running && !self.has_fault() {
                    self.order_all(Input::Startup);
                }
            }
        }
        self.note_state();
    }

    /// Does what is due. Harmless when called early or late. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.waits.is_some_and(|until| until <= now) {
            self.waits = None;
            self.consider(now);
            self.note_state();
        }
    }

    /// The next thing to do, until there is none. The order counts.
    pub fn poll_output(&mut self) -> Option<GroupOutput<K>> {
        self.queue.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` when it need not be.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.waits
    }

    /// The state of the group: Active when all members are, Initialize when it takes no part or a member has a fault.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a member has a fault.
    pub fn has_fault(&self) -> bool {
        self.members.iter().any(|member| member.fault)
    }

    /// The members, in the order in which they were named.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&K, MemberStatus)> {
        self.members.iter().map(|member| (&member.key, member.status()))
    }

    fn hear(&mut self, now: Time, place: usize, event: Event) {
        let member = &mut self.members[place];
        match event {
            Event::Ready(ready) => {
                member.ready = ready;
                self.consider(now);
            }
            Event::State { from, to, cause } => {
                let own = member.follows(to);
                let yielded = matches!(cause, Cause::HigherPriority(..) | Cause::GreaterAddress(_));
                if yielded && place == 0 {
                    self.waits = Some(now + self.patience);
                }
                match (from, to) {
                    _ if !own => {}
                    (_, State::Active) if self.running && !self.has_fault() => {
                        self.order_all(Input::TakeOver)
                    }
                    (_, State::Active) => self.order(place, Input::Shutdown(Farewell::Linger)),
                    (State::Active, _) => self.order_all(Input::StepDown(Farewell::Linger)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Brings members together that were restored in different states: what was given up is given up by all, and what
    /// was not there before joins.
    fn resume(&mut self) {
        let any = |state| self.members.iter().any(|member| member.status().state == state);
        if !any(State::Active) {
            return;
        }
        if any(State::Backup) || self.has_fault() {
            self.order_all(Input::StepDown(Farewell::Linger));
        } else {
            self.members.iter_mut().for_each(Member::join);
        }
    }

    /// Takes over if every member could.
    fn consider(&mut self, now: Time) {
        // Who met this host half-way resigns on some links, and yields on the others. Who resigns on all of them wants to
        // be rid of them, and would take them back if nobody came.
        let resigned = self.members.iter().all(Member::was_resigned_to);
        let waits = !resigned && self.waits.is_some_and(|until| now < until);
        let can = |member: &Member<K>| member.ready.is_some() || member.status().state == State::Active;
        if self.running && !waits && !self.has_fault() && self.members.iter().all(can) {
            self.waits = None;
            self.order_all(Input::TakeOver);
        }
    }

    fn order_all(&mut self, input: Input<'static>) {
        (0..self.members.len()).for_each(|place| self.order(place, input));
    }

    /// Tells a member, unless it is as it is to be already.
    fn order(&mut self, place: usize, input: Input<'static>) {
        let member = &mut self.members[place];
        if member.expect(input) {
            self.queue.push_back(GroupOutput::Member(member.key.clone(), input));
        }
    }

    fn note_state(&mut self) {
        let to = match () {
            () if !self.running || self.has_fault() || self.members.is_empty() => State::Initialize,
            () if self.members.iter().all(Member::is_active_or_joins) => State::Active,
            () => State::Backup,
        };
        if to != State::Active {
            self.members.iter_mut().for_each(Member::joins_no_more);
        }
        let from = core::mem::replace(&mut self.state, to);
        if from != to {
            self.queue.push_back(GroupOutput::State { from, to });
        }
    }

    fn place(&self, key: &K) -> Option<usize> {
        self.members.iter().position(|member| member.key == *key)
    }
}

#[cfg(test)]
mod tests;
