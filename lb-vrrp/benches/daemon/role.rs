//! This program started again as one of its own children: a network namespace, our daemon, a busy loop, or another
//! program inside a namespace.
//!
//! Every child asks the kernel to be killed when its parent dies, before it becomes what it is to be. So neither a
//! process nor a namespace outlives the benchmark, however that ends.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use crate::{Result, ours, plan::Plan};

/// What a child is to be.
#[derive(Debug)]
pub(crate) enum Role {
    /// Holds a new network namespace.
    Namespace,
    /// Our daemon, in the namespace of a process.
    Daemon(u32, Plan),
    /// Another program, in the namespace of a process.
    Exec(u32, Vec<String>),
    /// An endless loop.
    Spin,
}

impl Role {
    /// `--role NAME ARGUMENTS`, or `None` for the benchmark itself.
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Option<Self>> {
        Ok(Some(match arguments {
            [flag, name, rest @ ..] if flag == "--role" => match (name.as_str(), rest) {
                ("namespace", []) => Self::Namespace,
                ("daemon", [of, plan @ ..]) => Self::Daemon(of.parse()?, Plan::from_arguments(plan)?),
                ("exec", [of, command @ ..]) => Self::Exec(of.parse()?, command.to_vec()),
                ("spin", []) => Self::Spin,
                _ => return Err(format!("unknown role {name}").into()),
            },
            _ => return Ok(None),
        }))
    }

    /// Becomes it.
    pub(crate) fn run(self) -> Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        match self {
            Self::Namespace => hold(),
            Self::Daemon(of, plan) => {
                enter(of)?;
                let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
                setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
                ours::run(plan)
            }
            Self::Exec(of, command) => {
                enter(of)?;
                let (program, arguments) = command.split_first().ok_or("nothing to execute")?;
                Err(Command::new(program).args(arguments).exec().into())
            }
            Self::Spin => loop {
                std::hint::spin_loop();
            },
        }
    }
}

/// Puts this thread, and what it starts, into the network namespace of a process.
pub(crate) fn enter(pid: u32) -> Result<()> {
    Ok(setns(File::open(format!("/proc/{pid}/ns/net"))?, CloneFlags::CLONE_NEWNET)?)
}

fn hold() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    for (name, value) in [
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv6/conf/default/disable_ipv6", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
    ] {
        // Without IPv6 there is nothing to switch off.
        let _ = fs::write(format!("/proc/sys/net/{name}"), value);
    }
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        std::thread::park();
    }
}

/// A child that is ended, by its own process id, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts this program in a role. Its standard input is `input`.
    pub(crate) fn start(role: &str, arguments: &[String], input: Stdio) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--role", role])
            .args(arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(if role == "exec" { Stdio::null() } else { Stdio::inherit() })
            .spawn()?;
        Ok(Self(child))
    }

    /// Starts another program in the namespace of a process.
    pub(crate) fn exec(of: u32, command: &[&str], input: Stdio) -> Result<Self> {
        let mut arguments = vec![of.to_string()];
        arguments.extend(command.iter().map(|&part| part.to_owned()));
        Self::start("exec", &arguments, input)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits until it prints a line.
    pub(crate) fn ready(&mut self) -> Result<()> {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        if line.trim() != "ready" {
            return Err(format!("a child did not start: {line:?}").into());
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid() as i32), signal)?)
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(&mut self) {
        let _ = self.signal(Signal::SIGTERM);
        let late = Instant::now() + Duration::from_secs(20);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
