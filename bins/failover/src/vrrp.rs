//! The threads of the protocol: one for adverts and elections, which does nothing else, and one for addresses.

mod recording;

use std::{io, thread};

use lb_config::keepalived::model::{Group, RealTime};
use lb_vrrp::driver::{
    Control, ControlError, Driver, DriverError, Instance, InstanceError, Notices, Snapshot,
    linux::{Linux, LinuxError},
    realtime,
};
use thiserror::Error;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use self::recording::Recording;
use super::{build::BuildError, inventory::Recorder};

/// Notices that are kept while the main thread is busy, and as many for each instance, since all may change at once.
const NOTICES: usize = 1024;
const NOTICES_EACH: usize = 8;

/// Virtual routers that run.
#[derive(Debug)]
pub struct Vrrp {
    /// Orders and questions.
    pub control: Control,
    /// What happens, from the start on.
    pub notices: Notices,
    /// What could not be had of what makes it punctual.
    pub warnings: Vec<String>,
    shutdown: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Result<Snapshot, DriverError>>,
}

/// Why they can not run.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration of an instance is not one.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An instance can not be.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// A group can not be.
    #[error(transparent)]
    Group(#[from] ControlError),
    /// The machine refuses sockets or netlink.
    #[error(transparent)]
    Machine(#[from] LinuxError),
    /// The machine refuses threads.
    #[error("a thread for VRRP can not be started: {0}")]
    Thread(#[from] io::Error),
}

impl Vrrp {
    /// Starts them. Each waits for an order before it takes part. Addresses are recorded before they are added.
    ///
    /// # Errors
    /// When they can not run here; nothing was changed then.
    pub async fn start(
        instances: Vec<Instance>,
        groups: &[Group],
        resume: Snapshot,
        real_time: RealTime,
        recorder: Recorder,
    ) -> Result<Self, StartError> {
        let groups = groups.to_vec();
        let (started, result) = oneshot::channel();
        let (shutdown, asked) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let main = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error.into()))),
            };
            let addresses = match address_thread() {
                Ok(addresses) => addresses,
                Err(error) => return drop(started.send(Err(error.into()))),
            };
            let warnings = be_punctual(real_time);
            let _context = runtime.enter();
            let mut driver = match prepare(instances, &groups, &resume, recorder) {
                Ok(driver) => driver,
                Err(error) => return drop(started.send(Err(error))),
            };
            driver.addresses_on(addresses.runtime.clone());
            // What it tells is logged by those who listen.
            driver.log(false);
            let (control, notices) = driver.handles();
            drop(started.send(Ok((control, notices, warnings))));
            let result = runtime.block_on(driver.run(async move { drop(asked.await) }));
            drop(addresses);
            drop(end.send(result));
        };
        thread::Builder::new().name("vrrp".to_owned()).spawn(main)?;
        let lost = || io::Error::other("its thread ended");
        let (control, notices, warnings) = result.await.map_err(|_| lost())??;
        Ok(Self { control, notices, warnings, shutdown: Some(shutdown), ended })
    }

    /// Resigns, waits until another node has the addresses or none comes, and removes them.
    ///
    /// # Errors
    /// When the driver had failed.
    pub async fn stop(&mut self) -> Result<Snapshot, DriverError> {
        drop(self.shutdown.take());
        match (&mut self.ended).await {
            Ok(result) => result,
            Err(_) => Err(DriverError::Platform(io::Error::other("its thread ended"))),
        }
    }
}

fn prepare(
    instances: Vec<Instance>,
    groups: &[Group],
    resume: &Snapshot,
    recorder: Recorder,
) -> Result<Driver<Recording<Linux>>, StartError> {
    let mut driver = Driver::new(Recording::new(Linux::new()?, recorder));
    driver.keep_notices(NOTICES.max(instances.len() * NOTICES_EACH));
    for instance in instances {
        driver.add(instance)?;
    }
    for group in groups {
        driver.add_group(&group.name, group.members.iter().map(String::as_str))?;
    }
    driver.restore(resume);
    Ok(driver)
}

/// The thread for addresses; it ends with this.
struct Addresses {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

fn address_thread() -> io::Result<Addresses> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel::<()>();
    thread::Builder::new().name("addresses".to_owned()).spawn(move || drop(runtime.block_on(ended)))?;
    Ok(Addresses { runtime: handle, _end: end })
}

/// What is not permitted makes it less punctual, and stops nothing.
fn be_punctual(wanted: RealTime) -> Vec<String> {
    let mut warnings = Vec::new();
    if wanted.no_swap
        && let Err(error) = realtime::lock_memory()
    {
        warnings.push(error.to_string());
    }
    let priority = wanted.priority.unwrap_or(RealTime::DEFAULT_PRIORITY);
    if let Err(error) = realtime::set_priority(priority) {
        warnings.push(error.to_string());
    }
    warnings
}
