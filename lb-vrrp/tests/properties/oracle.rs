//! What has to hold whenever a router was given something, whatever it was. It is a second account of RFC 9568 §6.4,
//! from outside: it looks at what a router is given and does, never into it.

use std::time::Duration;

use lb_vrrp::{
    Cause, Event, Interval, Preempt, Priority, State, Time, VersionMode, VirtualRouter,
    sim::{Entry, Fault, Message, NodeId, Record, World},
};

use crate::generate::Spec;

pub(crate) struct Oracle<'a> {
    specs: &'a [Spec],
    watches: Vec<Watch>,
}

/// What is known of one router.
#[derive(Clone, Copy, Default)]
struct Watch {
    before: Before,
    /// No timer may make it Active earlier than this, by its own clock.
    earliest: Time,
    /// The interval that it has learned, or its own.
    interval: Interval,
    /// Whether it has its addresses.
    holds: bool,
    /// Whether its process has not been told to take part yet.
    fresh: bool,
    /// The latest advert that it accepted as a Backup, when nothing but priorities came after it.
    heard: Option<Heard>,
}

/// An advert that a Backup accepted.
#[derive(Clone, Copy)]
struct Heard {
    at: Time,
    priority: Priority,
    interval: Interval,
}

/// What a router was before it was given something.
#[derive(Clone, Copy, Default)]
struct Before {
    state: State,
    priority: Priority,
    deadline: Option<Time>,
    received: u64,
    lingers: bool,
    skew: Duration,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(specs: &'a [Spec]) -> Self {
        Self { specs, watches: vec![Watch::default(); specs.len()] }
    }

    /// Lets one thing happen, and judges it.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn step(&mut self, world: &mut World) -> Result<(), String> {
        for (node, watch) in world.nodes().zip(&mut self.watches) {
            watch.fresh |= world.router(node).is_none();
            watch.before = world.router(node).map(Before::of).unwrap_or_default();
        }
        let past = world.trace().entries().len();
        world.step();
        let entries = &world.trace().entries()[past..];
        let Some(Entry { node: Some(node), what, .. }) = entries.first() else { return Ok(()) };
        let index = usize::from(node.index());
        let Some(router) = world.router(*node) else { return Ok(()) };
        let now = world.local_time(*node);
        let call = Call { spec: &self.specs[index], now, what, done: &entries[1..], router };
        let judged = match what {
            Record::Received { .. } | Record::Ordered(_) | Record::Timeout { .. } => {
                self.watches[index].judge(&call)
            }
            _ => Ok(()),
        };
        let watch = &mut self.watches[index];
        watch.fresh &= !matches!(what, Record::Ordered(Fault::Start(_)));
        watch.holds = world.holds_addresses(*node);
        judged.and_then(|()| watch.judge_addresses(router)).map_err(|wrong| format!("{node}: {wrong}"))
    }

    /// What holds for routers that nothing happens to: a timeout that comes early changes nothing, and one that comes
    /// late leaves a deadline that is yet to come.
    pub(crate) fn odd_timeouts(&self, world: &World, node: NodeId, late: Duration) -> Result<(), String> {
        let Some(router) = world.router(node) else { return Ok(()) };
        let now = world.local_time(node);
        let Some(deadline) = router.poll_timeout() else { return Ok(()) };
        let mut early = router.clone();
        let before = early.snapshot(now);
        early.handle_timeout(deadline.earlier(Duration::from_nanos(1)));
        if early.has_output() || early.snapshot(now) != before {
            return Err(format!("{node}: an early timeout changed something"));
        }
        let mut tardy = router.clone();
        let then = deadline.max(now) + late;
        tardy.handle_timeout(then);
        match tardy.poll_timeout() {
            Some(next) if next > then => Ok(()),
            None if tardy.state() == State::Initialize => Ok(()),
            next => Err(format!("{node}: the deadline after a timeout at {then} is {next:?}")),
        }
    }
}

