//! What the daemon knows of its instances and what follows from it: pure, so that every sequence of failures, orders and
//! reloads can be tested.
//!
//! Three layers are never mixed in one field: what the configuration says, what the operator ordered, what was found.

mod instance;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use instance::Instance;
use instance::incomplete;
use lb_config::keepalived::model::{self, Config, Tracks};
use lb_control::{
    event::{Condition, Event, Subject, TrackerId, What, Why},
    protocol::Maintenance,
};
use lb_core::Time;
use lb_vrrp::{Cause, Priority, driver::LinkState, track::Status};

use super::track::Report;

/// What is known, and what follows.
#[derive(Debug, Default)]
pub struct State {
    /// Each in a box, since a map has room for twice as many.
    instances: BTreeMap<Arc<str>, Box<Instance>>,
    groups: BTreeMap<Arc<str>, Group>,
    trackers: BTreeMap<TrackerId, Known>,
    maintenance: Option<Maintenance>,
    /// Whether the delay after the start is over.
    open: bool,
}

/// What is known of a tracker, and who wants to know.
#[derive(Debug, Default)]
pub struct Known {
    /// What it was found to be.
    pub status: Status,
    /// Since when it is that.
    pub since: Time,
    /// What was seen.
    pub detail: String,
    watchers: BTreeSet<Arc<str>>,
}

/// A sync group.
#[derive(Debug)]
pub struct Group {
    /// What it is.
    pub condition: Condition,
    /// Since when.
    pub since: Time,
    /// Why.
    pub why: Why,
    members: Vec<Arc<str>>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell the protocol.
    Order(Arc<str>, Order),
    /// Write it down, and tell whom it concerns.
    Event(Event),
}

/// What the protocol is told of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Run with this priority.
    Priority(Priority),
    /// Take no part any more; keep the addresses until somebody else has them.
    Fault,
    /// Take part.
    Recovered,
    /// Give the addresses to another node, and keep them until it has them.
    HandOver,
}

impl State {
    /// The instances by name.
    pub fn instances(&self) -> impl Iterator<Item = (&Arc<str>, &Instance)> {
        self.instances.iter().map(|(name, instance)| (name, &**instance))
    }

    /// An instance, with its name as it is shared.
    pub fn instance(&self, name: &str) -> Option<(&Arc<str>, &Instance)> {
        self.instances.get_key_value(name).map(|(name, instance)| (name, &**instance))
    }

    /// A group.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// What is tracked, and what is known of it.
    pub fn trackers(&self) -> impl Iterator<Item = (&TrackerId, &Known)> {
        self.trackers.iter()
    }

    /// Something that is tracked.
    pub fn tracker(&self, id: &TrackerId) -> Option<&Known> {
        self.trackers.get(id)
    }

    /// The operator's order for the whole node.
    pub fn maintenance(&self) -> Option<&Maintenance> {
        self.maintenance.as_ref()
    }

    /// What a predecessor had found of trackers, to be given before the first configuration: until they are found again, it
    /// counts.
    pub fn remember(&mut self, found: impl IntoIterator<Item = (TrackerId, Status)>) {
        for (id, status) in found {
            self.trackers.insert(id, Known { status, ..Known::default() });
        }
    }

