//! Sync groups, driven by the task that drives their members: what one does, the others do before anything else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    control::{ControlError, GroupStatus},
    notice::Happening,
    platform::Platform,
    run::Driver,
};
use crate::{
    Event, Farewell, Input, State, Time,
    group::{GroupInput, GroupOutput, SyncGroup},
};

/// The groups of a driver. Their members are known by their numbers.
#[derive(Default)]
pub(super) struct Groups {
    named: BTreeMap<Arc<str>, Group>,
    /// Which group a member is in.
    of: HashMap<usize, Arc<str>>,
    /// Groups that wait for a time, the earliest first.
    waits: BTreeSet<(Time, Arc<str>)>,
    /// What members of groups told, and is yet to be given to the groups.
    told: Vec<(usize, Event)>,
}

struct Group {
    sync: SyncGroup<usize>,
    waits: Option<Time>,
}

impl Groups {
    pub(super) fn has(&self, member: usize) -> bool {
        self.of.contains_key(&member)
    }

    /// Keeps what a router told, if its group has to know of it.
    pub(super) fn hear(&mut self, member: usize, event: Event) {
        if matches!(event, Event::State { .. } | Event::Ready(_)) && self.has(member) {
            self.told.push((member, event));
        }
    }

    /// When the first group has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.waits.first().map(|(at, _)| *at)
    }

    /// All members do as they will from now on, and as they are told one by one.
    pub(super) fn dissolve(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, name: &str) -> Option<Group> {
        let (name, group) = self.named.remove_entry(name)?;
        self.of.retain(|_, of| *of != name);
        if let Some(at) = group.waits {
            self.waits.remove(&(at, name));
        }
        Some(group)
    }
}

