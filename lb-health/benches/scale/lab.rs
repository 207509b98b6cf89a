//! Two network namespaces, nginx in one of them, and servers that die on demand.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

/// What goes wrong ends the benchmark with a line.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The namespaces and what runs in them; gone when dropped.
pub(crate) struct Lab {
    id: u32,
    pub(crate) folder: PathBuf,
    pub(crate) servers: usize,
    nginx: Option<Child>,
}

impl Lab {
    pub(crate) fn new(servers: usize) -> Result<Self> {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("lb-health-scale.{id}"));
        fs::create_dir_all(&folder)?;
        let mut lab = Self { id, folder, servers, nginx: None };
        let (checker, server) = (lab.checker_side(), lab.server_side());
        // More servers than a soft limit of open files would let be checked at once.
        let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard)?;
        sh(&format!(
            "ip netns add {checker} && ip netns add {server} &&
             ip link add lbh{id}a netns {checker} type veth peer name lbh{id}b netns {server} &&
             ip -n {checker} addr add 172.31.0.1/24 dev lbh{id}a && ip -n {server} addr add 172.31.0.2/24 dev lbh{id}b &&
             ip -n {checker} link set lo up && ip -n {checker} link set lbh{id}a up &&
             ip -n {server} link set lo up && ip -n {server} link set lbh{id}b up &&
             ip -n {server} route add local 10.20.0.0/16 dev lo &&
             ip -n {checker} route add 10.20.0.0/16 via 172.31.0.2"
        ))?;
        lab.on_server_side("sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535")?;
        lab.on_server_side(
            "nft 'add table ip t; add set ip t dead { type ipv4_addr; }; \
             add chain ip t f { type filter hook input priority 0; }; \
             add rule ip t f ip daddr @dead tcp flags syn reject with tcp reset'",
        )?;
        sh(&format!(
            "ip netns exec {checker} sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1"
        ))?;
        lab.start_nginx()?;
        Ok(lab)
    }

    pub(crate) const fn address(&self, server: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 20, (server / 250) as u8, (server % 250 + 1) as u8)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.servers).map(|server| self.address(server))
    }

    /// A command that will run where the checkers are, ended with the benchmark.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.checker_side(), program]).process_group(0);
        command
    }

    /// Lets a server die, and live again after `wait`, whose result and duration in seconds are returned.
    pub(crate) fn killed(
        &self,
        address: Ipv4Addr,
        wait: impl FnOnce() -> Option<Instant>,
    ) -> Result<Option<f64>> {
        self.on_server_side(&format!("nft add element ip t dead '{{ {address} }}'"))?;
        let death = Instant::now();
        let seen = wait();
        self.on_server_side(&format!("nft delete element ip t dead '{{ {address} }}'"))?;
        std::thread::sleep(std::time::Duration::from_millis(1500));
        Ok(seen.map(|seen| seen.saturating_duration_since(death).as_secs_f64()))
    }

    fn start_nginx(&mut self) -> Result<()> {
        let folder = self.folder.display();
        let config = self.folder.join("nginx.conf");
        fs::write(
            &config,
            format!(
                "daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 1; worker_rlimit_nofile 65535;
                 events {{ worker_connections 30000; }}
                 http {{ access_log off; server {{ listen 80 backlog=65535; location / {{ return 200 'ok'; }} }} }}"
            ),
        )?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server_side(), "nginx", "-c"]).arg(config).process_group(0);
        self.nginx = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        Ok(())
    }

    fn on_server_side(&self, command: &str) -> Result<()> {
        sh(&format!("ip netns exec {} {command}", self.server_side()))
    }

    fn checker_side(&self) -> String {
        format!("lbh{}-checker", self.id)
    }

    fn server_side(&self) -> String {
        format!("lbh{}-server", self.id)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(nginx) = &mut self.nginx {
            end(nginx);
        }
        for side in [self.checker_side(), self.server_side()] {
            let _ = sh(&format!("ip netns del {side}"));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends a process that we have started, and its group.
pub(crate) fn end(child: &mut Child) {
    use nix::{
        sys::signal::{Signal, killpg},
        unistd::Pid,
    };
    let group = Pid::from_raw(child.id() as i32);
    let _ = killpg(group, Signal::SIGTERM);
    for _ in 0..50 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

pub(crate) fn sh(command: &str) -> Result<()> {
    let output = Command::new("sh").args(["-c", command]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
