//! Orders and questions to a driver that runs.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::{
    instance::{Instance, InstanceError},
    notice::LinkState,
};
use crate::{
    Farewell, Interval, Priority, State, Time,
    endpoint::EndpointStats,
    router::{self, Basis, DroppedAdverts, Heard, Rival, RouterStats},
    wire::Mac,
};

/// Gives orders to a driver that runs, from anywhere in the program. Each is carried out when it returns, as far as the
/// protocol goes; addresses follow in their own time.
#[derive(Clone, Debug)]
pub struct Control(pub(super) mpsc::Sender<Command>);

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The driver has ended.
    #[error("the driver has ended")]
    Ended,
    /// There is no such instance.
    #[error("there is no instance {0:?}")]
    Unknown(String),
    /// An instance can not be what it was ordered to be.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// A sync group can not be what it was ordered to be.
    #[error("sync group {0:?}: its name is taken, or an instance is a member of another one")]
    Group(String),
    /// It takes no part at the moment, so that it can not do what was ordered.
    #[error("instance {0:?} takes no part: its interface is not ready, or it was shut down")]
    NotRunning(String),
}

/// What an instance is and does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: Arc<str>,
    /// When this was so, on the clock of the platform.
    pub at: Time,
    /// Its state.
    pub state: State,
    /// The priority that it runs with.
    pub priority: Priority,
    /// The Active router as a Backup sees it: address and priority.
    pub active: Option<(IpAddr, Priority)>,
    /// Where its advertisements come from; `None` as long as the interface was never ready.
    pub source: Option<IpAddr>,
    /// Whether its interface can be used.
    pub link: LinkState,
    /// Whether it was said to have a fault; see [`Control::fault`].
    pub fault: bool,
    /// The latest advertisement of another router that was accepted.
    pub heard: Option<Heard>,
    /// What was dropped lately; see [`VirtualRouter::dropped`](crate::VirtualRouter::dropped).
    pub dropped: Vec<DroppedAdverts>,
    /// Another router that stays Active besides this one.
    pub rival: Option<Rival>,
    /// Why none of its latest advertisements could be sent.
    pub unsent: Option<Arc<str>>,
    /// When its state changed the last time, and what that was based on; `None` if it did not yet in this process.
    pub basis: Option<Basis>,
    /// The interval that it waits by: the Active router's, as it was learned, or its own.
    pub active_interval: Interval,
    /// Whether its addresses are still there although it is not Active, until another router is heard.
    pub lingers: bool,
    /// Index of its virtual interface, if it has one.
    pub virtual_link: Option<u32>,
    /// How many addresses are installed.
    pub installed: usize,
    /// How many addresses it has when it is Active.
    pub addresses: usize,
    /// Its counters.
    pub stats: RouterStats,
}

/// A resignation that was made ahead, for another process to send when this one is dead: the payload of an IP packet with
/// protocol 112 and DSCP 48, or a whole packet. Ask again after each change of state, priority, configuration or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resignation {
    /// Name of the instance.
    pub instance: String,
    /// Index of the interface that it goes out of.
    pub interface: u32,
    /// The Ethernet address that it comes from, if it is the virtual one and not that of the interface.
    pub mac: Option<Mac>,
    /// Source address of the packet.
    pub source: IpAddr,
    /// Destination address of the packet.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Whether the payload is a whole IPv4 packet, with an IP authentication header.
    #[serde(default)]
    pub sealed: bool,
    /// The message.
    pub payload: Vec<u8>,
}

/// What a sync group is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Its state: Active when all members are, Initialize when one can take no part.
    pub state: State,
    /// Whether a member has a fault, or a link that can not be used.
    pub fault: bool,
    /// Its members, the first one deciding between two hosts.
    pub members: Vec<Arc<str>>,
}

/// What is to be remembered to go on without a failover after the process was replaced: give it to
/// [`Driver::restore`](super::Driver::restore).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By name of the instance.
    pub instances: BTreeMap<String, router::Snapshot>,
    /// After which sequence numbers those with IP authentication headers go on: at 1, it would be taken for a replay. Ahead
    /// of what a driver that goes on running can send, and somebody can resign with for it, so that the snapshot need not
    /// be the latest.
    #[serde(default)]
    pub sequences: BTreeMap<String, u32>,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, ControlError>>;

pub(super) enum Command {
    Order(String, Order, Reply<()>),
    Orders(Vec<(String, Order)>, Reply<Vec<ControlError>>),
    AddGroup(String, Vec<String>, Reply<()>),
    RemoveGroup(String, Reply<()>),
    ChangeGroup(String, Vec<String>, Reply<()>),
    Groups(Reply<Vec<GroupStatus>>),
    Resignations(Option<Vec<String>>, Reply<Vec<Resignation>>),
    Add(Box<Instance>, Reply<()>),
    Remove(String, Reply<()>),
    Rename(String, String, Reply<()>),
    Reconfigure(Box<Instance>, Reply<()>),
    Status(Option<String>, Reply<Vec<Status>>),
    Stats(Reply<EndpointStats>),
    Snapshot(Option<Vec<String>>, Reply<Snapshot>),
}

