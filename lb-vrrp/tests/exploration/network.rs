//! A situation of a few routers and the messages between them, and what can happen next.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use lb_vrrp::{
    Config, Datagram, Envelope, Event, Farewell, Input, Output, State, Time, VersionMode, VirtualRouter,
};

/// A quarter of the interval of one second.
pub(crate) const QUARTER: Duration = Duration::from_millis(250);

/// How bad it may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How often a router may crash, resign or leave without a word, in all.
    pub(crate) failures: u8,
    /// How many messages may be on their way from one router to another; a further one pushes the oldest out.
    pub(crate) in_flight: usize,
    /// By how many quarters a timer may be late.
    pub(crate) late_quarters: u32,
}

#[derive(Clone)]
pub(crate) struct Network {
    configs: Rc<[Config]>,
    limits: Limits,
    now: Time,
    /// `None` when the process is dead.
    routers: Vec<Option<Rc<VirtualRouter>>>,
    holds: Vec<bool>,
    flying: Vec<Flying>,
    failures: u8,
    /// When each router sent something the last time.
    sent_at: Vec<Option<Time>>,
    /// Who, since it became Active, has heard the last advertisement of whom.
    heard: BTreeSet<(usize, usize)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Flying {
    from: usize,
    to: usize,
    bytes: Rc<[u8]>,
    /// Whether the sender has sent nothing since.
    last: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A quarter of an interval passes.
    Pass,
    Fire(usize),
    Deliver(usize),
    Lose(usize),
    Crash(usize),
    Leave {
        router: usize,
        farewell: Farewell,
    },
    Start(usize),
}

/// What a router was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Start,
    Shutdown,
    Timeout,
    Advert { from: usize, priority: u8 },
}

fn source(router: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, 1 + router as u8])
}

impl Network {
    /// All have just been started.
    pub(crate) fn new(configs: &[Config], limits: Limits) -> Self {
        let mut network = Self {
            configs: configs.into(),
            limits,
            now: Time::from_secs(1000),
            routers: vec![None; configs.len()],
            holds: vec![false; configs.len()],
            flying: Vec::new(),
            failures: 0,
            sent_at: vec![None; configs.len()],
            heard: BTreeSet::new(),
        };
        for router in 0..configs.len() {
            network.start(router).expect("a start breaks no rule");
        }
        network
    }

