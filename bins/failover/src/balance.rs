//! The virtual servers of a keepalived.conf, kept in a data plane.
//!
//! ```text
//! model ──policy──▶ lb_core::Policy ─┐
//! looks ──watch──▶ vitals ───────────┼─ services::State ─▶ table ─ services::Upkeep ─▶ data plane
//! orders of the operator ────────────┘        └──▶ View ──news──▶ log, FIFO, mails, scripts
//! ```
//!
//! `policy`, `vitals` and `news` are pure. Everything runs in a task of its own ([`Balance`] is its handle), so that no
//! election waits for a data plane, and no data plane for a script.
//!
//! # Like keepalived, and safer
//! - Without `alpha` a server is in use before its first check, as in keepalived. The first look is made within a second
//!   of the start however long `delay_loop` and `warmup` are, and one failure suffices then.
//! - A server that was found down stays down over a reload until a check says otherwise.
//! - A check that can not be made (no such program, no such user) counts as failed, and says why.
//! - What others change in the data plane is put right every ten seconds; what is not ours is left alone.
//! - Equal checks of one server in several virtual servers are one.

mod expected;
mod news;
mod number;
mod policy;
mod probes;
mod record;
mod suspension;
mod task;
#[cfg(test)]
mod tests;
mod vitals;
mod watch;
mod wording;

use std::{collections::BTreeSet, fmt, io, net::IpAddr, sync::Arc, time::Duration};

use lb_balancer::{plane::Choice, relay_limit::RelayLimit};
use lb_config::keepalived::model::{Config, ScriptCommand, VirtualName, VirtualServer};
use lb_control::{
    protocol::{Answer, DataPlaneStatus, Plan, Request, ServerOrder, ServiceStatus},
    store::Store,
};
use lb_core::{Event, model::ServiceKey};
use lb_ipvs::sysctl::Assignment;
use lb_nat::nft::TableName;
use lb_runtime::{clock::Clock, log::Log};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub use self::expected::FreebindPolicy;
use self::task::Task;
use crate::{
    inventory::{Inventory, Recorder},
    journal::Journal,
    notify::Notifier,
};

/// How virtual servers are kept.
#[derive(Clone)]
pub struct Settings {
    /// The data plane. It is opened when there is a virtual server. Default: the first that works.
    pub plane: Choice,
    /// Which addresses the relay may listen at before they are here. Default: those that instances bring, and static ones.
    pub freebind: FreebindPolicy,
    /// The table of this daemon, if that is nftables. Default: `lb`.
    pub nft_table: TableName,
    /// Limits of the relay, if that is the data plane. Default none.
    pub relay_limits: Vec<RelayLimit>,
    /// How often the whole data plane is read and put right. Default 10 s.
    pub sync_interval: Duration,
    /// At the end everything stays in the data plane, and nobody is told that it is down. Default: no.
    pub leave: bool,
    /// Settings of the kernel that are made when the data plane is opened, if that is IPVS. Default: none.
    pub sysctls: Vec<Assignment>,
    /// Which addresses are on this host. Default: those of its interfaces.
    pub addresses: Arc<dyn Fn() -> io::Result<BTreeSet<IpAddr>> + Send + Sync>,
    /// Where the services are recorded that are put into the kernel. Default: nowhere.
    pub recorder: Recorder,
    /// What a predecessor has recorded: services that are not wanted any more are removed. Default: nothing.
    pub inventory: Inventory,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plane: Choice::Auto,
            freebind: FreebindPolicy::Configured,
            nft_table: TableName::default(),
            relay_limits: Vec::new(),
            sync_interval: Duration::from_secs(10),
            leave: false,
            sysctls: Vec::new(),
            addresses: Arc::new(suspension::addresses_here),
            recorder: Recorder::default(),
            inventory: Inventory::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plane, freebind, nft_table, relay_limits, sync_interval, leave, sysctls, .. } = self;
        f.debug_struct("Settings")
            .field("plane", plane)
            .field("freebind", freebind)
            .field("nft_table", nft_table)
            .field("relay_limits", relay_limits)
            .field("sync_interval", sync_interval)
            .field("leave", leave)
            .field("sysctls", sysctls)
            .finish_non_exhaustive()
    }
}

/// What others have to be told. Log lines are written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For the journal.
    Event(Event),
    /// A line for `lvs_notify_fifo` and `notify_fifo`, without its line feed: `VS [10.0.0.1]:tcp:80 UP`.
    Fifo(String),
    /// A mail.
    Mail {
        /// Its subject, without the name of the router.
        subject: String,
        /// Its text.
        body: String,
    },
    /// A script: `notify_up`, `notify_down`, `quorum_up`, `quorum_down`. Those of one virtual server keep their order.
    Run {
        /// Which virtual server it is about.
        of: VirtualName,
        /// Which of the four it is.
        purpose: &'static str,
        /// What is run.
        command: ScriptCommand,
    },
}