/// An order for an instance, for [`Control::orders`]. Each is also a method of [`Control`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// [`Control::set_priority`].
    Priority(Priority),
    /// [`Control::take_over`].
    TakeOver,
    /// [`Control::step_down`].
    StepDown(Farewell),
    /// [`Control::hand_over`].
    HandOver,
    /// [`Control::peer_down`].
    PeerDown(IpAddr),
    /// [`Control::announce`].
    Announce,
    /// [`Control::hold`].
    Hold(bool),
    /// [`Control::startup`].
    Startup,
    /// [`Control::shutdown`].
    Shutdown(Farewell),
    /// [`Control::fault`].
    Fault(Farewell),
    /// [`Control::recovered`].
    Recovered,
}

impl Control {
    /// Runs an instance with another priority, until it is told another one.
    ///
    /// # Errors
    /// [`ControlError::Unknown`], [`ControlError::Ended`].
    pub async fn set_priority(&self, instance: &str, priority: Priority) -> Result<(), ControlError> {
        self.order(instance, Order::Priority(priority)).await
    }

    /// Makes a Backup Active at once.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] besides those of [`set_priority`](Self::set_priority).
    pub async fn take_over(&self, instance: &str) -> Result<(), ControlError> {
        self.order(instance, Order::TakeOver).await
    }