impl<P: Platform> Driver<P> {
    /// Has these instances be Active together or not at all; see [`group`](crate::group). They were added before, are in
    /// no other group, and the first one decides between two hosts.
    ///
    /// What keeps one of them from taking part, such as a link that is down, keeps all from it.
    ///
    /// # Errors
    /// [`ControlError::Group`] when the name is taken or an instance is in a group, [`ControlError::Unknown`] when an
    /// instance does not exist.
    pub fn add_group<'a>(
        &mut self,
        name: &str,
        members: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ControlError> {
        let ids: Vec<usize> = members.into_iter().map(|name| self.find(name)).collect::<Result<_, _>>()?;
        let taken = ids.iter().any(|id| self.groups.has(*id));
        if taken || self.groups.named.contains_key(name) {
            return Err(ControlError::Group(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        self.groups.of.extend(ids.iter().map(|id| (*id, name.clone())));
        let sync = self.form(&ids);
        self.groups.named.insert(name.clone(), Group { sync, waits: None });
        if self.runs {
            self.give(&name, GroupInput::Startup);
        }
        Ok(())
    }

    /// A group of these members as they are now.
    fn form(&self, ids: &[usize]) -> SyncGroup<usize> {
        let longest = ids.iter().filter_map(|id| self.members.get(*id)).map(|member| {
            let config = &member.instance.config;
            config.interval().active_down_interval(config.priority())
        });
        let mut sync = SyncGroup::new([], longest.max().unwrap_or_default());
        for id in ids {
            sync.insert(*id, self.state_of(*id));
            if !self.is_fit(*id) {
                let fault = GroupInput::Fault { member: id, farewell: Farewell::Silent };
                sync.handle_input(self.platform.now(), fault);
            }
        }
        sync
    }

    /// Lets the groups take part, once all instances were looked at.
    pub(super) fn start_groups(&mut self) {
        self.runs = true;
        let ids = |group: &Group| group.sync.members().map(|(id, _)| *id).collect();
        let all: Vec<(Arc<str>, Vec<usize>)> =
            self.groups.named.iter().map(|(name, group)| (name.clone(), ids(group))).collect();
        for (name, ids) in all {
            // Routers may have been restored since the group was added.
            let sync = self.form(&ids);
            if let Some(group) = self.groups.named.get_mut(&name) {
                group.sync = sync;
            }
            self.give(&name, GroupInput::Startup);
        }
    }

    /// Dissolves a group. Its members stay as they are, each by itself.
    pub(super) fn remove_group(&mut self, name: &str) -> Result<(), ControlError> {
        let group = self.groups.forget(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))?;
        let ids: Vec<usize> = group.sync.members().map(|(id, _)| *id).collect();
        for id in ids {
            self.input(id, Input::Hold(false));
            self.look_at(id);
        }
        Ok(())
    }

    /// Gives a group other members. Those that stay keep their state.
    pub(super) fn change_group(&mut self, name: &str, members: &[String]) -> Result<(), ControlError> {
        let ids: Vec<usize> = members.iter().map(|name| self.find(name)).collect::<Result<_, _>>()?;
        let elsewhere = |id: &usize| self.groups.of.get(id).is_some_and(|of| **of != *name);
        if ids.iter().any(elsewhere) {
            return Err(ControlError::Group(name.to_owned()));
        }
        let Some((name, group)) = self.groups.named.get_key_value(name) else {
            return Err(ControlError::Unknown(name.to_owned()));
        };
        let name = name.clone();
        let gone: Vec<usize> =
            group.sync.members().map(|(id, _)| *id).filter(|id| !ids.contains(id)).collect();
        for id in gone {
            self.leave_group(id);
            self.look_at(id);
        }
        for id in ids {
            if self.groups.of.insert(id, name.clone()).is_none() {
                let state = self.state_of(id);
                if let Some(group) = self.groups.named.get_mut(&name) {
                    group.sync.insert(id, state);
                }
                self.look_at(id);
            }
        }
        self.drain_group(&name);
        Ok(())
    }

    /// An instance with all members of its group, if it is in one.
    pub(super) fn with_group(&self, id: usize) -> Vec<usize> {
        match self.groups.of.get(&id).and_then(|name| self.groups.named.get(name)) {
            Some(group) => group.sync.members().map(|(id, _)| *id).collect(),
            None => vec![id],
        }
    }

    /// An instance is no member any more.
    pub(super) fn leave_group(&mut self, id: usize) {
        let Some(name) = self.groups.of.remove(&id) else { return };
        let now = self.platform.now();
        if let Some(group) = self.groups.named.get_mut(&name) {
            group.sync.remove(now, &id);
        }
        self.drain_group(&name);
    }

    /// Lets an instance take part if nothing keeps it from it, and else not; in a group, together with the others.
    pub(super) fn settle(&mut self, id: usize, farewell: Farewell) {
        let fit = self.is_fit(id);
        if let Some(name) = self.groups.of.get(&id).cloned() {
            let input = match fit {
                true => GroupInput::Recovered { member: &id },
                false => GroupInput::Fault { member: &id, farewell },
            };
            self.give(&name, input);
        }
        // A member that was shut down by its group before may still linger on a link that is gone.
        match (fit, self.groups.has(id)) {
            (true, true) => {}
            (true, false) => self.start(id),
            (false, _) if self.awaits_startup(id) => {}
            (false, _) => drop(self.input(id, Input::Shutdown(farewell))),
        }
    }

    /// Gives the groups what their members told, and the members what the groups say. Returns whether there was anything.
    pub(super) fn follow_groups(&mut self) -> bool {
        let told = std::mem::take(&mut self.groups.told);
        for (member, event) in &told {
            if let Some(name) = self.groups.of.get(member).cloned() {
                self.give(&name, GroupInput::Event { member, event: *event });
            }
        }
        !told.is_empty()
    }

    /// Does what is due in groups.
    pub(super) fn time_out_groups(&mut self, now: Time) {
        while let Some((at, name)) = self.groups.waits.first().cloned()
            && at <= now
        {
            if let Some(group) = self.groups.named.get_mut(&name) {
                group.sync.handle_timeout(now);
            }
            self.drain_group(&name);
        }
    }

    pub(super) fn group_statuses(&self) -> Vec<GroupStatus> {
        let member = |(id, _): (&usize, _)| self.members.get(*id).map(|member| member.name.clone());
        let status = |(name, group): (&Arc<str>, &Group)| GroupStatus {
            name: name.clone(),
            state: group.sync.state(),
            fault: group.sync.has_fault(),
            members: group.sync.members().filter_map(member).collect(),
        };
        self.groups.named.iter().map(status).collect()
    }

    fn give(&mut self, name: &Arc<str>, input: GroupInput<'_, usize>) {
        let now = self.platform.now();
        if let Some(group) = self.groups.named.get_mut(name) {
            group.sync.handle_input(now, input);
        }
        self.drain_group(name);
    }

    fn drain_group(&mut self, name: &Arc<str>) {
        while let Some(output) = self.groups.named.get_mut(name).and_then(|group| group.sync.poll_output()) {
            match output {
                GroupOutput::Member(id, Input::Startup) => self.start(id),
                GroupOutput::Member(id, input) => drop(self.input(id, input)),
                GroupOutput::State { from, to } => {
                    self.teller.tell(self.platform.now(), name, Happening::Group { from, to });
                }
            }
        }
        let Groups { named, waits, .. } = &mut self.groups;
        let Some(group) = named.get_mut(name) else { return };
        let next = group.sync.poll_timeout();
        if group.waits != next {
            if let Some(at) = std::mem::replace(&mut group.waits, next) {
                waits.remove(&(at, name.clone()));
            }
            waits.extend(next.map(|at| (at, name.clone())));
        }
    }

    fn state_of(&self, id: usize) -> State {
        let key = self.members.get(id).and_then(|member| member.key);
        key.and_then(|key| self.endpoint.router(key)).map_or(State::Initialize, |router| router.state())
    }
}
