//! An instance, and what it is to do.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use lb_config::keepalived::model;
use lb_control::{
    event::{Condition, TrackerId, Why},
    protocol::Maintenance,
};
use lb_core::Time;
use lb_vrrp::{
    Cause, Priority,
    driver::LinkState,
    track::{Contribution, Effect, Effective, Status, Tracking},
};

use super::{Known, Order};

/// An instance.
#[derive(Debug)]
pub struct Instance {
    pub(super) tracking: Tracking<TrackerId>,
    pub(super) group: Option<Arc<str>>,
    /// Why the operator gave it to another node. It takes over again only when nobody else is there.
    pub(super) handed_over: Option<String>,
    /// Why it can not have its addresses here.
    pub(super) unusable: Option<String>,
    /// Why no instance of its group takes part.
    pub(super) incomplete: Option<String>,
    pub(super) protocol: lb_vrrp::State,
    pub(super) cause: Cause,
    pub(super) link: LinkState,
    pub(super) interface: String,
    /// The address that advertisements are to come from.
    pub(super) source: Option<IpAddr>,
    /// The priority that the protocol runs with.
    pub(super) priority: Priority,
    pub(super) told: Told,
    pub(super) condition: Condition,
    pub(super) since: Time,
    pub(super) why: Why,
}

/// What the protocol was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) takes_part: bool,
    pub(super) priority: Priority,
}

impl Instance {
    pub(super) fn new(priority: Priority, now: Time) -> Self {
        Self {
            tracking: Tracking::new(priority),
            group: None,
            handed_over: None,
            unusable: None,
            incomplete: None,
            protocol: lb_vrrp::State::Initialize,
            cause: Cause::Startup,
            link: LinkState::Ready,
            interface: String::new(),
            source: None,
            priority,
            told: Told { takes_part: false, priority },
            condition: Condition::Init,
            since: now,
            why: Why::Lifecycle,
        }
    }

    /// What it is, since when, and why.
    pub fn condition_since(&self) -> (Condition, Time, &Why) {
        (self.condition, self.since, &self.why)
    }

    /// The priority that the protocol runs with.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The router that is MASTER in its place, or that made it what it is.
    pub fn peer(&self) -> Option<IpAddr> {
        match self.cause {
            Cause::Resigned(peer)
            | Cause::Preempts(peer)
            | Cause::PeerDown(peer)
            | Cause::HigherPriority(peer, _)
            | Cause::GreaterAddress(peer)
            | Cause::HandedOver(peer) => Some(peer),
            _ => None,
        }
    }

    /// The priority that it is to run with, and whether it is to take part, once the start is over.
    pub fn intended(&self) -> (Priority, bool) {
        let aim = self.aim(false);
        (aim.priority, aim.takes_part)
    }

    /// Whether the protocol has the addresses.
    pub fn is_active(&self) -> bool {
        self.protocol == lb_vrrp::State::Active
    }

    /// Whether the protocol was told to take part.
    pub fn takes_part(&self) -> bool {
        self.told.takes_part
    }

    /// The configured priority.
    pub fn base(&self) -> Priority {
        self.tracking.base()
    }

    /// Why it was handed over, if it was.
    pub fn handed_over(&self) -> Option<&str> {
        self.handed_over.as_deref()
    }

    /// Its group.
    pub fn group(&self) -> Option<&Arc<str>> {
        self.group.as_ref()
    }

    /// What each tracker contributes to its priority.
    pub fn contributions(&self) -> impl Iterator<Item = (&TrackerId, Contribution)> {
        self.tracking.explain()
    }

    /// Follows a configuration.
    pub(super) fn follow(
        &mut self,
        base: Priority,
        wanted: &BTreeMap<TrackerId, model::Weight>,
        trackers: &BTreeMap<TrackerId, Known>,
    ) {
        self.tracking.set_base(base);
        self.tracking.retain(|id| wanted.contains_key(id));
        for (id, weight) in wanted {
            self.tracking.track(id.clone(), weight_of(*weight));
            if let Some(known) = trackers.get(id) {
                self.tracking.set(id, known.status);
            }
        }
    }

