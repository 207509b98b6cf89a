//! What happens in a world.

use core::{net::IpAddr, time::Duration};

use super::{
    Fault, Injection, LanId, Loss, Message, NodeId, Record, World,
    node::{Machine, Packet},
};
use crate::{Datagram, Envelope, Family, Input, Output, State, Time, VirtualRouter, router::ConfigError};

/// What is to come.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Fault(Fault),
    Arrival(NodeId, Packet),
}

/// What comes first at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Fault,
    Arrival,
}

impl World {
    pub(super) fn plan(&mut self, time: Time, rank: Rank, happening: Happening) {
        self.ahead.insert((time, rank, self.planned), happening);
        self.planned += 1;
    }

    pub(super) fn apply(&mut self, fault: Fault) {
        self.trace.push(self.now, None, Record::Fault(fault.clone()));
        match fault {
            Fault::Start(node) => {
                self.with(node, |machine| {
                    if machine.router.is_none() {
                        machine.router = VirtualRouter::new(machine.node.config.clone(), machine.source).ok();
                    }
                });
                self.order(node, fault);
            }
            Fault::Source(node, source) => {
                self.with(node, |machine| {
                    if Family::of(source) == machine.node.config.family() {
                        machine.source = source;
                    }
                });
                self.order(node, fault);
            }
            Fault::Stop { node, .. }
            | Fault::Replace(node)
            | Fault::Priority(node, _)
            | Fault::PeerDown(node, _)
            | Fault::TakeOver(node)
            | Fault::StepDown { node, .. }
            | Fault::HandOver(node)
            | Fault::Announce(node) => self.order(node, fault),
            Fault::Crash(node) => self.with(node, Machine::die),
            Fault::Pause(node) => self.stall(node, |machine| machine.paused = true),
            Fault::Resume(node) => self.stall(node, |machine| machine.paused = false),
            Fault::Sleep(node) => self.stall(node, |machine| machine.asleep = true),
            Fault::Wake(node) => self.stall(node, |machine| machine.asleep = false),
            Fault::Cut { from, to } => {
                self.cuts.insert((from, to));
            }
            Fault::Mend { from, to } => {
                self.cuts.remove(&(from, to));
            }
            Fault::Partition(nodes) => {
                for other in self.nodes().filter(|node| !nodes.contains(node)) {
                    for node in &nodes {
                        self.cuts.extend([(*node, other), (other, *node)]);
                    }
                }
            }
            Fault::Heal => self.cuts.clear(),
            Fault::Lan(lan, conditions) => {
                if let Some(lan) = self.lans.get_mut(usize::from(lan.0)) {
                    *lan = conditions;
                }
            }
            Fault::Inject(message) => self.inject(message),
        }
    }

    fn with(&mut self, node: NodeId, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machines.get_mut(usize::from(node.0)) {
            change(machine);
        }
    }

    /// Without a process, nobody takes orders.
    fn order(&mut self, node: NodeId, order: Fault) {
        let Some(machine) = self.machines.get_mut(usize::from(node.0)) else { return };
        if machine.router.is_some() {
            machine.orders.push_back(order);
            machine.notify(self.now, &mut self.random);
        }
    }

    fn stall(&mut self, node: NodeId, change: impl FnOnce(&mut Machine)) {
        let Some(machine) = self.machines.get_mut(usize::from(node.0)) else { return };
        change(machine);
        machine.plan(self.now, &mut self.random);
    }

    fn inject(&mut self, message: Injection) {
        let Injection { lan, source, destination, ttl, payload } = message;
        let envelope = Envelope { source, destination, ttl: Some(ttl), authenticated: false };
        let packet = Packet { envelope, payload: payload.into(), received: Time::ZERO };
        for to in self.nodes() {
            if self.receives(to, lan, destination) {
                self.plan(self.now, Rank::Arrival, Happening::Arrival(to, packet.clone()));
            }
        }
    }

    fn receives(&self, node: NodeId, lan: LanId, destination: IpAddr) -> bool {
        self.machine(node).is_some_and(|machine| {
            machine.node.lan == lan && (destination.is_multicast() || machine.source == destination)
        })
    }

    /// A message goes to everyone it is for, and each may miss it.
    fn send(&mut self, from: NodeId, packet: &Packet) {
        let message = Message::read(&packet.envelope, &packet.payload);
        self.trace.push(self.now, Some(from), Record::Sent(message));
        let Some(lan) = self.machine(from).map(|machine| machine.node.lan) else { return };
        for to in self.nodes() {
            let Some(conditions) = self.lans.get(usize::from(lan.0)) else { return };
            let looped = to == from && !conditions.loops_back;
            if looped || !self.receives(to, lan, packet.envelope.destination) {
                continue;
            }
            if self.cuts.contains(&(from, to)) {
                self.trace.push(self.now, Some(to), Record::Lost(message, Loss::Cut));
                continue;
            }
            let arrivals = conditions.arrivals(&mut self.random);
            if arrivals[0].is_none() {
                self.trace.push(self.now, Some(to), Record::Lost(message, Loss::Network));
            }
            for after in arrivals.into_iter().flatten() {
                self.plan(self.now + after, Rank::Arrival, Happening::Arrival(to, packet.clone()));
            }
        }
    }

