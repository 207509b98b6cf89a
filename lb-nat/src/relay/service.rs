//! A virtual service as the control side and all worker threads share it.
//!
//! Opening a connection takes the service's lock once; everything after that is a relaxed atomic.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lb_core::{
    Time,
    dataplane::{Connection, ServerCounters, ServiceCounters, Traffic},
    model::{Protocol, ServerKey, ServerSpec, Service as ServiceEntry, ServiceKey, ServiceSpec},
    schedule::{Balancer, Flow, Load},
};

use super::{
    config::Timeouts,
    persist::{Template, Templates, group},
    places::Places,
};

/// One virtual service.
#[derive(Debug)]
pub(crate) struct Service {
    key: ServiceKey,
    protocol: Protocol,
    address: SocketAddr,
    settings: Settings,
    places: Places,
    refused: AtomicU64,
    state: Mutex<State>,
}

/// What does not change while a service lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) max_templates: usize,
    /// Connections and sessions at once.
    pub(crate) max_connections: u32,
    pub(crate) timeouts: Timeouts,
}

#[derive(Debug)]
struct State {
    spec: ServiceSpec,
    balancer: Balancer,
    servers: BTreeMap<ServerKey, Arc<Server>>,
    /// Removed, but with connections that go on.
    departed: Vec<Arc<Server>>,
    /// Traffic of removed servers whose connections have all ended.
    past: Traffic,
    templates: Templates,
}

/// One real server of one service. A line of cache for each, since threads count in it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Server {
    /// As the table names it.
    pub(crate) key: ServerKey,
    /// Where it is: port 0 of the key is resolved to the service's port.
    pub(crate) address: SocketAddr,
    pub(super) persistent: AtomicU32,
    load: Arc<Load>,
    failed: AtomicU64,
    tally: Tally,
}

/// Traffic that any thread may add to.
#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    in_packets: AtomicU64,
    out_packets: AtomicU64,
    in_bytes: AtomicU64,
    out_bytes: AtomicU64,
}

/// The server that a connection or session was given, and what has to be given back when it ends: exactly one
/// [`Claim::release`] for each.
#[derive(Debug)]
#[must_use = "the server counts the connection until the claim is released"]
pub(crate) struct Claim {
    /// The server.
    pub(crate) server: Arc<Server>,
    template: Option<Arc<Template>>,
}

impl Service {
    /// A service without servers; `None` when there is no such scheduler. `key` must name an address and a port.
    pub(crate) fn new(
        key: ServiceKey,
        (protocol, address): (Protocol, SocketAddr),
        spec: ServiceSpec,
        settings: Settings,
    ) -> Option<Self> {
        let state = State {
            balancer: Balancer::new(&spec.scheduler, spec.flags, settings.seed)?,
            spec,
            servers: BTreeMap::new(),
            departed: Vec::new(),
            past: Traffic::default(),
            templates: Templates::default(),
        };
        Some(Self {
            key,
            protocol,
            address,
            places: Places::new(settings.max_connections),
            settings,
            refused: AtomicU64::new(0),
            state: Mutex::new(state),
        })
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) const fn timeouts(&self) -> &Timeouts {
        &self.settings.timeouts
    }

    pub(crate) const fn key(&self) -> ServiceKey {
        self.key
    }

    /// Where clients connect to.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether every datagram is scheduled by itself.
    pub(crate) fn is_one_packet(&self) -> bool {
        self.state().spec.one_packet
    }

    /// Chooses a server for a new connection and counts it there as active or not.
    ///
    /// `tried` are servers that have just failed for this connection. `None` when no server is left; that is counted
    /// as refused.
    pub(crate) fn claim(&self, flow: &Flow, tried: &[ServerKey], active: bool) -> Option<Claim> {
        let claim = self.state().claim(flow, tried, self.settings.max_templates);
        match &claim {
            Some(claim) => {
                claim.server.load.open(active);
                if let Some(template) = &claim.template {
                    template.open(flow.now);
                }
            }
            None => {
                self.refused.fetch_add(1, Relaxed);
            }
        }
        claim
    }