impl Output {
    /// Tells whom it concerns.
    pub fn deliver(self, notifier: &mut Notifier, journal: &mut Journal) {
        match self {
            Self::Event(event) => journal.keep_service(event),
            Self::Fifo(line) => notifier.tell_lvs(&line),
            Self::Mail { subject, body } => notifier.mail(&subject, &body),
            Self::Run { of, purpose, command } => {
                let name = of.to_string();
                notifier.run_lvs(&name, &format!("{purpose} of {name}"), &command);
            }
        }
    }
}

/// What is known of the virtual servers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The data plane; `None` = there is no need of one.
    pub data_plane: Option<DataPlaneStatus>,
    /// The virtual servers.
    pub services: Vec<ServiceStatus>,
    /// Services in the data plane that are not ours.
    pub foreign: BTreeSet<ServiceKey>,
    /// Orders about real servers.
    pub orders: Vec<ServerOrder>,
}

/// Keeps virtual servers until it is stopped or dropped.
#[derive(Debug)]
pub struct Balance {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

/// What is asked of the task.
#[derive(Debug)]
enum Order {
    Configure(Box<Config>),
    AddressesChanged,
    Status(oneshot::Sender<Status>),
    Serve(Request, Option<String>, oneshot::Sender<Answer>),
    Plan(Box<Proposal>, oneshot::Sender<Answer>),
    Stop,
}

/// The virtual servers of a configuration, and what is planned so far.
#[derive(Debug)]
struct Proposal {
    servers: Vec<VirtualServer>,
    plan: Plan,
}

/// Has the virtual servers planned for, from another thread.
#[derive(Debug)]
pub struct Planner(mpsc::UnboundedSender<Order>);

impl Planner {
    /// Answers what these virtual servers would change in the data plane, in addition to what is planned already. Nothing
    /// is changed.
    pub fn plan(self, servers: Vec<VirtualServer>, plan: Plan, reply: oneshot::Sender<Answer>) {
        let proposal = Proposal { servers, plan };
        // Whoever asked is told by the end of `reply` when the task has ended.
        let _ = self.0.send(Order::Plan(Box::new(proposal), reply));
    }
}

impl Balance {
    /// Puts the virtual servers of a configuration in force, and keeps them. `orders` are those that an earlier process has
    /// left in the store. To be called inside a tokio runtime.
    ///
    /// The queue of outputs has no bound, and needs none: it gets what changed, and checks have their pace.
    ///
    /// If no data plane works, that is logged and shown by [`status`](Self::status), and it is tried again every second:
    /// virtual routers shall run nevertheless.
    pub async fn start(
        config: &Config,
        settings: Settings,
        clock: Clock,
        log: Log,
        store: Store,
        orders: Vec<ServerOrder>,
    ) -> (Self, mpsc::UnboundedReceiver<Output>) {
        let (outputs, told) = mpsc::unbounded_channel();
        let task = Task::start(config, settings, clock, log, outputs, (store, orders)).await;
        let (orders, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(task.run(inbox));
        (Self { orders, task }, told)
    }

    /// Puts another configuration in force. Only what differs is touched; what is known of a server is kept.
    pub fn configure(&self, config: &Config) {
        self.order(Order::Configure(Box::new(Config {
            globals: config.globals.clone(),
            virtual_servers: config.virtual_servers.clone(),
            instances: config.instances.clone(),
            statics: config.statics.clone(),
            ..Config::default()
        })));
    }

    /// Says what other configurations would change.
    pub fn planner(&self) -> Planner {
        Planner(self.orders.clone())
    }

    /// Addresses of this host have changed: what the data plane refused for want of one is tried again at once, and
    /// `ha_suspend` follows. Without this call both happen within a second.
    pub fn addresses_changed(&self) {
        self.order(Order::AddressesChanged);
    }

    /// What is known.
    pub async fn status(&self) -> Status {
        self.ask(Order::Status).await.unwrap_or_default()
    }

    /// Answers [`Request::Table`], [`Request::Connections`] and [`Request::Order`], which is by this user.
    pub async fn serve(&self, request: Request, by: Option<String>) -> Answer {
        let answer = self.ask(|reply| Order::Serve(request, by, reply)).await;
        answer.unwrap_or_else(|| Answer::Error("the virtual servers are being stopped".to_owned()))
    }

    /// Stops: tells what `omega` wants told, and takes what is ours out of the data plane, or leaves it as the settings say.
    pub async fn stop(&mut self) {
        self.order(Order::Stop);
        // It ends with a panic or not at all; in both cases there is nothing left to wait for.
        let _ = (&mut self.task).await;
    }

    fn order(&self, order: Order) {
        // A task that has ended needs no orders.
        let _ = self.orders.send(order);
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.order(order(reply));
        answer.await.ok()
    }
}

impl Drop for Balance {
    fn drop(&mut self) {
        self.task.abort();
    }
}