    /// An instance has another name from now on.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(instance) = self.instances.remove(from) {
            self.instances.insert(to.into(), instance);
        }
    }

    /// Puts another configuration in force. What is known of a tracker or an instance that stays is kept.
    pub fn configure(&mut self, config: &Config, now: Time) -> Vec<Step> {
        let groups: BTreeMap<&str, &model::Group> = config
            .groups
            .iter()
            .flat_map(|group| group.members.iter().map(move |member| (member.as_str(), group)))
            .collect();
        let mut before = std::mem::take(&mut self.instances);
        for known in self.trackers.values_mut() {
            known.watchers.clear();
        }
        for model in &config.instances {
            let name: Arc<str> = match before.get_key_value(model.name.as_str()) {
                Some((name, _)) => name.clone(),
                None => model.name.as_str().into(),
            };
            let group = groups.get(model.name.as_str()).copied();
            let wanted = wanted(model, group);
            for id in wanted.keys() {
                self.trackers.entry(id.clone()).or_default().watchers.insert(name.clone());
            }
            let mut instance =
                before.remove(&name).unwrap_or_else(|| Box::new(Instance::new(model.priority, now)));
            instance.unusable = None;
            instance.incomplete = group.and_then(incomplete);
            instance.interface.clone_from(&model.interface);
            instance.source = model.source;
            instance.group = group.map(|group| group.name.as_str().into());
            instance.follow(model.priority, &wanted, &self.trackers);
            self.instances.insert(name, instance);
        }
        self.trackers.retain(|_, known| !known.watchers.is_empty());
        let mut groups = std::mem::take(&mut self.groups);
        let mut steps = Vec::new();
        for model in &config.groups {
            let (name, mut group) = groups.remove_entry(model.name.as_str()).unwrap_or_else(|| {
                let (condition, why) = (Condition::Init, Why::Lifecycle);
                (model.name.as_str().into(), Group { condition, since: now, why, members: Vec::new() })
            });
            let named = |member: &String| Some(self.instances.get_key_value(member.as_str())?.0.clone());
            group.members = model.members.iter().filter_map(named).collect();
            if let Some(why) = incomplete(model)
                && group.condition != Condition::Fault
            {
                // The protocol, which has it in no state yet or is told to give up, says nothing else later.
                let (from, to, why) = (group.condition, Condition::Fault, Why::Refused(why));
                (group.condition, group.since, group.why) = (to, now, why.clone());
                steps.push(event(
                    now,
                    Subject::Group(name.clone()),
                    What::State { from, to, why, priority: 0 },
                ));
            }
            self.groups.insert(name, group);
        }
        steps.extend(self.names(|_, _| true).iter().flat_map(|name| self.follow_up(name, now)));
        steps
    }

    /// These take part from the beginning: a predecessor had them.
    pub fn begin(&mut self, had: impl Fn(&str) -> bool) {
        for (_, instance) in self.instances.iter_mut().filter(|(name, _)| had(name)) {
            instance.told.takes_part = true;
        }
    }

    /// The delay after the start is over: instances take part.
    pub fn open(&mut self, now: Time) -> Vec<Step> {
        self.open = true;
        self.follow_up_all(now)
    }

    /// A tracker was found to be something.
    pub fn tracked(&mut self, report: Report, now: Time) -> Vec<Step> {
        let Some(known) = self.trackers.get_mut(&report.id) else { return Vec::new() };
        if report.status == Status::Unknown && known.status != Status::Unknown {
            // What a predecessor found counts until there is something better.
            return Vec::new();
        }
        let mut steps = Vec::new();
        if (known.status, &known.detail) != (report.status, &report.detail) {
            let what = What::Tracked { status: report.status, detail: report.detail.clone() };
            steps.push(event(now, Subject::Tracker(report.id.clone()), what));
        }
        if known.status != report.status {
            known.since = now;
        }
        known.status = report.status;
        known.detail = report.detail;
        let watchers: Vec<Arc<str>> = known.watchers.iter().cloned().collect();
        for name in watchers {
            if let Some(instance) = self.instances.get_mut(&name) {
                instance.tracking.set(&report.id, report.status);
            }
            steps.extend(self.follow_up(&name, now));
        }
        steps
    }

    /// The protocol changed the state of an instance.
    pub fn changed(&mut self, name: &str, to: lb_vrrp::State, cause: Cause, now: Time) -> Vec<Step> {
        let Some(instance) = self.instances.get_mut(name) else { return Vec::new() };
        instance.protocol = to;
        instance.cause = cause;
        if to == lb_vrrp::State::Active {
            // Whoever got it has lost it.
            instance.handed_over = None;
        }
        self.follow_up(name, now)
    }

    /// The protocol changed the state of a group.
    pub fn group_changed(&mut self, name: &str, to: lb_vrrp::State, now: Time) -> Vec<Step> {
        let Some((name, group)) = self.groups.get_key_value(name) else { return Vec::new() };
        let name = name.clone();
        let mut members = group.members.iter().filter_map(|member| self.instances.get(member));
        let (to, why) = match to {
            lb_vrrp::State::Active => (Condition::Master, Why::Members),
            lb_vrrp::State::Backup => (Condition::Backup, Why::Members),
            lb_vrrp::State::Initialize => {
                let operator = self.maintenance.as_ref().map(|order| Why::Operator(order.words()));
                let why = operator.or_else(|| {
                    let member = members.find(|member| !member.aim(false).takes_part)?;
                    Some(member.why.clone())
                });
                (Condition::Fault, why.unwrap_or(Why::Lifecycle))
            }
        };
        let Some(group) = self.groups.get_mut(&name) else { return Vec::new() };
        let from = std::mem::replace(&mut group.condition, to);
        if from == to {
            return Vec::new();
        }
        group.since = now;
        group.why = why.clone();
        vec![event(now, Subject::Group(name), What::State { from, to, why, priority: 0 })]
    }

    /// The interface of an instance can be used, or can not.
    pub fn link(&mut self, name: &str, link: LinkState, now: Time) -> Vec<Step> {
        let Some(instance) = self.instances.get_mut(name) else { return Vec::new() };
        instance.link = link;
        let steps = self.follow_up(name, now);
        if let Some(instance) = self.instances.get_mut(name) {
            instance.update_fault_of_link();
        }
        steps
    }

    /// None of its addresses can be installed here: an instance takes no part until the next configuration, which may be
    /// the same.
    pub fn unusable(&mut self, name: &str, error: &str, now: Time) -> Vec<Step> {
        let Some(instance) = self.instances.get_mut(name) else { return Vec::new() };
        instance.unusable = Some(format!("no address can be added: {error}; a reload tries it again"));
        self.follow_up(name, now)
    }

    /// The protocol runs an instance with another priority now.
    pub fn runs_with(&mut self, name: &str, priority: Priority, now: Time) -> Vec<Step> {
        let Some((name, instance)) = self.instances.get_key_value(name) else { return Vec::new() };
        let (name, from) = (name.clone(), instance.priority);
        if let Some(instance) = self.instances.get_mut(&name) {
            instance.priority = priority;
        }
        if from == priority {
            return Vec::new();
        }
        vec![event(now, Subject::Instance(name), What::Priority { from, to: priority })]
    }

    /// An instance was looked at, since what it told was missed.
    pub fn found(&mut self, status: &lb_vrrp::driver::Status, now: Time) -> Vec<Step> {
        let mut steps = self.runs_with(&status.name, status.priority, now);
        let Some(instance) = self.instances.get_mut(&status.name) else { return steps };
        instance.link = status.link;
        if instance.protocol == status.state {
            steps.extend(self.follow_up(&status.name, now));
        } else {
            let cause = instance.cause;
            steps.extend(self.changed(&status.name, status.state, cause, now));
        }
        steps
    }

    /// The operator puts the node under maintenance, or (`None`) takes it back.
    pub fn maintain(&mut self, order: Option<Maintenance>, now: Time) -> Vec<Step> {
        let words = match (&order, &self.maintenance) {
            (Some(order), _) => format!("maintenance: {}", order.words()),
            (None, Some(before)) => format!("end of maintenance: {}", before.words()),
            (None, None) => return Vec::new(),
        };
        self.maintenance = order;
        let mut steps = vec![event(now, Subject::Daemon, What::Ordered(words))];
        steps.extend(self.follow_up_all(now));
        steps
    }

    /// The operator gives what an instance or group (`None`: this node) has to another node. An instance goes with its
    /// group.
    ///
    /// # Errors
    /// Why there is nothing to give.
    pub fn hand_over(&mut self, of: Option<&str>, reason: &str, now: Time) -> Result<Vec<Step>, String> {
        let group = match of.map(|name| (name, self.instances.get(name))) {
            None => None,
            Some((_, Some(instance))) => instance.group.clone(),
            Some((name, None)) if self.groups.contains_key(name) => Some(Arc::from(name)),
            Some((name, None)) => return Err(format!("there is no instance or group {name:?}")),
        };
        let concerned = self.names(|name, one| {
            let named = of.is_none_or(|of| name == of) || (group.is_some() && one.group == group);
            named && one.condition == Condition::Master
        });
        if concerned.is_empty() {
            let what = of.unwrap_or("this node");
            return Err(format!("{what} is not MASTER, and has nothing to hand over"));
        }
        let mut steps = Vec::new();
        for name in concerned {
            steps.push(event(now, Subject::Instance(name.clone()), What::Ordered(reason.to_owned())));
            if let Some(instance) = self.instances.get_mut(&name) {
                instance.handed_over = Some(reason.to_owned());
            }
            // Another priority first: it tells the others even if the resignation is lost, and whoever has the least waits
            // longest.
            steps.extend(self.follow_up(&name, now));
            steps.push(Step::Order(name.clone(), Order::HandOver));
        }
        Ok(steps)
    }

    /// An instance that was handed over, with its group, may come back: nobody took it, or the router that did lowers its
    /// priority. The election decides, by the priorities that all have of themselves.
    pub fn take_back(&mut self, name: &str, now: Time) -> Vec<Step> {
        let Some(one) = self.instances.get(name).filter(|one| one.handed_over.is_some()) else {
            return Vec::new();
        };
        let group = one.group.clone();
        let concerned = self.names(|other, one| other == name || (group.is_some() && one.group == group));
        let mut steps = Vec::new();
        for name in concerned {
            if let Some(instance) = self.instances.get_mut(&name) {
                instance.handed_over = None;
            }
            steps.extend(self.follow_up(&name, now));
        }
        steps
    }

    /// An order that is in force from before the first configuration: no instance takes part as long as it is.
    pub fn restore(&mut self, order: Option<Maintenance>) {
        self.maintenance = order;
    }

    /// What ends by itself, by the wall clock.
    pub fn expire(&mut self, wall: Time, now: Time) -> Vec<Step> {
        let over = self.maintenance.as_ref().and_then(|order| order.until).is_some_and(|until| until <= wall);
        if over { self.maintain(None, now) } else { Vec::new() }
    }

    fn names(&self, which: impl Fn(&str, &Instance) -> bool) -> Vec<Arc<str>> {
        self.instances.iter().filter(|(name, one)| which(name, one)).map(|(name, _)| name.clone()).collect()
    }

    fn follow_up_all(&mut self, now: Time) -> Vec<Step> {
        self.names(|_, _| true).iter().flat_map(|name| self.follow_up(name, now)).collect()
    }

    /// What follows for an instance: what the protocol is to be told, and whether its condition is another one.
    fn follow_up(&mut self, name: &str, now: Time) -> Vec<Step> {
        let held = !self.open || self.maintenance.is_some();
        let Some((name, _)) = self.instances.get_key_value(name) else { return Vec::new() };
        let name = name.clone();
        let Some(instance) = self.instances.get_mut(&name) else { return Vec::new() };
        let mut steps: Vec<Step> =
            instance.orders(held).into_iter().map(|order| Step::Order(name.clone(), order)).collect();
        let (to, why) = instance.condition(self.open, self.maintenance.as_ref());
        let from = std::mem::replace(&mut instance.condition, to);
        if from != to {
            instance.since = now;
            instance.why = why.clone();
            let priority = instance.priority.get();
            steps.push(event(now, Subject::Instance(name), What::State { from, to, why, priority }));
        }
        steps
    }
}