    /// What tells this situation from others.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for router in &self.routers {
            router.as_ref().map(|router| router.essence(self.now)).hash(&mut hasher);
        }
        let mut flying: Vec<&Flying> = self.flying.iter().collect();
        if self.limits.in_flight == 1 {
            // The order tells which one is pushed out.
            flying.sort();
        }
        (&self.holds, flying, self.failures, &self.heard).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn actives(&self) -> usize {
        (0..self.routers.len()).filter(|router| self.state(*router) == State::Active).count()
    }

    pub(crate) fn running(&self) -> usize {
        (0..self.routers.len()).filter(|router| self.state(*router) != State::Initialize).count()
    }

    /// What can happen.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for index in 0..self.flying.len() {
            steps.extend([Step::Deliver(index), Step::Lose(index)]);
        }
        let mut may_pass = true;
        for router in 0..self.routers.len() {
            if let Some(deadline) = self.deadline(router) {
                if deadline <= self.now {
                    steps.push(Step::Fire(router));
                }
                may_pass &= self.now + QUARTER <= deadline + QUARTER * self.limits.late_quarters;
            }
            if self.state(router) == State::Initialize {
                steps.push(Step::Start(router));
            } else if self.failures < self.limits.failures {
                steps.push(Step::Crash(router));
                for farewell in [Farewell::Silent, Farewell::Resign, Farewell::Linger] {
                    steps.push(Step::Leave { router, farewell });
                }
            }
        }
        if may_pass {
            steps.push(Step::Pass);
        }
        steps
    }

    /// The situation after this, unless it breaks a rule.
    pub(crate) fn after(&self, step: Step) -> Result<Self, String> {
        let mut next = self.clone();
        next.take(step)?;
        next.no_two_know_of_each_other()?;
        Ok(next)
    }

    /// What happens when nothing is bad: messages arrive at once, then timers fire, then time passes, which is returned.
    pub(crate) fn go_on(&mut self) -> Result<bool, String> {
        let due = |router: &usize| self.deadline(*router).is_some_and(|deadline| deadline <= self.now);
        let step = if !self.flying.is_empty() {
            Step::Deliver(0)
        } else if let Some(router) = (0..self.routers.len()).find(due) {
            Step::Fire(router)
        } else {
            Step::Pass
        };
        self.take(step)?;
        Ok(matches!(step, Step::Pass))
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Pass => {
                self.now = self.now + QUARTER;
                Ok(())
            }
            Step::Fire(router) => self.give(router, Given::Timeout, |router, now| router.handle_timeout(now)),
            Step::Deliver(index) => self.deliver(index),
            Step::Lose(index) => {
                self.flying.remove(index);
                Ok(())
            }
            Step::Crash(router) => {
                self.failures += 1;
                self.routers[router] = None;
                self.forget(router);
                Ok(())
            }
            Step::Leave { router, farewell } => {
                self.failures += 1;
                self.give(router, Given::Shutdown, |router, now| {
                    router.handle_input(now, Input::Shutdown(farewell));
                })
            }
            Step::Start(router) => self.start(router),
        }
    }

    fn start(&mut self, router: usize) -> Result<(), String> {
        if self.routers[router].is_none() {
            let fresh = VirtualRouter::new(self.configs[router].clone(), source(router)).unwrap();
            self.routers[router] = Some(Rc::new(fresh));
        }
        let holds = self.holds[router] && self.state(router) == State::Initialize;
        self.give(router, Given::Start, |router, now| {
            if holds {
                router.handle_input(now, Input::Found);
            }
            router.handle_input(now, Input::Startup);
        })
    }

    fn deliver(&mut self, index: usize) -> Result<(), String> {
        let Flying { from, to, bytes, last } = self.flying.remove(index);
        if self.routers[to].is_none() {
            return Ok(());
        }
        if last && self.state(to) == State::Active {
            self.heard.insert((to, from));
        }
        self.give(to, Given::Advert { from, priority: bytes[2] }, |router, now| {
            let destination = IpAddr::from([224, 0, 0, 18]);
            let envelope =
                Envelope { source: source(from), destination, ttl: Some(255), authenticated: false };
            router.handle_input(now, Input::Datagram(Datagram { received: now, envelope, payload: &bytes }));
        })
    }

    /// Gives something to a router, and checks what it does.
    fn give(
        &mut self,
        index: usize,
        given: Given,
        input: impl FnOnce(&mut VirtualRouter, Time),
    ) -> Result<(), String> {
        let Some(mut shared) = self.routers[index].take() else { return Ok(()) };
        let now = self.now;
        let before = (shared.state(), shared.poll_timeout(), shared.lingers());
        let router = Rc::make_mut(&mut shared);
        input(router, now);
        let mut sent: Vec<Rc<[u8]>> = Vec::new();
        while let Some(output) = router.poll_output() {
            match output {
                Output::Send(message) => sent.push(message.payload.into()),
                Output::Install => self.holds[index] = true,
                Output::Remove => self.holds[index] = false,
                Output::Announce(_) => {}
                Output::Event(Event::Late { .. }) => {
                    return Err(format!("{index} is late by less than others wait"));
                }
                Output::Event(_) => {}
            }
        }
        let judged = self.judge(index, given, before, router, &sent);
        if before.0 != router.state() {
            self.forget(index);
        }
        self.routers[index] = Some(shared);
        for bytes in sent {
            self.send(index, &bytes);
        }
        judged
    }

    fn judge(
        &self,
        index: usize,
        given: Given,
        (before, deadline, lingered): (State, Option<Time>, bool),
        router: &VirtualRouter,
        sent: &[Rc<[u8]>],
    ) -> Result<(), String> {
        let state = router.state();
        let own = router.priority().get();
        let rule = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{index}: {what}")) };
        rule(
            self.holds[index] == (state == State::Active || router.lingers()),
            "it has its addresses while it is Active or lingers, and only then",
        )?;
        rule(
            sent.iter().all(|bytes| match bytes[2] {
                0 => before == State::Active && state != State::Active,
                priority => state == State::Active && priority == own,
            }),
            "only an Active router advertises, and resigns as it stops to be one",
        )?;
        rule(
            router.poll_timeout().is_none() == (state == State::Initialize && !router.lingers()),
            "it has a deadline when it takes part or lingers",
        )?;
        match given {
            Given::Timeout => {
                rule(
                    router.poll_timeout().is_none_or(|next| next > self.now),
                    "after a timeout the deadline is yet to come",
                )?;
                rule(
                    deadline > Some(self.now) || state == State::Active || lingered,
                    "who was silent for so long is gone",
                )
            }
            Given::Advert { priority: 0, .. } if before == State::Active => {
                rule(state == State::Active, "an Active router stays so when another one resigns")
            }
            Given::Advert { from, priority } if before == State::Active => {
                let yields = (priority, source(from)) > (own, router.source());
                rule(yields == (state == State::Backup), "the higher priority and address stays Active")?;
                let answers = self.configs[index].version() == VersionMode::V2
                    || !sent.is_empty()
                    || self.sent_at[index] == Some(self.now);
                rule(yields || answers, "an Active router answers a lower priority")
            }
            Given::Advert { priority, .. } if before == State::Backup => {
                let may = priority == 0 && state == State::Active;
                rule(state == State::Backup || may, "an advertisement makes nobody Active")?;
                // The end of lingering may have been earlier.
                let latest = deadline.max(Some(self.now + router.down_interval()));
                rule(router.poll_timeout() <= latest, "a Backup waits no longer than the down interval")
            }
            Given::Advert { .. } => rule(state == State::Initialize, "who takes no part does nothing"),
            Given::Shutdown => rule(state == State::Initialize, "it takes part no longer"),
            Given::Start => {
                rule(state == State::Backup || own == 255, "only an owner is Active from the start")
            }
        }
    }

    /// Every other router may hear this.
    fn send(&mut self, from: usize, bytes: &Rc<[u8]>) {
        self.sent_at[from] = Some(self.now);
        self.flying.iter_mut().filter(|flying| flying.from == from).for_each(|flying| flying.last = false);
        self.heard.retain(|(_, of)| *of != from);
        for to in (0..self.routers.len()).filter(|to| *to != from) {
            let on_the_way = |flying: &Flying| (flying.from, flying.to) == (from, to);
            if self.flying.iter().filter(|flying| on_the_way(flying)).count() >= self.limits.in_flight
                && let Some(oldest) = self.flying.iter().position(on_the_way)
            {
                self.flying.remove(oldest);
            }
            self.flying.push(Flying { from, to, bytes: bytes.clone(), last: true });
        }
    }

    fn forget(&mut self, router: usize) {
        self.heard.retain(|(who, _)| *who != router);
    }

    /// Two Active routers do not go on when each has heard the other's last advertisement.
    fn no_two_know_of_each_other(&self) -> Result<(), String> {
        let active = |router: usize| self.state(router) == State::Active;
        let know = |(one, other): &&(usize, usize)| {
            active(*one) && active(*other) && self.heard.contains(&(*other, *one))
        };
        match self.heard.iter().find(know) {
            Some((one, other)) => Err(format!("{one} and {other} are Active, and have heard each other")),
            None => Ok(()),
        }
    }

    fn state(&self, router: usize) -> State {
        self.routers[router].as_ref().map_or(State::Initialize, |router| router.state())
    }

    fn deadline(&self, router: usize) -> Option<Time> {
        self.routers[router].as_ref()?.poll_timeout()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, router) in self.routers.iter().enumerate() {
            match router {
                Some(router) => writeln!(f, "{index}: {:?}", router.essence(self.now))?,
                None => {
                    writeln!(f, "{index}: dead, its addresses are on the interface: {}", self.holds[index])?
                }
            }
        }
        for Flying { from, to, bytes, last } in &self.flying {
            writeln!(f, "{from} -> {to}: priority {}, the last one: {last}", bytes[2])?;
        }
        write!(f, "{} failures, heard {:?}", self.failures, self.heard)
    }
}
