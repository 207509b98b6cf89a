//! The state machine of one virtual router (RFC 9568 §6, RFC 3768 §6).

mod basis;
mod config;
mod dropped;
mod essence;
mod handover;
mod hold;
mod linger;
mod message;
mod output;
mod receive;
mod resignation;
mod rival;
mod snapshot;
mod stats;
mod timing;
mod told;
#[cfg(feature = "hmac")]
mod trailer;
mod transition;
mod unsent;
mod words;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc};
use core::net::IpAddr;

pub use basis::{Basis, Heard};
pub use config::{
    ChecksumPolicy, Config, ConfigBuilder, ConfigError, ConfigErrors, Mode, OtherRouter, Preempt, Profile,
};
use dropped::Anomalies;
pub use dropped::DroppedAdverts;
pub use essence::Essence;
use message::{Filled, Message};
pub use output::{AnnounceReason, Cause, Datagram, Event, Farewell, Input, Output, State, Transmit};
pub use rival::Rival;
pub use snapshot::Snapshot;
pub use stats::{NewActiveReason, ProtocolError, RouterStats};
use told::Told;

use crate::{Family, Interval, Priority, Time, Version, VersionMode, wire::ChecksumForm};

/// One virtual router: pure, without clock, socket or thread. See the [crate] for how it is run.
///
/// Every input costs O(1) (a comparison of addresses aside, which is as long as the list), and nothing is allocated
/// after construction as long as outputs are drained after each input; but for a record of fixed size, once, when the first
/// message is dropped or another router is Active as well.
#[derive(Clone, Debug)]
pub struct VirtualRouter {
    config: Arc<Config>,
    /// Primary address of the interface, which advertisements come from.
    source: IpAddr,
    state: State,
    /// `Priority` of RFC 9568 §6.1, as trackers left it.
    priority: Priority,
    /// `Active_Adver_Interval` of RFC 9568 §6.1: learned, or our own.
    interval: Interval,
    /// `Active_Down_Timer` in Backup, `Adver_Timer` in Active.
    deadline: Option<Time>,
    /// Whether it has resigned, and stays Active until a successor is heard or the deadline passes.
    handing_over: bool,
    /// Until when the addresses stay although the router is not Active, if they do.
    lingers: Option<Time>,
    /// Why the router will become Active when the deadline passes, or has become Active.
    pending: Cause,
    /// The latest advertisement of another router.
    heard: Option<Heard>,
    /// What the latest change of state was based on.
    basis: Option<basis::Kept>,
    /// The Active router, as a Backup sees it.
    active: Option<Peer>,
    /// Since when lower priorities only were heard, for a delayed preemption.
    lower_since: Option<Time>,
    /// When advertisements were sent and addresses announced the last time.
    last_sent: Option<Time>,
    last_announced: Option<Time>,
    checksum: ChecksumForm,
    /// `None` unless both versions are spoken.
    dual: Option<Box<Dual>>,
    told: Told,
    /// Made when there is something to keep.
    anomalies: Option<Box<Anomalies>>,
    /// Whether the latest messages are resignations.
    resigned: bool,
    stability: Stability,
    /// Whether it waits for the word of its group, and why it would be Active otherwise.
    held: bool,
    ready: Option<Cause>,
    messages: Box<[Message]>,
    queue: VecDeque<Action>,
    /// Which unicast peer gets the next copy of the message at the front of the queue.
    next_peer: usize,
    stats: RouterStats,
    #[cfg(feature = "hmac")]
    trailer: Option<Box<trailer::Trailer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
struct Peer {
    source: IpAddr,
    priority: Priority,
}

/// What is heard of the Active router when both versions are spoken.
#[derive(Clone, Copy, Debug, Default)]
struct Dual {
    /// Who was heard in VRRPv3, since when and until when.
    v3: Option<(IpAddr, Time, Time)>,
    /// When the same router was heard in VRRPv2.
    v2: Option<Time>,
    told: bool,
}

/// How often the router became Active within a window.
#[derive(Clone, Copy, Debug, Default)]
struct Stability {
    window: Option<Time>,
    times: u8,
}

/// An output before it is given out.
#[derive(Clone, Copy, Debug)]
enum Action {
    Send { message: usize, resign: bool },
    Install,
    Announce(AnnounceReason),
    Remove,
    Event(Event),
}

/// More outputs than one input makes.
const QUEUE: usize = 12;

impl VirtualRouter {
    /// A router in state Initialize, which takes part after [`Input::Startup`]. `source` is the primary address of the
    /// interface; for IPv6 its link-local address.
    ///
    /// # Errors
    /// [`ConfigError::Source`] when `source` is of another family than the virtual addresses,
    /// [`ConfigError::SourceNotLinkLocal`] when it has to be link-local and is not.
    pub fn new(config: impl Into<Arc<Config>>, source: IpAddr) -> Result<Self, ConfigError> {
        let config = config.into();
        config.check_source(source)?;
        Ok(Self {
            source,
            state: State::Initialize,
            priority: config.priority,
            interval: config.interval,
            deadline: None,
            handing_over: false,
            lingers: None,
            pending: Cause::Silence,
            heard: None,
            basis: None,
            active: None,
            lower_since: None,
            last_sent: None,
            last_announced: None,
            checksum: config.checksum.first_form(),
            dual: (config.version == VersionMode::Dual).then(Box::default),
            told: Told::default(),
            anomalies: None,
            resigned: false,
            stability: Stability::default(),
            held: false,
            ready: None,
            messages: messages(&config),
            queue: VecDeque::with_capacity(QUEUE),
            next_peer: 0,
            stats: RouterStats::default(),
            #[cfg(feature = "hmac")]
            trailer: trailer::Trailer::of(&config),
            config,
        })
    }

