//! Orders and questions, carried out between messages.

use std::{sync::Arc, time::Duration};

use super::{
    address::VirtualAddress,
    attend::listening,
    control::{Command, ControlError, Order, Status},
    instance::{Instance, InstanceError},
    members::Member,
    notice::Happening,
    platform::Platform,
    run::Driver,
    succession::AHEAD,
    unsent::Failing,
    work::{Change, Occasion},
};
use crate::{Farewell, Input, State, VirtualRouter};

impl<P: Platform> Driver<P> {
    /// Carries out a command. Who asked may be gone by now.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Order(name, order, reply) => drop(reply.send(self.order(&name, order))),
            Command::Orders(orders, reply) => {
                let failed = |(name, order): (String, Order)| self.order(&name, order).err();
                drop(reply.send(Ok(orders.into_iter().filter_map(failed).collect())));
            }
            Command::AddGroup(name, members, reply) => {
                drop(reply.send(self.add_group(&name, members.iter().map(String::as_str))));
            }
            Command::RemoveGroup(name, reply) => drop(reply.send(self.remove_group(&name))),
            Command::ChangeGroup(name, members, reply) => {
                drop(reply.send(self.change_group(&name, &members)));
            }
            Command::Groups(reply) => drop(reply.send(Ok(self.group_statuses()))),
            Command::Resignations(names, reply) => {
                drop(reply.send(Ok(self.resignations(&self.chosen(names)))));
            }
            Command::Add(instance, reply) => drop(reply.send(self.add_running(*instance))),
            Command::Rename(from, to, reply) => drop(reply.send(self.rename(&from, &to))),
            Command::Remove(name, reply) => drop(reply.send(self.remove(&name))),
            Command::Reconfigure(instance, reply) => drop(reply.send(self.reconfigure(*instance))),
            Command::Status(name, reply) => drop(reply.send(self.status(name.as_deref()))),
            Command::Stats(reply) => drop(reply.send(Ok(self.endpoint.stats()))),
            Command::Snapshot(names, reply) => {
                drop(reply.send(Ok(self.snapshot(&self.chosen(names), AHEAD))));
            }
        }
    }

    fn order(&mut self, name: &str, order: Order) -> Result<(), ControlError> {
        let id = self.find(name)?;
        let input = match order {
            Order::Priority(priority) => {
                if !self.input(id, Input::Priority(priority))
                    && let Some(member) = self.members.get_mut(id)
                {
                    member.priority = Some(priority);
                }
                return Ok(());
            }
            Order::Startup | Order::Shutdown(_) => {
                let wanted = order == Order::Startup;
                let farewell =
                    if let Order::Shutdown(farewell) = order { farewell } else { Farewell::Silent };
                return self.allow(id, farewell, |member| (member.wanted, member.asked) = (wanted, true));
            }
            Order::Fault(_) | Order::Recovered => {
                let fault = matches!(order, Order::Fault(_));
                let farewell = if let Order::Fault(farewell) = order { farewell } else { Farewell::Silent };
                if self.members.get(id).is_some_and(|member| member.fault != fault) {
                    self.tell(id, Happening::Fault(fault));
                }
                return self.allow(id, farewell, |member| member.fault = fault);
            }
            Order::TakeOver => Input::TakeOver,
            Order::StepDown(farewell) => Input::StepDown(farewell),
            Order::HandOver => Input::HandOver(self.hand_over_time(id)),
            Order::PeerDown(peer) => Input::PeerDown(peer),
            Order::Announce => Input::Announce,
            Order::Hold(hold) => Input::Hold(hold),
        };
        let key = self.members.get(id).and_then(|member| member.key);
        let router = key.and_then(|key| self.endpoint.router(key));
        if router.is_none_or(|router| router.state() == State::Initialize) {
            return Err(ControlError::NotRunning(name.to_owned()));
        }
        match input {
            Input::HandOver(_) => {
                for id in self.with_group(id) {
                    self.input(id, input);
                }
            }
            input => {
                self.input(id, input);
            }
        }
        Ok(())
    }

    /// How long a router waits for its successor: in a group, the slowest link decides for all.
    fn hand_over_time(&self, id: usize) -> Duration {
        let router = |id| self.endpoint.router(self.members.get(id)?.key?);
        self.with_group(id)
            .into_iter()
            .filter_map(router)
            .map(VirtualRouter::linger_time)
            .max()
            .unwrap_or_default()
    }

    /// Changes what an instance is allowed, and has it follow.
    fn allow(
        &mut self,
        id: usize,
        farewell: Farewell,
        change: impl FnOnce(&mut Member),
    ) -> Result<(), ControlError> {
        if let Some(member) = self.members.get_mut(id) {
            change(member);
        }
        self.settle(id, farewell);
        Ok(())
    }

    fn add_running(&mut self, instance: Instance) -> Result<(), ControlError> {
        let name = instance.name.clone();
        self.add(instance)?;
        let id = self.find(&name)?;
        self.look_at(id);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), ControlError> {
        let id = self.find(name)?;
        self.leave_group(id);
        self.input(id, Input::Shutdown(Farewell::Resign));
        self.carry_out();
        if let Some(member) = self.members.remove(id) {
            if let Some(key) = member.key {
                self.endpoint.remove(key);
                self.platform.unlisten(listening(&member.instance, key.interface));
            }
            self.desk.order([(member.desk, Change::End)]);
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), ControlError> {
        let id = self.find(from)?;
        if to.is_empty() || self.members.named(to).is_some() {
            return Err(InstanceError::Name(to.to_owned()).into());
        }
        if let Some(member) = self.members.rename(id, to) {
            let assets = member.instance.assets(member.name.clone());
            self.orders.push((member.desk, Change::Assets(Arc::new(assets))));
        }
        Ok(())
    }

    fn reconfigure(&mut self, mut instance: Instance) -> Result<(), ControlError> {
        let id = self.find(&instance.name)?;
        instance.check()?;
        self.share(&mut instance);
        let Some(member) = self.members.get(id) else {
            return Err(ControlError::Unknown(instance.name));
        };
        let old = &member.instance;
        let fixed = [
            ("interface", old.interface != instance.interface),
            ("virtual router identifier", old.config.vrid() != instance.config.vrid()),
            ("family", old.config.family() != instance.config.family()),
            ("version", old.config.version() != instance.config.version()),
            ("authentication by header", old.key.is_some() != instance.key.is_some()),
            ("virtual Ethernet address", old.virtual_mac != instance.virtual_mac),
        ];
        if let Some((what, _)) = fixed.into_iter().find(|(_, changed)| *changed) {
            return Err(InstanceError::Fixed { name: instance.name, what }.into());
        }
        let (desk, key) = (member.desk, member.key);
        let assets = instance.assets(member.name.clone());
        let installs = old.announcing != instance.announcing || !old.installed().eq(instance.installed());
        let retired: Vec<VirtualAddress> =
            old.installed().filter(|old| instance.installed().all(|new| new != *old)).collect();
        let (before, after) = (old.group(), instance.group());
        if let Some(key) = key
            && before != after
        {
            let old = listening(old, key.interface);
            let failed =
                |error: std::io::Error| ControlError::NotRunning(format!("{}: {error}", instance.name));
            self.platform.listen(listening(&instance, key.interface)).map_err(failed)?;
            self.platform.unlisten(old);
        }
        let config = instance.config.clone();
        self.tolerate(config.interval());
        self.members.replace(id, instance);
        match key {
            // The configuration is for the same router, as was just checked.
            Some(key) => drop(self.endpoint.reconfigure(self.platform.now(), key, config)),
            None => {
                if let Some(member) = self.members.get_mut(id) {
                    member.parked = None;
                }
            }
        }
        if installs {
            let moved = self.moved(id, &retired);
            self.orders.push((desk, Change::Assets(Arc::new(assets))));
            self.orders.push((desk, Change::Keep(moved)));
            self.orders.push((desk, Change::Announce(Occasion::Active)));
        }
        self.look_at(id);
        Ok(())
    }

    /// Those of the addresses that a member no longer has, and that another one has in the same place by now.
    fn moved(&self, id: usize, retired: &[VirtualAddress]) -> Vec<VirtualAddress> {
        let Some(member) = self.members.get(id) else { return Vec::new() };
        let place = |member: &Member, address: &VirtualAddress| {
            let virtual_link = member.instance.virtual_mac.clone();
            (address.device().cloned(), member.instance.interface.clone(), virtual_link)
        };
        let has = |address: &VirtualAddress, other: usize| {
            other != id
                && self.members.get(other).is_some_and(|other| {
                    let same = other.instance.installed().find(|one| one.addr() == address.addr());
                    same.is_some_and(|same| place(other, &same) == place(member, address))
                })
        };
        let is_moved = |address: &&VirtualAddress| {
            self.members.with_address(address.addr()).any(|other| has(address, other))
        };
        retired.iter().filter(is_moved).cloned().collect()
    }

    fn status(&self, name: Option<&str>) -> Result<Vec<Status>, ControlError> {
        match name {
            Some(name) => {
                let id = self.find(name)?;
                Ok(self.members.get(id).map(|member| self.status_of(id, member)).into_iter().collect())
            }
            None => Ok(self.members.iter().map(|(id, member)| self.status_of(id, member)).collect()),
        }
    }

    fn status_of(&self, id: usize, member: &Member) -> Status {
        let router = member.key.and_then(|key| self.endpoint.router(key)).or(member.parked.as_deref());
        let progress = self.desk.progress(member.desk);
        let now = self.platform.now();
        let configured = member.priority.unwrap_or(member.instance.config.priority());
        Status {
            name: member.name.clone(),
            at: now,
            state: router.map_or(State::Initialize, |router| router.state()),
            priority: router.map_or(configured, |router| router.priority()),
            active: router.and_then(|router| router.active()),
            source: router.map(|router| router.source()),
            link: member.link,
            fault: member.fault,
            heard: router.and_then(|router| router.heard()),
            dropped: router.map(|router| router.dropped(now).collect()).unwrap_or_default(),
            rival: router.and_then(|router| router.rival(now)),
            unsent: self.failing.get(&id).and_then(Failing::error).cloned().filter(|_| {
                router.is_some_and(|router| router.state() == State::Active || router.is_muted())
            }),
            basis: router.and_then(|router| router.basis()),
            active_interval: router
                .map_or(member.instance.config.interval(), |router| router.active_interval()),
            lingers: router.is_some_and(|router| router.lingers()),
            virtual_link: progress.link,
            installed: progress.installed,
            addresses: member.instance.installed().count(),
            stats: router.map(|router| *router.stats()).unwrap_or_default(),
        }
    }

    /// Those of these names that exist, or all.
    fn chosen(&self, names: Option<Vec<String>>) -> Vec<usize> {
        match names {
            Some(names) => names.iter().filter_map(|name| self.members.named(name)).collect(),
            None => self.members.ids(),
        }
    }

    pub(super) fn find(&self, name: &str) -> Result<usize, ControlError> {
        self.members.named(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))
    }
}