/// A router was given something and did something.
struct Call<'a> {
    spec: &'a Spec,
    now: Time,
    what: &'a Record,
    done: &'a [Entry],
    router: &'a VirtualRouter,
}

impl Before {
    fn of(router: &VirtualRouter) -> Self {
        Self {
            state: router.state(),
            priority: router.priority(),
            deadline: router.poll_timeout(),
            received: router.stats().received,
            lingers: router.lingers(),
            skew: router.skew_time(),
        }
    }
}

impl Watch {
    fn judge(&mut self, call: &Call<'_>) -> Result<(), String> {
        self.judge_messages(call)?;
        self.judge_silence_in_initialize(call)?;
        self.judge_deadline(call)?;
        let may_act_now = self.follow(call);
        let became_active = self.before.state != State::Active && call.router.state() == State::Active;
        let by_timer = matches!(call.what, Record::Timeout { .. });
        if became_active && !may_act_now && !(by_timer && call.now >= self.earliest) {
            return Err(format!("it became Active at {}, not before {} is allowed", call.now, self.earliest));
        }
        Ok(())
    }

    /// Only an Active router advertises; one that was Active resigns.
    fn judge_messages(&self, call: &Call<'_>) -> Result<(), String> {
        for entry in call.done {
            let Record::Sent(message) = &entry.what else { continue };
            let right = match message.priority {
                0 => {
                    let leaves = call.router.state() != State::Active || call.router.is_handing_over();
                    self.before.state == State::Active && leaves
                }
                // An Active router that hears a higher priority, or has resigned, says nothing more.
                priority => {
                    let speaks = call.router.state() == State::Active && !call.router.is_handing_over();
                    speaks && priority == call.router.priority().get()
                }
            };
            if !right {
                return Err(format!(
                    "it sent {message} as {}, then {}",
                    self.before.state,
                    call.router.state()
                ));
            }
        }
        Ok(())
    }

    /// Who takes no part does nothing until it is started.
    fn judge_silence_in_initialize(&self, call: &Call<'_>) -> Result<(), String> {
        let starts = matches!(call.what, Record::Ordered(Fault::Start(_)));
        if self.before.state != State::Initialize || starts {
            return Ok(());
        }
        let lingered = self.before.lingers;
        let quiet = |record: &Record| match record {
            Record::Lost(..) | Record::Event(Event::Dropped { .. } | Event::Priority { .. }) => true,
            // What it listens for, and what may be noticed on the way.
            Record::Removed => lingered,
            Record::Event(event) => {
                lingered && !matches!(event, Event::State { .. } | Event::NewActive { .. })
            }
            _ => false,
        };
        match call.done.iter().find(|entry| !quiet(&entry.what)) {
            Some(entry) => Err(format!("it takes no part, and did: {}", entry.what)),
            None if call.router.poll_timeout().is_some() && !call.router.lingers() => {
                Err("it takes no part, and has a deadline".into())
            }
            None => Ok(()),
        }
    }

    /// The deadline is later than now after a timeout; and nothing but an advertisement, or a lower priority, moves that of a
    /// Backup later.
    fn judge_deadline(&self, call: &Call<'_>) -> Result<(), String> {
        let deadline = call.router.poll_timeout();
        let takes_part = call.router.state() != State::Initialize;
        if deadline.is_some() != (takes_part || call.router.lingers()) {
            return Err(format!("its deadline is {deadline:?} in {}", call.router.state()));
        }
        let Some(deadline) = deadline else { return Ok(()) };
        if matches!(call.what, Record::Timeout { .. }) && deadline <= call.now {
            return Err(format!("after a timeout at {} the deadline is {deadline}", call.now));
        }
        // The end of lingering may come before that of silence.
        let lingers = self.before.lingers || call.router.lingers();
        if lingers || (self.before.state, call.router.state()) != (State::Backup, State::Backup) {
            return Ok(());
        }
        let accepted = call.router.stats().received > self.before.received;
        let latest = match call.what {
            // Whatever was accepted, a Backup waits no longer than the down interval from then.
            Record::Received { waited, .. } if accepted => {
                let received = call.now.earlier(*waited);
                self.before.deadline.max(Some(received + call.router.down_interval()))
            }
            // What it waits for ends with the skew time, and it does not preempt whom it is not above any more.
            Record::Ordered(Fault::Priority(..)) => {
                let (before, after) = (self.before.skew, call.router.skew_time());
                let moved = self.before.deadline.map(|deadline| deadline + after.saturating_sub(before));
                moved.max(self.heard.map(|heard| heard.at + call.router.down_interval()))
            }
            // After a stall that was longer than the down interval, it listens for one more.
            Record::Timeout { .. } => Some(call.now + call.router.down_interval()),
            _ => self.before.deadline,
        };
        match latest {
            Some(latest) if deadline <= latest => Ok(()),
            _ => Err(format!("the deadline moved from {:?} to {deadline}", self.before.deadline)),
        }
    }

