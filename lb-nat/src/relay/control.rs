//! The side of the relay that its owner sees.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::BuildHasher,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use lb_core::{
    Change, DataPlane,
    dataplane::{Connection, DataPlaneError, ErrorKind, Refused, ServiceCounters},
    model::{Protocol, ServerKey, ServiceKey, ServiceSpec, ServiceTable},
};
use nix::sys::signal::{SigSet, Signal};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::sync::{Mutex, oneshot};

use super::{
    config::RelayConfig,
    listener,
    mailbox::{Mailbox, Order},
    service::{Service, Settings},
    shared::{Shared, now},
    worker::Worker,
};

/// A running relay. Dropping it ends its threads and every connection.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    workers: Vec<Handle>,
    services: Mutex<BTreeMap<ServiceKey, Arc<Service>>>,
    seeds: RandomState,
}

/// What a relay carries, and what it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStatus {
    /// Worker threads.
    pub threads: usize,
    /// TCP connections and UDP sessions that are open.
    pub open: u32,
    /// Most that may be open at once.
    pub max_connections: u32,
    /// How often clients had to wait in the listen queues because a limit was reached.
    pub times_full: u64,
}

/// One worker thread.
#[derive(Debug)]
struct Handle {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts the threads; they serve nothing until [`apply`](DataPlane::apply) adds services.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] when threads or descriptors cannot be had.
    pub fn start(config: RelayConfig) -> Result<Self, DataPlaneError> {
        let usable = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = config.threads.map_or_else(usable, NonZeroUsize::get);
        let shared = Arc::new(Shared::new(config, threads));
        let mut relay = Self {
            shared,
            workers: Vec::with_capacity(threads),
            services: Mutex::default(),
            seeds: RandomState::new(),
        };
        for index in 0..threads {
            let handle = relay.spawn(index).map_err(|error| {
                DataPlaneError::new(
                    ErrorKind::Limit,
                    format!("starting worker {index} of the relay: {error}"),
                )
            })?;
            relay.workers.push(handle);
        }
        Ok(relay)
    }

    fn spawn(&self, index: usize) -> std::io::Result<Handle> {
        let mailbox = Arc::new(Mailbox::new()?);
        let mut worker = Worker::new(Arc::clone(&self.shared), Arc::clone(&mailbox), index == 0)?;
        let cores = &self.shared.config.cores;
        let core = cores.get(index % cores.len().max(1)).copied();
        let own = Arc::clone(&mailbox);
        let body = move || {
            prepare_thread(index, core);
            let ended = catch_unwind(AssertUnwindSafe(|| worker.run()));
            drop(worker);
            own.close();
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("relay: worker {index} ended: {error}"),
                Err(_) => tracing::error!("relay: worker {index} panicked; its connections are closed"),
            }
        };
        let thread = thread::Builder::new().name(format!("relay-{index}")).spawn(body)?;
        Ok(Handle { mailbox, thread: Some(thread) })
    }

    /// What it carries now.
    pub fn status(&self) -> RelayStatus {
        let limits = &self.shared.limits;
        RelayStatus {
            threads: self.workers.len(),
            open: limits.open(),
            max_connections: limits.max(),
            times_full: limits.times_full(),
        }
    }

    /// Resets all connections of a service that go to this server, whether it is still in the table or not, and
    /// returns how many there were. For servers that are dead: their clients learn it now instead of waiting.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when a thread has ended.
    pub async fn reset(&self, service: &ServiceKey, server: &ServerKey) -> Result<usize, DataPlaneError> {
        let (service, server) = (*service, *server);
        let counts = self.ask(|done| Order::Reset { service, server, done }).await?;
        Ok(counts.into_iter().sum())
    }

    /// Gives an order to every worker and waits for all answers.
    async fn ask<T>(&self, order: impl Fn(oneshot::Sender<T>) -> Order) -> Result<Vec<T>, DataPlaneError> {
        let answers: Vec<_> = self
            .workers
            .iter()
            .map(|worker| {
                let (done, answer) = oneshot::channel();
                worker.mailbox.send(order(done)).then_some(answer)
            })
            .collect();
        let mut values = Vec::with_capacity(answers.len());
        for (index, answer) in answers.into_iter().enumerate() {
            let value = match answer {
                Some(answer) => answer.await.ok(),
                None => None,
            };
            values.push(value.ok_or_else(|| ended(index))?);
        }
        Ok(values)
    }

    fn check_alive(&self) -> Result<(), DataPlaneError> {
        match self.workers.iter().position(|worker| worker.mailbox.is_closed()) {
            Some(index) => Err(ended(index)),
            None => Ok(()),
        }
    }

    async fn change(
        &self,
        services: &mut BTreeMap<ServiceKey, Arc<Service>>,
        change: &Change,
    ) -> Result<(), DataPlaneError> {
        match change {
            Change::AddService { service, spec } => self.add_service(services, service, spec),
            Change::EditService { service, spec } => {
                check_persistence(service, spec)?;
                if find(services, service)?.edit(spec.clone()) {
                    Ok(())
                } else {
                    Err(no_scheduler(service, spec))
                }
            }
            Change::RemoveService { service } => {
                find(services, service)?;
                services.remove(service);
                self.shared.limits.set_services(services.len());
                self.ask(|done| Order::Close { service: *service, done }).await?;
                Ok(())
            }
            Change::AddServer { service, server, spec } => {
                if find(services, service)?.add(*server, *spec) {
                    return Ok(());
                }
                Err(DataPlaneError::new(
                    ErrorKind::Exists,
                    format!("{server} is a server of {service} already"),
                ))
            }
            Change::EditServer { service, server, spec } => {
                if find(services, service)?.edit_server(*server, *spec) {
                    return Ok(());
                }
                Err(no_server(service, server))
            }
            Change::RemoveServer { service, server } => {
                if !find(services, service)?.remove(server) {
                    return Err(no_server(service, server));
                }
                // The next datagram of a UDP session can go to another server as well as a new one.
                if self.removal_ends_connections(service) {
                    self.reset(service, server).await?;
                }
                Ok(())
            }
            other => Err(DataPlaneError::new(
                ErrorKind::Unsupported,
                format!("the relay does not know how to {other}"),
            )),
        }
    }

    fn add_service(
        &self,
        services: &mut BTreeMap<ServiceKey, Arc<Service>>,
        key: &ServiceKey,
        spec: &ServiceSpec,
    ) -> Result<(), DataPlaneError> {
        let endpoint = listener::endpoint(key)?;
        if services.contains_key(key) {
            return Err(DataPlaneError::new(ErrorKind::Exists, format!("the relay serves {key} already")));
        }
        check_persistence(key, spec)?;
        let config = &self.shared.config;
        let seed = config.seed.unwrap_or_else(|| self.seeds.hash_one(key));
        let limits = config.services.get(key).copied().unwrap_or_default();
        let settings = Settings {
            seed,
            max_templates: config.max_templates,
            max_connections: limits.max_connections.unwrap_or(u32::MAX),
            timeouts: limits.timeouts(config.timeouts),
        };
        let service = Service::new(*key, endpoint, spec.clone(), settings)
            .map(Arc::new)
            .ok_or_else(|| no_scheduler(key, spec))?;
        let sockets = listener::open(endpoint, config, self.workers.len())?;
        for (worker, socket) in self.workers.iter().zip(sockets) {
            worker.mailbox.send(Order::Open { service: Arc::clone(&service), socket });
        }
        services.insert(*key, service);
        self.shared.limits.set_services(services.len());
        Ok(())
    }
}

