//! The loop.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use thiserror::Error;
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use super::{
    attend,
    control::{Command, Control, Snapshot},
    groups::Groups,
    instance::{Announcing, Instance, InstanceError},
    members::{Members, seal},
    notice::{Happening, Notices, Teller},
    platform::{Platform, Received, Via},
    succession::AHEAD,
    unsent::Failing,
    work::{Change, Desk, Occasion, Place, Worker},
};
use crate::{AnnounceReason, Datagram, DropReason, Endpoint, Event, Farewell, Input, Output, State, Time};

/// Runs virtual routers on a [`Platform`].
///
/// ```no_run
/// use ipnet::IpNet;
/// use lb_vrrp::driver::{Driver, Instance, linux::Linux};
/// use lb_vrrp::{Config, Priority, Vrid};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::v3(Vrid::new(51)?, ["192.0.2.100".parse()?]).priority(Priority::new(150)?).build()?;
/// let mut driver = Driver::new(Linux::new()?);
/// driver.add(Instance::new("web", "eth0", config))?;
/// let (control, mut notices) = driver.handles();
/// let driver = tokio::spawn(driver.run(async { drop(tokio::signal::ctrl_c().await) }));
/// control.set_priority("web", Priority::new(90)?).await?;
/// while let Some(told) = notices.next().await {
///     println!("{told:?}");
/// }
/// driver.await??;
/// # Ok(())
/// # }
/// ```
pub struct Driver<P> {
    pub(super) platform: P,
    pub(super) endpoint: Endpoint,
    pub(super) members: Members,
    pub(super) groups: Groups,
    /// Whether [`run`](Self::run) has begun.
    pub(super) runs: bool,
    pub(super) desk: Desk,
    pub(super) teller: Teller,
    commands: mpsc::Receiver<Command>,
    control: Option<Control>,
    keep: bool,
    /// Where addresses are changed, if not on the runtime that the driver runs on.
    addresses_on: Option<Handle>,
    farewell: Farewell,
    /// Where the addresses of the latest instance are.
    pub(super) place: Option<Arc<Place>>,
    /// How the latest instance announces them.
    announcing: Arc<Announcing>,
    /// How late deadlines may be.
    pub(super) lateness: Duration,
    /// Orders for addresses that go to the desk after the advertisements.
    pub(super) orders: Vec<(usize, Change)>,
    /// What could not be sent, by instance.
    pub(super) unsent: Vec<(usize, io::Error)>,
    /// How often messages were sent, and whose could not be.
    pub(super) flushes: u32,
    pub(super) failing: BTreeMap<usize, Failing>,
    /// Room for one packet.
    packet: Vec<u8>,
    /// How far the platform's clock was ahead of the time of day when the routers were told the latter.
    told_time: Option<i128>,
}

/// Why a driver ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The platform can not go on.
    #[error("waiting for messages and deadlines: {0}")]
    Platform(#[source] io::Error),
}

/// Orders that wait.
const COMMANDS: usize = 64;
/// Orders for addresses that there is room for always. When all of thousands of instances change, there are more.
const ORDERS: usize = 256;
/// Changes of links that are looked at between messages.
const CHANGES: usize = 64;
/// Dropped messages and failures of an instance are told this far apart.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(1);
/// Routers are told the time of day when what they know of it is off by this much: the least time window is 1 s.
const DRIFT: Duration = Duration::from_millis(50);
/// Addresses are removed within this time at the end, or stay.
const LAST_WORK: Duration = Duration::from_secs(10);

impl<P: Platform> Driver<P> {
    /// A driver without instances.
    pub fn new(platform: P) -> Self {
        let (sender, commands) = mpsc::channel(COMMANDS);
        Self {
            platform,
            endpoint: Endpoint::new(),
            members: Members::default(),
            groups: Groups::default(),
            runs: false,
            desk: Desk::default(),
            teller: Teller::new(),
            commands,
            control: Some(Control(sender)),
            keep: false,
            addresses_on: None,
            farewell: Farewell::Linger,
            place: None,
            announcing: Arc::default(),
            lateness: attend::MAX_LATENESS,
            orders: Vec::new(),
            unsent: Vec::new(),
            flushes: 0,
            failing: BTreeMap::new(),
            packet: Vec::new(),
            told_time: None,
        }
    }