    /// Takes an input. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Startup => self.start(now),
            Input::Found => {
                if self.state != State::Active {
                    self.find(now);
                }
            }
            Input::Shutdown(farewell) => self.shut_down(now, farewell),
            Input::Datagram(datagram) => {
                self.notice_stall(now);
                self.receive(now, datagram);
            }
            Input::Priority(priority) => self.set_priority(now, priority),
            Input::Source(source) => {
                if self.config.check_source(source).is_ok() {
                    self.source = source;
                    self.told.own_address = false;
                }
            }
            Input::PeerDown(peer) => self.peer_down(now, peer),
            Input::Hold(held) => self.hold(held),
            Input::TakeOver => self.take_over(now),
            Input::StepDown(farewell) => {
                if self.state == State::Active {
                    self.step_down(now, farewell, Cause::Requested);
                }
            }
            Input::HandOver(patience) => self.hand_over(now, patience),
            Input::WallClock(unix) => {
                #[cfg(feature = "hmac")]
                if let Some(trailer) = &mut self.trailer {
                    trailer.set_clock(now, unix);
                }
                #[cfg(not(feature = "hmac"))]
                let _ = unix;
            }
            Input::Unsent { copies, all } => self.note_unsent(now, copies, all),
            Input::Sent => self.note_sent(now),
            Input::Announce => {
                if self.state == State::Active {
                    self.announce(now, AnnounceReason::Requested);
                }
            }
        }
    }

    /// Does what is due. Harmless when called early or late. Drain [`poll_output`](Self::poll_output) afterwards; the
    /// next deadline is later than `now` then.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.deadline {
            Some(deadline) if now >= deadline => {
                let from = self.state;
                self.time_out(now, deadline);
                self.note_due(from, deadline);
            }
            _ => {}
        }
        self.end_lingering(now);
    }

    /// The next thing to do, until there is none. The order counts.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        Some(match *self.queue.front()? {
            Action::Send { message, resign } => return Some(self.poll_send(message, resign)),
            Action::Install => self.pop(Output::Install),
            Action::Announce(reason) => self.pop(Output::Announce(reason)),
            Action::Remove => self.pop(Output::Remove),
            Action::Event(event) => self.pop(Output::Event(event)),
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` in state Initialize only, unless it
    /// [lingers](Self::lingers).
    pub fn poll_timeout(&self) -> Option<Time> {
        match (self.deadline, self.lingers) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Whether [`poll_output`](Self::poll_output) has something.
    pub fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The priority that it runs with, which trackers may have changed.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The address that advertisements come from.
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// The Active router and its priority, when this one is Backup and has heard it.
    pub fn active(&self) -> Option<(IpAddr, Priority)> {
        self.active.map(|peer| (peer.source, peer.priority))
    }

    /// `Active_Adver_Interval` of RFC 9568 §6.1: the interval of the Active router.
    pub fn active_interval(&self) -> Interval {
        self.interval
    }

    /// The form in which VRRPv3 over IPv4 is sent.
    pub fn checksum_form(&self) -> ChecksumForm {
        self.checksum
    }

    /// Its counters.
    pub fn stats(&self) -> &RouterStats {
        &self.stats
    }

    /// Goes on with another configuration without losing its state. An Active router advertises, installs and announces
    /// at once what changed; a Backup waits no longer than before. The priority becomes the configured one.
    /// Allocates.
    ///
    /// # Errors
    /// When the configuration is for another virtual router. Nothing has changed then.
    pub fn reconfigure(&mut self, now: Time, config: impl Into<Arc<Config>>) -> Result<(), OtherRouter> {
        let config = config.into();
        if (config.vrid, config.family(), config.version)
            != (self.config.vrid, self.config.family(), self.config.version)
        {
            return Err(OtherRouter);
        }
        let old = core::mem::replace(&mut self.config, config);
        self.messages = messages(&self.config);
        #[cfg(feature = "hmac")]
        trailer::Trailer::reconfigure(&mut self.trailer, &self.config);
        self.told = Told::default();
        if self.config.checksum != old.checksum {
            self.checksum = self.config.checksum.first_form();
        }
        let addresses = old.addresses != self.config.addresses || old.accept() != self.config.accept();
        if self.state == State::Active {
            let (from, to) = (self.priority, self.config.priority);
            self.priority = to;
            if from != to {
                self.event(Event::Priority { from, to });
            }
            if !self.handing_over {
                self.advertise(now, false);
                self.deadline = Some(now + self.config.interval.duration());
            }
            if addresses {
                self.queue.push_back(Action::Install);
                self.announce(now, AnnounceReason::Requested);
            }
        } else {
            if self.active.is_none() || self.config.version == VersionMode::V2 {
                self.interval = self.config.interval;
            }
            if self.state == State::Backup {
                self.deadline = self.deadline.min(Some(now + self.down_interval()));
            }
            self.set_priority(now, self.config.priority);
            self.reconsider_preemption();
        }
        Ok(())
    }

    fn pop(&mut self, output: Output<'static>) -> Output<'static> {
        self.queue.pop_front();
        output
    }

    fn poll_send(&mut self, message: usize, resign: bool) -> Output<'_> {
        let destination = match &self.config.mode {
            Mode::Multicast(group) => *group,
            Mode::Unicast(peers) => peers[self.next_peer],
        };
        self.next_peer += 1;
        if self.next_peer >= self.config.peers().len() {
            self.next_peer = 0;
            self.queue.pop_front();
        }
        self.stats.sent += 1;
        self.stats.priority_zero_sent += u64::from(resign);
        let form = self.form_of(self.messages[message].version);
        let message = &mut self.messages[message];
        let priority = (!resign).then_some(self.priority);
        let payload = message.fill(Filled { priority, source: self.source, destination, form });
        #[cfg(feature = "hmac")]
        let payload = match &mut self.trailer {
            Some(trailer) => {
                trailer.seal(self.last_sent.unwrap_or(Time::ZERO), self.source, destination, payload)
            }
            None => payload,
        };
        Output::Send(Transmit { source: self.source, destination, payload })
    }

    fn form_of(&self, version: Version) -> ChecksumForm {
        match (version, self.config.addresses.family()) {
            (Version::V2, _) => ChecksumForm::MessageOnly,
            (Version::V3, Family::V6) => ChecksumForm::PseudoHeader,
            (Version::V3, Family::V4) => self.checksum,
        }
    }

    fn event(&mut self, event: Event) {
        self.queue.push_back(Action::Event(event));
    }
}

fn messages(config: &Config) -> Box<[Message]> {
    [Version::V3, Version::V2]
        .into_iter()
        .filter(|version| config.version.speaks(*version))
        .map(|version| Message::new(config, version))
        .collect()
}

#[cfg(test)]
mod tests;