    /// Keeps the account of when the router may become Active. Returns whether it may at once.
    fn follow(&mut self, call: &Call<'_>) -> bool {
        let Call { spec, now, router, .. } = *call;
        let priority = router.priority();
        let was_backup = self.before.state == State::Backup;
        if !was_backup
            || matches!(
                call.what,
                Record::Timeout { .. } | Record::Ordered(Fault::PeerDown(..) | Fault::Replace(_))
            )
        {
            self.heard = None;
        }
        if self.before.state == State::Active && router.state() == State::Backup {
            // Nobody else is known to be Active, unless it was heard just now.
            self.interval = spec.interval;
            // A priority that falls later does not make it wait longer.
            self.earliest = now + self.down(spec, priority.max(self.before.priority));
        }
        match call.what {
            Record::Ordered(Fault::Start(_)) if self.before.state == State::Initialize => {
                self.interval = spec.interval;
                self.earliest = now + self.down(spec, priority);
                priority.is_owner()
            }
            Record::Ordered(Fault::TakeOver(_)) => true,
            // An owner that starts as another process does so as an owner.
            Record::Ordered(Fault::Replace(_)) => priority.is_owner(),
            Record::Ordered(Fault::PeerDown(..)) => {
                self.earliest = self.earliest.min(now + self.skew(spec, priority));
                false
            }
            Record::Ordered(Fault::Priority(..)) if was_backup => {
                match self.heard {
                    // A Backup does not preempt whom it is not above any more.
                    Some(Heard { at, priority: theirs, interval }) if theirs >= priority => {
                        if spec.version != VersionMode::V2 {
                            self.interval = interval;
                        }
                        self.earliest = at + self.down(spec, priority);
                    }
                    _ => {
                        let (before, after) =
                            (self.skew(spec, self.before.priority), self.skew(spec, priority));
                        self.earliest = match before > after {
                            true => self.earliest.earlier(before - after),
                            false => self.earliest + (after - before),
                        };
                    }
                }
                priority.is_owner()
            }
            Record::Received { message, waited } if router.stats().received > self.before.received => {
                self.hear(call, message, now.earlier(*waited));
                spec.only_backup && was_backup && message.priority == 0
            }
            _ => false,
        }
    }