    /// Counts a client that was sent away for another reason than missing servers.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Another scheduler, other flags or persistence. `false` when there is no such scheduler.
    pub(crate) fn edit(&self, spec: ServiceSpec) -> bool {
        let mut state = self.state();
        if (&spec.scheduler, spec.flags) != (&state.spec.scheduler, state.spec.flags) {
            let Some(mut balancer) = Balancer::new(&spec.scheduler, spec.flags, self.settings.seed) else {
                return false;
            };
            for destination in state.balancer.pool().destinations().iter().rev() {
                balancer.set(destination.key(), *destination.spec(), Some(Arc::clone(destination.load())));
            }
            state.balancer = balancer;
        }
        if spec.persistence != state.spec.persistence {
            state.templates.clear();
        }
        state.spec = spec;
        true
    }

    /// Adds a server; `false` when it is there already.
    pub(crate) fn add(&self, key: ServerKey, spec: ServerSpec) -> bool {
        let mut state = self.state();
        if state.servers.contains_key(&key) {
            return false;
        }
        state.bury();
        // One that comes back goes on counting the connections that it kept.
        let load =
            state.departed.iter().find(|server| server.key == key).map(|server| Arc::clone(&server.load));
        let load = load.unwrap_or_default();
        state.balancer.set(key, spec, Some(Arc::clone(&load)));
        let port = if key.port == 0 { self.address.port() } else { key.port };
        state.servers.insert(
            key,
            Arc::new(Server {
                key,
                address: SocketAddr::new(key.address, port),
                persistent: AtomicU32::new(0),
                load,
                failed: AtomicU64::new(0),
                tally: Tally::default(),
            }),
        );
        true
    }

    /// Another weight, forwarding method or other thresholds; `false` when there is no such server.
    pub(crate) fn edit_server(&self, key: ServerKey, spec: ServerSpec) -> bool {
        let mut state = self.state();
        let known = state.servers.contains_key(&key);
        if known {
            state.balancer.set(key, spec, None);
        }
        known
    }

    /// Takes a server out; its connections go on. `false` when there is no such server.
    pub(crate) fn remove(&self, key: &ServerKey) -> bool {
        let mut state = self.state();
        let Some(server) = state.servers.remove(key) else { return false };
        state.balancer.remove(key);
        state.departed.push(server);
        state.bury();
        true
    }

    /// What the table says of it.
    pub(crate) fn entry(&self) -> ServiceEntry {
        let state = self.state();
        let servers = state.balancer.pool().destinations().iter();
        ServiceEntry {
            spec: state.spec.clone(),
            servers: servers.map(|destination| (destination.key(), *destination.spec())).collect(),
        }
    }

    pub(crate) fn counters(&self, now: Time) -> ServiceCounters {
        let mut state = self.state();
        state.templates.expire(now);
        state.bury();
        let mut traffic = state.past;
        for server in state.servers.values().chain(&state.departed) {
            server.tally.add_to(&mut traffic);
        }
        let servers = state.servers.iter().map(|(&key, server)| (key, server.counters())).collect();
        ServiceCounters { traffic, refused: self.refused.load(Relaxed), servers }
    }

    /// Forgets persistent clients whose time is over.
    pub(crate) fn expire(&self, now: Time) {
        self.state().templates.expire(now);
    }

    /// Adds persistence templates to a listing until it has `limit` entries.
    pub(crate) fn list_templates(&self, now: Time, limit: usize, list: &mut Vec<Connection>) {
        let state = self.state();
        for (&client, template) in state.templates.iter().take(limit.saturating_sub(list.len())) {
            list.push(Connection {
                protocol: self.protocol,
                state: "NONE".to_owned(),
                expires: template.remaining(now),
                source: SocketAddr::new(client, 0),
                virtual_address: self.address,
                destination: template.server().address,
            });
        }
    }

