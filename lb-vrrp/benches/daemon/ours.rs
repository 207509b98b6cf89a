//! Our daemon: the driver on one thread and its addresses on another, until it is told to end.

use std::process::Stdio;

use lb_vrrp::{
    Config, Interval, Priority, Vrid,
    driver::{Driver, Instance, linux::Linux, realtime},
};
use nix::sys::signal::{SigSet, Signal};

use crate::{Result, lan::Namespace, plan::Plan, role::Running};

pub(crate) fn start(plan: Plan, on: &Namespace) -> Result<Running> {
    let mut arguments = vec![on.pid().to_string()];
    arguments.extend(plan.to_arguments());
    let mut running = Running::start("daemon", &arguments, Stdio::null())?;
    running.ready()?;
    Ok(running)
}

/// Becomes it.
pub(crate) fn run(plan: Plan) -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
        let _ = signals.wait();
        let _ = end.send(());
    })?;
    let addresses = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let addresses_on = addresses.handle().clone();
    std::thread::Builder::new()
        .name("addresses".to_owned())
        .stack_size(256 << 10)
        .spawn(move || addresses.block_on(std::future::pending::<()>()))?;
    if plan.realtime {
        realtime::lock_memory()?;
        realtime::set_priority(50)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut driver = Driver::new(Linux::new()?);
        driver.addresses_on(addresses_on);
        driver.log(false);
        for router in plan.all() {
            let config = Config::v3(Vrid::new(router.id)?, [router.address.into()])
                .priority(Priority::new(plan.priority)?)
                .interval(Interval::from_centiseconds(plan.centiseconds)?)
                .build()?;
            let mut instance = Instance::new(router.name, router.link, config);
            instance.unadvertised =
                plan.others().map(|address| std::net::IpAddr::from(address).into()).collect();
            driver.add(instance)?;
        }
        println!("ready");
        driver.run(async { drop(ended.await) }).await?;
        Ok(())
    })
}