    /// Why it takes no part whatever its trackers say.
    fn refusal(&self) -> Option<&str> {
        self.incomplete.as_deref().or(self.unusable.as_deref())
    }

    pub(super) fn aim(&self, held: bool) -> Told {
        let (priority, fault) = match self.tracking.effective() {
            Effective::Priority(priority) => (priority, false),
            Effective::Fault => (self.told.priority, true),
        };
        let priority = if self.handed_over.is_some() { Priority::MIN } else { priority };
        Told { takes_part: !fault && !held && self.refusal().is_none(), priority }
    }

    pub(super) fn orders(&mut self, held: bool) -> Vec<Order> {
        let aim = self.aim(held);
        let before = std::mem::replace(&mut self.told, aim);
        let mut orders = Vec::new();
        if before.takes_part && !aim.takes_part {
            orders.push(Order::Fault);
        }
        if before.priority != aim.priority {
            orders.push(Order::Priority(aim.priority));
        }
        if !before.takes_part && aim.takes_part {
            orders.push(Order::Recovered);
        }
        orders
    }

    /// An interface that went down may be gone a moment later: that is what keeps the instance from taking part then.
    pub(super) fn update_fault_of_link(&mut self) {
        if self.condition == Condition::Fault
            && self.link != LinkState::Ready
            && matches!(self.why, Why::Interface(_))
        {
            self.why = self.fault_of_link();
        }
    }

    fn fault_of_link(&self) -> Why {
        let interface = &self.interface;
        if let (LinkState::NoSource, Some(source)) = (self.link, self.source) {
            let text = format!("src address not configured: {source} is not an address of this host");
            return Why::Refused(text);
        }
        Why::Interface(match self.link {
            LinkState::Gone => format!("{interface} does not exist; it is waited for"),
            other => format!("{interface} {other}"),
        })
    }

    pub(super) fn condition(&self, open: bool, maintenance: Option<&Maintenance>) -> (Condition, Why) {
        match self.protocol {
            lb_vrrp::State::Active => return (Condition::Master, Why::Protocol(self.cause)),
            lb_vrrp::State::Backup if self.condition == Condition::Fault => {
                return (Condition::Backup, Why::Recovered);
            }
            lb_vrrp::State::Backup => return (Condition::Backup, Why::Protocol(self.cause)),
            lb_vrrp::State::Initialize => {}
        }
        if let Some(order) = maintenance {
            return (Condition::Fault, Why::Operator(order.words()));
        }
        if let Some(why) = self.refusal() {
            return (Condition::Fault, Why::Refused(why.to_owned()));
        }
        let faults = || self.tracking.explain().filter(|(_, found)| found.effect == Effect::Fault);
        let failed = faults().find(|(_, found)| found.status != Status::Unknown);
        match (failed, faults().next()) {
            (Some((id, _)), _) => (Condition::Fault, Why::Tracker(id.clone())),
            _ if self.link != LinkState::Ready => (Condition::Fault, self.fault_of_link()),
            (None, Some((id, _))) => (Condition::Init, Why::Tracker(id.clone())),
            (None, None) if !open => (Condition::Init, Why::Lifecycle),
            // It takes part at once, unless somebody else in its group can not.
            (None, None) => match &self.group {
                Some(group) if self.condition != Condition::Init => {
                    (Condition::Fault, Why::Group(group.clone()))
                }
                _ => (self.condition, self.why.clone()),
            },
        }
    }
}

/// Why no instance of a group takes part.
pub(super) fn incomplete(group: &model::Group) -> Option<String> {
    let verb = if group.missing.len() == 1 { "has an error" } else { "have errors" };
    (!group.missing.is_empty()).then(|| {
        format!("{} of its sync group {} {verb} in the configuration", group.missing.join(", "), group.name)
    })
}

/// The ends of the range that only processes have count as the ends of the others'.
fn weight_of(weight: model::Weight) -> lb_vrrp::track::Weight {
    let value = weight.value.clamp(-253, 253);
    let weight_of = lb_vrrp::track::Weight::new(value).unwrap_or_default();
    if weight.reverse { weight_of.reversed() } else { weight_of }
}
