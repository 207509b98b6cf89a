//! keepalived, with the settings that serve it best.

use std::{
    fmt::Write,
    fs,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{Result, lan::Namespace, plan::Plan, role::Running};

/// Where Debian puts it.
pub(crate) const PROGRAM: &str = "/usr/sbin/keepalived";

/// A folder with its configuration and pid files; gone when dropped.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn start(plan: Plan, on: &Namespace) -> Result<(Running, Files)> {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("lb-vrrp-daemon.{}.{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let files = Files(folder);
    let path = |name: &str| files.0.join(name).to_string_lossy().into_owned();
    let (text, pid, vrrp) = (path("conf"), path("pid"), path("vrrp.pid"));
    fs::write(&text, configuration(plan)?)?;
    let command = [PROGRAM, "-n", "-l", "-G", "-P", "-f", &text, "-p", &pid, "-r", &vrrp];
    let running = Running::exec(on.pid(), &command, Stdio::null())?;
    Ok((running, files))
}

fn configuration(plan: Plan) -> Result<String, std::fmt::Error> {
    let mut text =
        String::from("global_defs {\n router_id bench\n script_user root\n vrrp_garp_master_refresh 0\n");
    if plan.realtime {
        text.push_str(" vrrp_rt_priority 50\n vrrp_no_swap\n");
    }
    text.push_str("}\n");
    let Plan { priority, .. } = plan;
    let interval = plan.seconds();
    for router in plan.all() {
        let (name, link, id, address) = (router.name, router.link, router.id, router.address);
        write!(
            text,
            "vrrp_instance {name} {{\n interface {link}\n state BACKUP\n virtual_router_id {id}\n priority {priority}\n \
             advert_int {interval}\n version 3\n virtual_ipaddress {{\n  {address}/32\n }}\n"
        )?;
        if plan.unadvertised > 0 {
            text.push_str(" virtual_ipaddress_excluded {\n");
            for address in plan.others() {
                writeln!(text, "  {address}/32")?;
            }
            text.push_str(" }\n");
        }
        text.push_str("}\n");
    }
    Ok(text)
}
