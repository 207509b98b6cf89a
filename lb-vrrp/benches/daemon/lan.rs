//! Two routers in network namespaces of their own, and what joins them.

use std::{
    io::{Read, Write},
    process::Stdio,
};

use crate::{Result, role::Running};

/// A network namespace; gone when dropped.
#[derive(Debug)]
pub(crate) struct Namespace(Running);

impl Namespace {
    fn new() -> Result<Self> {
        let mut holder = Running::start("namespace", &[], Stdio::null())?;
        holder.ready()?;
        Ok(Self(holder))
    }

    /// A process in it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Messages that have left by this link so far.
    pub(crate) fn sent(&self, links: usize) -> u64 {
        let table = std::fs::read_to_string(format!("/proc/{}/net/dev", self.pid())).unwrap_or_default();
        let of = |link: usize| {
            let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("v{link}:")))?;
            line.split_whitespace().nth(9)?.parse::<u64>().ok()
        };
        (0..links).filter_map(of).sum()
    }

    fn ip(&self, lines: &str) -> Result<()> {
        self.tool(&["ip", "-batch", "-"], lines)
    }

    fn tool(&self, command: &[&str], input: &str) -> Result<()> {
        let mut tool = Running::exec(self.pid(), command, Stdio::piped())?;
        let child = tool.child();
        child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let mut said = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
        if !child.wait()?.success() {
            return Err(format!("{command:?} failed: {said}\n{input}").into());
        }
        Ok(())
    }
}

/// Two routers and the links between them: `v0`, `v1` and so on, with host .1 of 172.16.N.0/24 on the first router and
/// .2 on the second.
#[derive(Debug)]
pub(crate) struct Lan {
    pub(crate) first: Namespace,
    pub(crate) second: Namespace,
    switch: Option<Namespace>,
}

impl Lan {
    /// Joined by so many pairs.
    pub(crate) fn direct(links: usize) -> Result<Self> {
        let (first, second) = (Namespace::new()?, Namespace::new()?);
        let peer = second.pid();
        let pair = |link| format!("link add v{link} type veth peer name v{link} netns {peer}\n");
        first.ip(&(0..links).map(pair).collect::<String>())?;
        let lan = Self { first, second, switch: None };
        lan.address(links)?;
        Ok(lan)
    }

    /// Joined by a switch, on one link.
    pub(crate) fn switched() -> Result<Self> {
        let (first, second, switch) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
        let (one, two) = (first.pid(), second.pid());
        switch.ip(&format!(
            "link add br0 type bridge stp_state 0 mcast_snooping 0\n\
             link add p1 type veth peer name v0 netns {one}\nlink set p1 master br0 up\n\
             link add p2 type veth peer name v0 netns {two}\nlink set p2 master br0 up\n\
             link set br0 up\n"
        ))?;
        let lan = Self { first, second, switch: Some(switch) };
        lan.address(1)?;
        Ok(lan)
    }

    /// Lets the switch drop what the first router sends, or no longer. Nobody's link goes down.
    pub(crate) fn cut(&self, cut: bool) -> Result<()> {
        let switch = self.switch.as_ref().ok_or("there is no switch")?;
        switch.tool(&["bridge", "link", "set", "dev", "p1", "state", if cut { "0" } else { "3" }], "")
    }

    fn address(&self, links: usize) -> Result<()> {
        for (host, namespace) in [(1, &self.first), (2, &self.second)] {
            let lines = |link| format!("addr add 172.16.{link}.{host}/24 dev v{link}\nlink set v{link} up\n");
            namespace.ip(&(0..links).map(lines).collect::<String>())?;
        }
        Ok(())
    }
}