    /// The lock is never held across a call that could panic half-way through a change, so what a panicked thread
    /// leaves behind is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn claim(&mut self, flow: &Flow, tried: &[ServerKey], max_templates: usize) -> Option<Claim> {
        let Some(persistence) = &self.spec.persistence else {
            return Some(Claim { server: self.pick(flow, tried)?, template: None });
        };
        let timeout = Duration::from_secs(persistence.timeout.get().into());
        let group = group(flow.source.ip(), persistence.prefix);
        if let Some(template) = self.templates.find(group, flow.now) {
            let server = template.server();
            if self.keeps(server) && !tried.contains(&server.key) {
                return Some(Claim { server: Arc::clone(server), template: Some(Arc::clone(template)) });
            }
        }
        let server = self.pick(flow, tried)?;
        if self.templates.len() >= max_templates {
            self.templates.expire(flow.now);
        }
        let template = self.templates.bind(group, Arc::clone(&server), timeout, max_templates);
        Some(Claim { server, template: template.cloned() })
    }

    /// Whether persistent clients stay with a server: it is there and not being drained. One over its threshold
    /// keeps its clients, as in the kernel.
    fn keeps(&self, server: &Arc<Server>) -> bool {
        self.servers.get(&server.key).is_some_and(|current| Arc::ptr_eq(current, server))
            && self.balancer.pool().position(&server.key).is_some_and(|index| {
                self.balancer.pool().destinations().get(index).is_some_and(|found| found.weight() > 0)
            })
    }

    /// The scheduler's choice. When it insists on servers that were tried (hashing ones always do), the least loaded
    /// of the others by the rule of `wlc`.
    fn pick(&mut self, flow: &Flow, tried: &[ServerKey]) -> Option<Arc<Server>> {
        for _ in 0..=tried.len() {
            let key = self.balancer.pick(flow)?.key();
            if !tried.contains(&key) {
                return self.servers.get(&key).cloned();
            }
        }
        let others = self.balancer.pool().destinations().iter();
        let least = others
            .filter(|destination| destination.is_usable() && !tried.contains(&destination.key()))
            .min_by(|a, b| {
                let share = |of: &lb_core::schedule::Destination, other: u32| {
                    u128::from(of.load().overhead()) * u128::from(other)
                };
                share(a, b.weight()).cmp(&share(b, a.weight()))
            })?;
        self.servers.get(&least.key()).cloned()
    }

    /// Forgets removed servers that no connection refers to any more, but not what they carried.
    fn bury(&mut self) {
        let past = &mut self.past;
        self.departed.retain(|server| {
            let referred = Arc::strong_count(server) > 1;
            if !referred {
                server.tally.add_to(past);
            }
            referred
        });
    }
}

impl Server {
    /// Adds what moved since the last time: bytes and reads from the client, then to the client.
    pub(crate) fn count(&self, (in_bytes, in_packets): (u64, u64), (out_bytes, out_packets): (u64, u64)) {
        for (counter, value) in [
            (&self.tally.in_bytes, in_bytes),
            (&self.tally.in_packets, in_packets),
            (&self.tally.out_bytes, out_bytes),
            (&self.tally.out_packets, out_packets),
        ] {
            if value > 0 {
                counter.fetch_add(value, Relaxed);
            }
        }
    }

    fn counters(&self) -> ServerCounters {
        let mut traffic = Traffic::default();
        self.tally.add_to(&mut traffic);
        ServerCounters {
            active: self.load.active(),
            inactive: self.load.inactive(),
            persistent: self.persistent.load(Relaxed),
            failed: self.failed.load(Relaxed),
            traffic,
        }
    }
}

impl Tally {
    fn add_to(&self, traffic: &mut Traffic) {
        traffic.connections += self.connections.load(Relaxed);
        traffic.in_packets += self.in_packets.load(Relaxed);
        traffic.out_packets += self.out_packets.load(Relaxed);
        traffic.in_bytes += self.in_bytes.load(Relaxed);
        traffic.out_bytes += self.out_bytes.load(Relaxed);
    }
}

impl Claim {
    /// The server has accepted: from now on it is a connection in the counters. At once for UDP.
    pub(crate) fn established(&self) {
        self.server.tally.connections.fetch_add(1, Relaxed);
    }

    /// The server did not accept.
    pub(crate) fn failed(&self) {
        self.server.failed.fetch_add(1, Relaxed);
    }

    /// An active connection begins to close.
    pub(crate) fn deactivate(&self) {
        self.server.load.set_active(false);
    }

    /// The connection has ended, and was active until now or not.
    pub(crate) fn release(self, now: Time, active: bool) {
        self.server.load.close(active);
        if let Some(template) = &self.template {
            template.close(now);
        }
    }
}

#[cfg(test)]
mod tests;