    fn hear(&mut self, call: &Call<'_>, message: &Message, received: Time) {
        let Call { spec, router, done, .. } = *call;
        let own = router.priority();
        if router.state() != State::Backup {
            return;
        }
        let Ok(theirs) = Priority::new(message.priority) else {
            self.earliest = self.earliest.min(received + self.skew(spec, own));
            self.heard = None;
            return;
        };
        let preempts = own.is_owner() || spec.preempt != Preempt::No;
        // It may have noticed a stall first: then it hears this as a Backup.
        let stalled =
            |record: &Record| matches!(record, Record::Event(Event::State { cause: Cause::Stalled, .. }));
        let yields = self.before.state == State::Active && !done.iter().any(|entry| stalled(&entry.what));
        let follows = yields || theirs >= own || !preempts;
        // A router that preempts after a delay follows the lower priority until then.
        let may_follow = follows || matches!(spec.preempt, Preempt::After(_));
        let learned = Interval::from_centiseconds(message.interval).unwrap();
        let learned = spec.max_learned_interval.map_or(learned, |cap| learned.min(cap));
        self.heard = Some(Heard { at: received, priority: theirs, interval: learned });
        if may_follow {
            if spec.version != VersionMode::V2 {
                self.interval = if follows { learned } else { self.interval.min(learned) };
            }
            let down = received + self.down(spec, own);
            self.earliest = if follows { down } else { self.earliest.min(down) };
        }
        if !follows && spec.preempt_after_skew {
            self.earliest = self.earliest.min(received + self.skew(spec, own));
        }
    }

    fn skew(&self, spec: &Spec, priority: Priority) -> Duration {
        let interval = if spec.version == VersionMode::V2 { Interval::DEFAULT } else { self.interval };
        interval.duration() * (256 - u32::from(priority.get())) / 256
    }

    fn down(&self, spec: &Spec, priority: Priority) -> Duration {
        self.interval.duration() * u32::from(spec.down_adverts) + self.skew(spec, priority)
    }

    /// The Active router has the addresses, and no other one that runs but those that linger. A dead one may.
    fn judge_addresses(&self, router: &VirtualRouter) -> Result<(), String> {
        // What a dead process left is removed when its successor is told to take part.
        if self.fresh || self.holds == (router.state() == State::Active || router.lingers()) {
            return Ok(());
        }
        Err(format!("it is {}, and holds its addresses: {}", router.state(), self.holds))
    }
}

/// Whether what was installed and removed alternates. A router that lingers installs over what is there, an owner installs over what a dead process left, a Backup removes
/// what there may be when it starts, and a process that goes on from a snapshot installs again.
pub(crate) fn judge_alternation(world: &World, node: NodeId) -> Result<(), String> {
    let mut holds = false;
    let mut fresh = false;
    let mut active = false;
    for entry in world.trace().entries().iter() {
        match &entry.what {
            Record::Fault(Fault::Crash(dead)) if *dead == node => fresh = true,
            Record::Ordered(Fault::Start(_) | Fault::Replace(_)) if entry.node == Some(node) => fresh = true,
            Record::Received { .. } | Record::Timeout { .. } if entry.node == Some(node) => fresh = false,
            Record::Installed | Record::Removed if entry.node == Some(node) => {
                let installs = entry.what == Record::Installed;
                let lingered = installs && !active;
                if installs == holds && !fresh && !lingered {
                    return Err(format!("{node} {} at {} once more", entry.what, entry.at));
                }
                holds = installs;
            }
            Record::Event(Event::State { to, .. }) if entry.node == Some(node) => {
                active = *to == State::Active;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a router says of each change what it really was.
pub(crate) fn judge_causes(world: &World, node: NodeId) -> Result<(), String> {
    let mut state = State::Initialize;
    for (at, event) in world.trace().events(node) {
        let Event::State { from, to, cause } = event else { continue };
        let fits = match to {
            State::Initialize => cause == Cause::Shutdown,
            State::Backup if from == State::Initialize => cause == Cause::Startup,
            State::Backup => matches!(
                cause,
                Cause::HigherPriority(..)
                    | Cause::GreaterAddress(_)
                    | Cause::Requested
                    | Cause::HandedOver(_)
                    | Cause::Stalled
            ),
            State::Active => matches!(
                cause,
                Cause::Owner
                    | Cause::Silence
                    | Cause::Resigned(_)
                    | Cause::Preempts(_)
                    | Cause::PeerDown(_)
                    | Cause::Requested
            ),
        };
        // A crash is not told.
        if !fits || from == to || (from != state && from != State::Initialize) {
            return Err(format!("{node} at {at}: {from} -> {to}: {cause:?}"));
        }
        state = to;
    }
    Ok(())
}