#[async_trait]
impl DataPlane for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn removal_ends_connections(&self, service: &ServiceKey) -> bool {
        self.shared.config.reset_removed || service.protocol() == Some(Protocol::Udp)
    }

    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError> {
        self.check_alive()?;
        let services = self.services.lock().await;
        Ok(ServiceTable { services: services.iter().map(|(&key, service)| (key, service.entry())).collect() })
    }

    async fn apply(&self, batch: &[Change]) -> Result<Vec<Refused>, DataPlaneError> {
        self.check_alive()?;
        let mut services = self.services.lock().await;
        let mut refused = Vec::new();
        for (index, change) in batch.iter().enumerate() {
            match self.change(&mut services, change).await {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::Unavailable => return Err(error),
                Err(error) => refused.push(Refused { index, error }),
            }
        }
        Ok(refused)
    }

    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError> {
        self.ask(|done| Order::Flush { done }).await?;
        let services = self.services.lock().await;
        let now = now();
        Ok(services.iter().map(|(&key, service)| (key, service.counters(now))).collect())
    }

    async fn connections(&self, limit: usize) -> Result<Vec<Connection>, DataPlaneError> {
        let mut list: Vec<Connection> =
            self.ask(|done| Order::List { limit, done }).await?.into_iter().flatten().take(limit).collect();
        let services = self.services.lock().await;
        let now = now();
        for service in services.values() {
            service.list_templates(now, limit, &mut list);
        }
        Ok(list)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.mailbox.send(Order::Stop);
        }
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // Its panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// `SIGPIPE` is blocked because splice(2), unlike send(2), cannot be told to do without it.
fn prepare_thread(index: usize, core: Option<usize>) {
    let mut pipe = SigSet::empty();
    pipe.add(Signal::SIGPIPE);
    if let Err(error) = pipe.thread_block() {
        tracing::warn!("relay: worker {index} cannot block SIGPIPE: {error}");
    }
    if let Some(core) = core.filter(|core| *core < CpuSet::MAX_CPU) {
        let mut cores = CpuSet::new();
        cores.set(core);
        if let Err(error) = sched_setaffinity(None, &cores) {
            tracing::warn!("relay: worker {index} cannot be pinned to core {core}: {error}");
        }
    }
}

fn find<'a>(
    services: &'a BTreeMap<ServiceKey, Arc<Service>>,
    key: &ServiceKey,
) -> Result<&'a Arc<Service>, DataPlaneError> {
    services
        .get(key)
        .ok_or_else(|| DataPlaneError::new(ErrorKind::NotFound, format!("the relay does not serve {key}")))
}

fn no_server(service: &ServiceKey, server: &ServerKey) -> DataPlaneError {
    DataPlaneError::new(ErrorKind::NotFound, format!("{server} is no server of {service}"))
}

fn no_scheduler(service: &ServiceKey, spec: &ServiceSpec) -> DataPlaneError {
    let name = &spec.scheduler;
    DataPlaneError::new(
        ErrorKind::Unsupported,
        format!("the relay has no scheduler {name} for {service}; use one such as rr, wlc or mh"),
    )
}

fn check_persistence(service: &ServiceKey, spec: &ServiceSpec) -> Result<(), DataPlaneError> {
    let Some(engine) = spec.persistence.as_ref().and_then(|persistence| persistence.engine.as_ref()) else {
        return Ok(());
    };
    Err(DataPlaneError::new(
        ErrorKind::Unsupported,
        format!(
            "the relay has no persistence engine {engine} for {service}; leave it out to persist by client address"
        ),
    ))
}

fn ended(index: usize) -> DataPlaneError {
    DataPlaneError::new(
        ErrorKind::Unavailable,
        format!("worker {index} of the relay has ended: see the log, and start the program again"),
    )
}

#[cfg(test)]
mod tests;