    /// Adds an instance. It takes part when the driver runs and its interface is up and has an address; one that does not
    /// exist yet is waited for.
    ///
    /// # Errors
    /// Why it can not be.
    pub fn add(&mut self, mut instance: Instance) -> Result<(), InstanceError> {
        self.members.check(&instance)?;
        self.share(&mut instance);
        self.tolerate(instance.config.interval());
        let name: Arc<str> = instance.name.as_str().into();
        let desk = self.desk.open(instance.assets(name.clone()));
        self.members.insert(name, instance, desk);
        Ok(())
    }

    /// Thousands of instances announce their addresses in the same way.
    pub(super) fn share(&mut self, instance: &mut Instance) {
        if self.announcing != instance.announcing {
            self.announcing = instance.announcing.clone();
        }
        instance.announcing = self.announcing.clone();
    }

    /// Leaves everything as it is at the end: Active routers do not resign and addresses stay, so that a successor that
    /// [`restore`](Self::restore)s the snapshot within the down interval goes on without a failover. Default: they part
    /// as [`farewell`](Self::farewell) says.
    pub fn keep_addresses(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// Changes addresses on another runtime than the one that the driver runs on. Give it one that has a thread of its
    /// own and nothing else to do, since calls to the kernel hold that up: a `current_thread` one, in which a thread blocks
    /// until [`run`](Self::run) has ended. Then the thread with the protocol can have a [real-time
    /// priority](super::realtime::set_priority) that is not lent to the work on addresses, and does nothing else. Default: a
    /// second task of the same runtime.
    ///
    /// ```no_run
    /// # use lb_vrrp::driver::{Driver, linux::Linux};
    /// # fn example(driver: &mut Driver<Linux>) -> std::io::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// driver.addresses_on(runtime.handle().clone());
    /// std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn addresses_on(&mut self, runtime: Handle) {
        self.addresses_on = Some(runtime);
    }

    /// Whether what is told is also logged, with `tracing`. A subscriber that writes to a pipe or a disk may block, and
    /// the protocol with it: who listens to the [`Notices`] and logs those on another thread turns this off. Default: it is.
    pub fn log(&mut self, log: bool) {
        self.teller.set_log(log);
    }

    /// How Active routers part at the end. Default: [`Farewell::Linger`], so that [`run`](Self::run) goes on until
    /// another router has the addresses, or for [`linger_time`](crate::VirtualRouter::linger_time).
    pub fn farewell(&mut self, farewell: Farewell) {
        self.farewell = farewell;
    }

    /// Keeps so many notices for who listens and is slow. Default: 1024; when many instances change at once, several for
    /// each. Give it before [`handles`](Self::handles).
    pub fn keep_notices(&mut self, notices: usize) {
        self.teller.keep(notices);
    }

    /// The handle for orders, and what is told from now on.
    ///
    /// # Panics
    /// Never before the driver runs.
    pub fn handles(&self) -> (Control, Notices) {
        let control = self.control.clone().expect("it is taken only when the driver runs");
        (control, self.teller.subscribe())
    }