    /// Makes an Active router Backup at once. With [`Farewell::Linger`] its addresses are answered for until another
    /// router has them.
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over).
    pub async fn step_down(&self, instance: &str, farewell: Farewell) -> Result<(), ControlError> {
        self.order(instance, Order::StepDown(farewell)).await
    }

    /// Makes an Active router Backup when another one takes over, and not before; see
    /// [`Input::HandOver`](crate::Input::HandOver). The members of its sync group hand over with it. How it ended is told by
    /// [`Cause::HandedOver`](crate::Cause::HandedOver) or [`Event::NoSuccessor`](crate::Event::NoSuccessor).
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over).
    pub async fn hand_over(&self, instance: &str) -> Result<(), ControlError> {
        self.order(instance, Order::HandOver).await
    }

    /// Another detector (BFD, a cluster's membership) found a router down. An instance for which it is the Active one takes
    /// over after its skew time.
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over).
    pub async fn peer_down(&self, instance: &str, peer: IpAddr) -> Result<(), ControlError> {
        self.order(instance, Order::PeerDown(peer)).await
    }

    /// Announces the addresses of an Active router again.
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over).
    pub async fn announce(&self, instance: &str) -> Result<(), ControlError> {
        self.order(instance, Order::Announce).await
    }

    /// Keeps a Backup from becoming Active by itself, or no longer; see [`Input::Hold`](crate::Input::Hold). For sync groups.
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over).
    pub async fn hold(&self, instance: &str, hold: bool) -> Result<(), ControlError> {
        self.order(instance, Order::Hold(hold)).await
    }

    /// Lets an instance take part again after [`shutdown`](Self::shutdown), as soon as its interface is ready.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn startup(&self, instance: &str) -> Result<(), ControlError> {
        self.order(instance, Order::Startup).await
    }

    /// Lets an instance take part no longer, until [`startup`](Self::startup).
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn shutdown(&self, instance: &str, farewell: Farewell) -> Result<(), ControlError> {
        self.order(instance, Order::Shutdown(farewell)).await
    }

    /// An instance can take no part, for a reason that this driver does not see, until it has
    /// [`recovered`](Self::recovered). An Active one parts as is said; the members of its sync group linger.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn fault(&self, instance: &str, farewell: Farewell) -> Result<(), ControlError> {
        self.order(instance, Order::Fault(farewell)).await
    }

    /// The fault of an instance is over. It takes part if nothing else keeps it, or another member of its group, from it.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn recovered(&self, instance: &str) -> Result<(), ControlError> {
        self.order(instance, Order::Recovered).await
    }

    /// Gives many orders at once, in this order: what they make the routers send goes out together. Returns the errors of
    /// those that were not carried out.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn orders(&self, orders: Vec<(String, Order)>) -> Result<Vec<ControlError>, ControlError> {
        self.ask(|reply| Command::Orders(orders, reply)).await
    }

    /// Adds a sync group; see [`Driver::add_group`](super::Driver::add_group).
    ///
    /// # Errors
    /// [`ControlError::Group`] besides those of [`set_priority`](Self::set_priority).
    pub async fn add_group(&self, name: &str, members: Vec<String>) -> Result<(), ControlError> {
        self.ask(|reply| Command::AddGroup(name.to_owned(), members, reply)).await
    }

    /// Gives a sync group other members. Those that stay keep their state; the order of those that stay is kept, and new
    /// ones come after them.
    ///
    /// # Errors
    /// As [`add_group`](Self::add_group).
    pub async fn change_group(&self, name: &str, members: Vec<String>) -> Result<(), ControlError> {
        self.ask(|reply| Command::ChangeGroup(name.to_owned(), members, reply)).await
    }

    /// Dissolves a sync group. Its members go on by themselves.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn remove_group(&self, name: &str) -> Result<(), ControlError> {
        self.ask(|reply| Command::RemoveGroup(name.to_owned(), reply)).await
    }

    /// All sync groups, by name.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn groups(&self) -> Result<Vec<GroupStatus>, ControlError> {
        self.ask(Command::Groups).await
    }

    /// Adds an instance.
    ///
    /// # Errors
    /// [`ControlError::Instance`], [`ControlError::Ended`].
    pub async fn add(&self, instance: Instance) -> Result<(), ControlError> {
        self.ask(|reply| Command::Add(Box::new(instance), reply)).await
    }

    /// Removes an instance. An Active one resigns.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn remove(&self, instance: &str) -> Result<(), ControlError> {
        self.ask(|reply| Command::Remove(instance.to_owned(), reply)).await
    }

    /// Gives an instance another name, and leaves everything else as it is.
    ///
    /// # Errors
    /// [`ControlError::Instance`] when the name is empty or taken, besides those of
    /// [`set_priority`](Self::set_priority).
    pub async fn rename(&self, instance: &str, name: &str) -> Result<(), ControlError> {
        self.ask(|reply| Command::Rename(instance.to_owned(), name.to_owned(), reply)).await
    }

    /// Makes the instance of this name what it is here, without losing its state; see
    /// [`VirtualRouter::reconfigure`](crate::VirtualRouter::reconfigure). Its interface, identifier, family, version and
    /// virtual Ethernet address can not be changed; the key of the IP authentication header stays as it is, since peers
    /// count on its sequence numbers.
    ///
    /// # Errors
    /// [`ControlError::Instance`] besides those of [`set_priority`](Self::set_priority).
    pub async fn reconfigure(&self, instance: Instance) -> Result<(), ControlError> {
        self.ask(|reply| Command::Reconfigure(Box::new(instance), reply)).await
    }

    /// The status of an instance.
    ///
    /// # Errors
    /// As [`set_priority`](Self::set_priority).
    pub async fn status(&self, instance: &str) -> Result<Status, ControlError> {
        let mut all = self.ask(|reply| Command::Status(Some(instance.to_owned()), reply)).await?;
        all.pop().ok_or_else(|| ControlError::Unknown(instance.to_owned()))
    }

    /// The status of all instances, in the order in which they were added.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn status_of_all(&self) -> Result<Vec<Status>, ControlError> {
        self.ask(|reply| Command::Status(None, reply)).await
    }

    /// The counters that are not about one instance.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn stats(&self) -> Result<EndpointStats, ControlError> {
        self.ask(Command::Stats).await
    }

    /// What is to be remembered, as of now.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn snapshot(&self) -> Result<Snapshot, ControlError> {
        self.ask(|reply| Command::Snapshot(None, reply)).await
    }

    /// What is to be remembered of these instances, as of now: in small portions, when there are many of them. A name
    /// that no instance has is ignored.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn snapshot_of(&self, instances: Vec<String>) -> Result<Snapshot, ControlError> {
        self.ask(|reply| Command::Snapshot(Some(instances), reply)).await
    }

    /// The resignations of all that are Active now, made ahead.
    ///
    /// With IP authentication headers there are two for each destination, since each counts once. Their sequence numbers
    /// are 1,048,576 ahead: they are good until the instance has sent so many messages, and a successor goes on above
    /// them when it restores a [`Snapshot`]. There is none with an HMAC trailer: peers would refuse one with an earlier
    /// time than the latest advertisement has, and all that a successor sends until a time that is ahead has come.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn resignations(&self) -> Result<Vec<Resignation>, ControlError> {
        self.ask(|reply| Command::Resignations(None, reply)).await
    }

    /// Those of [`resignations`](Self::resignations) that are of these instances. A name that no instance has is ignored.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn resignations_of(&self, instances: Vec<String>) -> Result<Vec<Resignation>, ControlError> {
        self.ask(|reply| Command::Resignations(Some(instances), reply)).await
    }

    async fn order(&self, instance: &str, order: Order) -> Result<(), ControlError> {
        self.ask(|reply| Command::Order(instance.to_owned(), order, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.map_err(|_| ControlError::Ended)?;
        answer.await.map_err(|_| ControlError::Ended)?
    }
}
