//! What a whole command line amounts to.

use lb_core::model::{EngineName, Family, Protocol, SchedulerKind, ServiceKey};
use lb_ipvs::{
    Command as Change, Destination, Forwarding, Service, ServiceFlags, Timeouts, TunnelKind, format::View,
};

use super::{
    command::{Command, List, Listed},
    fault::{Fault, Problem},
    line::Line,
    rules,
    switch::Switch,
};

impl Line<'_> {
    /// Whether everything is there and nothing else is.
    pub(super) fn finish(self, [tcp, tcp_fin, udp]: [u32; 3]) -> Result<Command, Problem> {
        rules::check(self.command, &self.seen)?;
        let change = match (self.command, self.service, self.server) {
            (Switch::AddService, Some(key), _) => Change::AddService(self.new_service(key)?),
            (Switch::EditService, Some(key), _) => Change::EditService(self.new_service(key)?),
            (Switch::DeleteService, Some(key), _) => Change::DeleteService(key),
            (Switch::AddServer, Some(key), Some(_)) => Change::AddDestination(key, self.new_server(key)?),
            (Switch::EditServer, Some(key), Some(_)) => Change::EditDestination(key, self.new_server(key)?),
            (Switch::DeleteServer, Some(key), Some(server)) => Change::DeleteDestination(key, server),
            (Switch::Zero, key, _) => Change::Zero(key),
            (Switch::Clear, ..) => Change::Flush,
            (Switch::Set, ..) => Change::SetTimeouts(Timeouts { tcp, tcp_fin, udp }),
            (Switch::StartDaemon, ..) => Change::StartDaemon(self.daemon),
            (Switch::StopDaemon, ..) => Change::StopDaemon(self.daemon.role),
            (Switch::Save, ..) => return Ok(Command::Save { numeric: self.seen.has(Switch::Numeric) }),
            (Switch::Restore, ..) => return Ok(Command::Restore),
            _ => return self.list(),
        };
        Ok(Command::Change(change))
    }

    fn new_service(&self, key: ServiceKey) -> Result<Service, Problem> {
        let fail = |switch, fault| Err(Problem { at: self.seen.word(switch), fault });
        let scheduler = match self.scheduler {
            "" => SchedulerKind::WeightedLeastConnection,
            name => name.parse().unwrap_or_else(|_| SchedulerKind::Other(name.to_owned())),
        };
        let flags = match flags(self.flags, &scheduler) {
            Ok(flags) => flags,
            Err(fault) => return fail(Switch::Flags, fault),
        };
        let mut service = Service::new(key, scheduler);
        service.flags = flags;
        service.netmask = self.netmask;
        if self.timeout != 0 {
            service.flags |= ServiceFlags::PERSISTENT;
            service.timeout = self.timeout;
        } else if matches!(key, ServiceKey::Address { port: 0, .. }) {
            return fail(Switch::Tcp, Fault::ZeroPort);
        }
        if self.seen.has(Switch::OnePacket) {
            if !matches!(key.protocol(), None | Some(Protocol::Udp)) {
                return fail(Switch::OnePacket, Fault::OnePacket);
            }
            service.flags |= ServiceFlags::ONE_PACKET;
        }
        if !self.engine.is_empty() {
            match self.engine.parse::<EngineName>() {
                Ok(engine) => service.engine = Some(engine),
                // A name that no engine can have.
                Err(_) => return fail(Switch::Engine, Fault::NoEngine),
            }
        }
        Ok(service)
    }

    fn new_server(&self, service: ServiceKey) -> Result<Destination, Problem> {
        let Some(mut key) = self.server else {
            let command = self.command.name();
            return Err(Problem {
                at: None,
                fault: Fault::Needed { option: Switch::RealServer.name(), command },
            });
        };
        if self.forwarding != Forwarding::Tunnel {
            if Family::of(key.address) != service.family() {
                return Err(Problem { at: self.seen.word(Switch::RealServer), fault: Fault::OtherFamily });
            }
            let options = [
                Switch::TunnelType,
                Switch::TunnelPort,
                Switch::NoChecksum,
                Switch::Checksum,
                Switch::RemoteChecksum,
            ];
            if let Some(option) = options.into_iter().find(|option| self.seen.has(*option)) {
                return Err(Problem { at: self.seen.word(option), fault: Fault::TunnelWithout });
            }
        } else {
            rules::check_tunnel(
                &self.seen,
                match self.tunnel.kind {
                    TunnelKind::Gue => "gue",
                    TunnelKind::Gre => "gre",
                    _ => "ipip",
                },
            )?;
        }
        // Only address translation can change the port.
        if let (true, Some(address)) = (self.forwarding != Forwarding::Masquerade, service.address()) {
            key.port = address.port();
        }
        let mut server = Destination::new(key, self.forwarding);
        server.weight = self.weight;
        server.thresholds = self.thresholds;
        server.tunnel = self.tunnel;
        Ok(server)
    }

    fn list(&self) -> Result<Command, Problem> {
        rules::check_list(&self.seen)?;
        let has = |switch| self.seen.has(switch);
        let what = if has(Switch::Connection) {
            Listed::Connections { engines: has(Switch::PersistentConn) }
        } else if has(Switch::Timeout) {
            Listed::Timeouts
        } else if has(Switch::Daemon) {
            Listed::Daemons
        } else {
            let views = [
                (Switch::Stats, View::Stats),
                (Switch::Rate, View::Rate),
                (Switch::Thresholds, View::Thresholds),
                (Switch::PersistentConn, View::Persistent),
                (Switch::TunnelInfo, View::Tunnels),
            ];
            let view = views.into_iter().find(|(switch, _)| has(*switch));
            Listed::Services {
                view: view.map_or(View::Table, |(_, view)| view),
                only: self.service,
                exact: has(Switch::Exact),
                unsorted: has(Switch::NoSort),
            }
        };
        Ok(Command::List(List { what, numeric: has(Switch::Numeric) }))
    }
}

/// `sh-port,sh-fallback`: names that the scheduler knows, and those that every one has.
fn flags(text: &str, scheduler: &SchedulerKind) -> Result<ServiceFlags, Fault> {
    let mut flags = ServiceFlags::EMPTY;
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let (flag, of) = match name {
            "flag-1" => (ServiceFlags::SCHEDULER_1, None),
            "flag-2" => (ServiceFlags::SCHEDULER_2, None),
            "flag-3" => (ServiceFlags::SCHEDULER_3, None),
            "sh-fallback" => (ServiceFlags::SCHEDULER_1, Some(SchedulerKind::SourceHash)),
            "sh-port" => (ServiceFlags::SCHEDULER_2, Some(SchedulerKind::SourceHash)),
            "mh-fallback" => (ServiceFlags::SCHEDULER_1, Some(SchedulerKind::Maglev)),
            "mh-port" => (ServiceFlags::SCHEDULER_2, Some(SchedulerKind::Maglev)),
            _ => return Err(Fault::UnknownFlag(name.to_owned())),
        };
        if of.is_some_and(|of| of != *scheduler) {
            return Err(Fault::ForeignFlag(name.to_owned()));
        }
        flags |= flag;
    }
    Ok(flags)
}