    pub(super) fn arrive(&mut self, to: NodeId, mut packet: Packet) {
        let Some(machine) = self.machines.get_mut(usize::from(to.0)) else { return };
        let loss = match machine {
            Machine { asleep: true, .. } => Loss::Asleep,
            Machine { router: None, .. } => Loss::NoProcess,
            Machine { inbox, node, .. } if inbox.len() >= node.buffer => Loss::Full,
            machine => {
                packet.received = machine.clock.local(self.now);
                machine.inbox.push_back(packet);
                return machine.notify(self.now, &mut self.random);
            }
        };
        let message = Message::read(&packet.envelope, &packet.payload);
        self.trace.push(self.now, Some(to), Record::Lost(message, loss));
    }

    /// The process of a node does one thing, as a driver does: what was received comes before what is ordered, and both
    /// before the timer.
    pub(super) fn run(&mut self, node: NodeId) {
        let Some(machine) = self.machines.get_mut(usize::from(node.0)) else { return };
        let now = machine.clock.local(self.now);
        let Some(mut router) = machine.router.take() else { return };
        let what = if let Some(packet) = machine.inbox.pop_front() {
            let Packet { envelope, payload, received } = &packet;
            router.handle_input(
                now,
                Input::Datagram(Datagram { received: *received, envelope: *envelope, payload }),
            );
            Record::Received { message: Message::read(envelope, payload), waited: now.since(*received) }
        } else if let Some(order) = machine.orders.pop_front() {
            // What a driver sees on the interface when it is there anew.
            let found = |router: &mut VirtualRouter| {
                if machine.holds {
                    router.handle_input(now, Input::Found);
                }
            };
            if let Some(input) = input(&order) {
                if input == Input::Startup && router.state() == State::Initialize {
                    found(&mut router);
                }
                router.handle_input(now, input);
            } else if let Ok(successor) = successor(machine, &router, now) {
                router = successor;
                found(&mut router);
            }
            Record::Ordered(order)
        } else {
            let late = router.poll_timeout().map(|deadline| now.since(deadline)).unwrap_or_default();
            router.handle_timeout(now);
            Record::Timeout { late }
        };
        self.trace.push(self.now, Some(node), what);
        self.drain(node, &mut router);
        let Some(machine) = self.machines.get_mut(usize::from(node.0)) else { return };
        machine.router = Some(router);
        machine.plan(self.now, &mut self.random);
    }

    fn drain(&mut self, node: NodeId, router: &mut VirtualRouter) {
        while let Some(output) = router.poll_output() {
            let what = match output {
                Output::Send(message) => {
                    let envelope = Envelope {
                        source: message.source,
                        destination: message.destination,
                        ttl: Some(255),
                        authenticated: false,
                    };
                    let packet = Packet { envelope, payload: message.payload.into(), received: Time::ZERO };
                    self.send(node, &packet);
                    continue;
                }
                Output::Install => {
                    self.with(node, |machine| machine.holds = true);
                    Record::Installed
                }
                Output::Remove => {
                    self.with(node, |machine| machine.holds = false);
                    Record::Removed
                }
                Output::Announce(reason) => Record::Announced(reason),
                Output::Event(event) => Record::Event(event),
            };
            self.trace.push(self.now, Some(node), what);
        }
    }
}

/// What a router is told; `None` when it is replaced.
fn input(order: &Fault) -> Option<Input<'static>> {
    Some(match order {
        Fault::Start(_) => Input::Startup,
        Fault::Stop { farewell, .. } => Input::Shutdown(*farewell),
        Fault::Priority(_, priority) => Input::Priority(*priority),
        Fault::Source(_, source) => Input::Source(*source),
        Fault::PeerDown(_, peer) => Input::PeerDown(*peer),
        Fault::TakeOver(_) => Input::TakeOver,
        Fault::StepDown { farewell, .. } => Input::StepDown(*farewell),
        Fault::HandOver(_) => Input::HandOver(Duration::ZERO),
        Fault::Announce(_) => Input::Announce,
        _ => return None,
    })
}

fn successor(machine: &Machine, router: &VirtualRouter, now: Time) -> Result<VirtualRouter, ConfigError> {
    VirtualRouter::restore(machine.node.config.clone(), machine.source, &router.snapshot(now), now)
}