/// What an instance tracks: its own, and what its group tracks. In a group, weights of its own do not count: its members
/// are to have the same priority.
fn wanted(instance: &model::Instance, group: Option<&model::Group>) -> BTreeMap<TrackerId, model::Weight> {
    let mut wanted = BTreeMap::new();
    let own = identified(&instance.tracks).filter(|(_, weight)| group.is_none() || weight.value == 0);
    wanted.extend(own);
    if let Some(group) = group {
        wanted.extend(identified(&group.tracks));
    }
    wanted
}

fn identified(tracks: &Tracks) -> impl Iterator<Item = (TrackerId, model::Weight)> {
    let of = |list: &'_ [model::Tracked], id: fn(String) -> TrackerId| {
        list.iter().map(|tracked| (id(tracked.name.clone()), tracked.weight)).collect::<Vec<_>>()
    };
    [
        of(&tracks.interfaces, TrackerId::Interface),
        of(&tracks.scripts, TrackerId::Script),
        of(&tracks.processes, TrackerId::Process),
        of(&tracks.files, TrackerId::File),
    ]
    .into_iter()
    .flatten()
}

fn event(at: Time, subject: Subject, what: What) -> Step {
    Step::Event(Event { at, subject, what })
}

#[cfg(test)]
mod tests;