    /// Runs until `shutdown` is done, then resigns and removes the addresses when others have them; see
    /// [`farewell`](Self::farewell) and [`keep_addresses`](Self::keep_addresses). Returns the last snapshot, from before
    /// the resignations.
    ///
    /// Addresses are changed by a second task, so that advertisements never wait for them; see
    /// [`addresses_on`](Self::addresses_on). Dropping the future ends both at once, without a word on the wire.
    ///
    /// # Errors
    /// When the platform fails.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<Snapshot, DriverError> {
        let addressing = self.platform.addressing(self.addresses_on.is_some());
        let worker = Worker::new(self.desk.clone(), addressing, self.teller.clone());
        let mut tasks = JoinSet::new();
        match &self.addresses_on {
            Some(runtime) => tasks.spawn_on(worker.run(), runtime),
            None => tasks.spawn(worker.run()),
        };
        self.control = None;
        for id in self.members.ids() {
            self.look_at(id);
        }
        self.start_groups();
        self.carry_out();
        let mut shutdown = pin!(shutdown);
        let mut last = None;
        let snapshot = loop {
            if let Some(snapshot) = last.take_if(|_| !self.lingers()) {
                break snapshot;
            }
            let deadlines = [self.endpoint.poll_timeout(), self.groups.poll_timeout()];
            let deadline = deadlines.into_iter().flatten().min();
            let wake = poll_fn(|cx| {
                if last.is_none() && shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Wake::Shutdown);
                }
                if last.is_none()
                    && let Poll::Ready(Some(command)) = self.commands.poll_recv(cx)
                {
                    return Poll::Ready(Wake::Command(command));
                }
                self.platform.poll_ready(cx, deadline).map(Wake::Ready)
            });
            match wake.await {
                Wake::Shutdown => last = Some(self.end()),
                Wake::Command(command) => self.obey(command),
                Wake::Ready(Err(error)) => return Err(DriverError::Platform(error)),
                Wake::Ready(Ok(())) => self.look(),
            }
            self.carry_out();
        };
        let ends: Vec<_> = self.members.iter().map(|(_, member)| (member.desk, Change::End)).collect();
        if !self.keep {
            self.desk.order(ends);
        }
        self.desk.close();
        if tokio::time::timeout(LAST_WORK, tasks.join_next()).await.is_err() {
            tracing::error!("addresses could not be removed within {} s: they stay", LAST_WORK.as_secs());
        }
        Ok(snapshot)
    }

    /// What was received, what changed, and what is due, in this order: a deadline counts only if nothing that was
    /// received moves it.
    fn look(&mut self) {
        for _ in 0..CHANGES {
            match self.platform.poll_change() {
                Some(change) => self.notice_change(change),
                None => break,
            }
        }
        let now = self.platform.now();
        self.tell_wall_clock(now);
        let Self { platform, endpoint, members, .. } = self;
        let all_until = platform.receive(&mut |interface, received| match received {
            Received::Message(datagram) => endpoint.handle_datagram(now, interface, datagram),
            Received::Sealed { at, packet } => {
                if let Some((envelope, payload)) = members.open(interface, packet) {
                    let datagram = Datagram { received: at, envelope, payload };
                    endpoint.handle_datagram(now, interface, datagram);
                }
            }
        });
        self.endpoint.handle_timeout(all_until);
        self.time_out_groups(all_until);
    }

    /// For trailers that carry the time: clocks drift, and are set. To look costs so little that it is done whenever
    /// there is something else to do, so that a clock that was set is known before the next message.
    fn tell_wall_clock(&mut self, now: Time) {
        let time = self.platform.wall_clock();
        let ahead = i128::from(now.as_nanos()) - i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        if self.told_time.is_some_and(|told| told.abs_diff(ahead) < DRIFT.as_nanos()) {
            return;
        }
        self.told_time = Some(ahead);
        let timed = self.members.iter().filter(|(_, member)| member.instance.carries_time());
        for key in timed.filter_map(|(_, member)| member.key) {
            self.endpoint.handle_input(now, key, Input::WallClock(time));
        }
    }

    /// Carries out what the routers say: messages first, all of them at once, then addresses.
    pub(super) fn carry_out(&mut self) {
        loop {
            self.drain();
            while self.follow_groups() {
                self.drain();
            }
            if !self.flush() {
                break;
            }
        }
        if !self.orders.is_empty() {
            self.desk.order(self.orders.drain(..));
            self.orders.shrink_to(ORDERS);
        }
    }

    fn drain(&mut self) {
        let Self { platform, endpoint, members, groups, orders, teller, packet, flushes, .. } = self;
        while let Some((key, output)) = endpoint.poll_output() {
            let Some(id) = members.with_key(key) else {
                if let Output::Event(Event::Dropped { source, reason: DropReason::Vrid(vrid) }) = output
                    && let Some(interface) = members.name_of(key.interface)
                {
                    teller.tell(platform.now(), &interface, Happening::Stranger { vrid, source });
                }
                continue;
            };
            let Some(member) = members.get_mut(id) else { continue };
            match output {
                Output::Send(message) => {
                    // One that sends does so again and again: it says how many there were when no more come.
                    let now = platform.now();
                    if let Some(count) = member.take_untold(now) {
                        teller.tell(now, &member.name, Happening::Untold { count });
                    }
                    let mac = member.instance.advertises_from(message.destination);
                    let ttl =
                        if message.destination.is_multicast() { 255 } else { member.instance.unicast_ttl };
                    member.count_queued(*flushes);
                    let sealed = member.guard.is_some();
                    let via = Via { interface: key.interface, mac, sealed, ttl, sender: id };
                    match &mut member.guard {
                        None => platform.send(via, message),
                        Some(guard) => platform.send(via, seal(guard, message, packet)),
                    }
                }
                Output::Install => orders.push((member.desk, Change::Install)),
                Output::Announce(AnnounceReason::OtherActive) => {
                    orders.push((member.desk, Change::Announce(Occasion::Other)));
                }
                Output::Announce(_) => orders.push((member.desk, Change::Announce(Occasion::Active))),
                Output::Remove => orders.push((member.desk, Change::Remove)),
                Output::Event(event) => {
                    let now = platform.now();
                    if matches!(event, Event::State { from: State::Active, .. }) {
                        orders.push((member.desk, Change::Linger));
                    }
                    let refused = match event {
                        Event::Dropped { source, reason: DropReason::AuthHeader } => {
                            member.refused.take().filter(|(of, _)| *of == source)
                        }
                        _ => None,
                    };
                    if let Event::Dropped { reason, .. } = event {
                        let untold = member.take_untold(now);
                        if !member.tells_drop(now, reason) {
                            continue;
                        }
                        if let Some(count) = untold {
                            teller.tell(now, &member.name, Happening::Untold { count });
                        }
                    }
                    let what = match refused {
                        Some((source, error)) => Happening::Refused { source, error },
                        None => Happening::Router(event),
                    };
                    groups.hear(id, event);
                    let is_change = matches!(event, Event::State { .. });
                    let name = member.name.clone();
                    let basis = endpoint.router(key).filter(|_| is_change).and_then(|router| router.basis());
                    teller.tell_why(now, &name, what, basis);
                }
            }
        }
    }

    /// The end begins: everybody parts, or leaves everything as it is.
    fn end(&mut self) -> Snapshot {
        let snapshot = self.snapshot(&self.members.ids(), if self.keep { 0 } else { AHEAD });
        self.groups.dissolve();
        if self.keep {
            return snapshot;
        }
        let now = self.platform.now();
        for id in self.members.ids() {
            let Some(member) = self.members.get_mut(id) else { continue };
            member.wanted = false;
            if let Some(key) = member.key {
                self.endpoint.handle_input(now, key, Input::Shutdown(self.farewell));
            }
        }
        snapshot
    }

    /// Whether addresses are kept for others who are to take them over: who was shut down and does not linger has no
    /// deadline.
    fn lingers(&self) -> bool {
        !self.keep && self.endpoint.poll_timeout().is_some()
    }

    pub(super) fn tell(&self, id: usize, what: Happening) {
        if let Some(member) = self.members.get(id) {
            self.teller.tell(self.platform.now(), &member.name, what);
        }
    }
}

enum Wake {
    Shutdown,
    Command(Command),
    Ready(io::Result<()>),
}
