//! A program that runs in a host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    error::{Error, Result},
    namespaces::{children, pid_of, starting, wording},
};

/// Longest time that a program takes to be started, or to be dead, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

/// A program that runs in a host; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    /// What got it in, and waits for it.
    usher: Child,
    pid: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts a command that enters namespaces; its output goes to a file.
    pub(super) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let failed = |source| Error::File { path: log.display().to_string(), source };
        let file = fs::File::create(&log).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed)?).stderr(file);
        let usher = command.spawn().map_err(|source| starting(&command, source))?;
        let mut process = Self { name: wording(&command), pid: pid_of(&usher), usher, log };
        process.pid = process.find()?;
        Ok(process)
    }

    fn find(&mut self) -> Result<Pid> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(pid) = children(pid_of(&self.usher)).first() {
                return Ok(*pid);
            }
            if self.ended().is_some() {
                return Ok(self.pid);
            }
            thread::sleep(PAUSE);
        }
        Err(Error::InVain(format!("the start of `{}`", self.name)))
    }

    /// Its number, as it is out here.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.usher.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.ended() {
            return Err(Error::Ended { command: self.name.clone(), status });
        }
        // It may end at this moment; then nobody has got its number yet.
        let _ = kill(self.pid, signal);
        if signal == Signal::SIGCONT {
            // It stops with its child.
            let _ = kill(pid_of(&self.usher), signal);
        }
        Ok(())
    }

    /// Stops it in the middle of whatever it does, and whatever it has started too.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        send(&self.descendants(), Signal::SIGSTOP);
        Ok(())
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<()> {
        send(&self.descendants(), Signal::SIGCONT);
        self.signal(Signal::SIGCONT)
    }

    /// Ends it at once, as a crash would, and waits until it has. What it has started goes on.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        // The usher stops when the program does, and may be about to.
        let usher = pid_of(&self.usher);
        self.wait_while(|| send(&[usher], Signal::SIGCONT)).map(drop)
    }

    /// Ends it and everything that it has started, so that no one of them can react to the death of another.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill_family(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        let mut frozen = Vec::new();
        // What is frozen starts nothing any more.
        loop {
            let new: Vec<Pid> = self.descendants().into_iter().filter(|pid| !frozen.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            send(&new, Signal::SIGSTOP);
            frozen.extend(new);
        }
        send(&frozen, Signal::SIGKILL);
        self.kill()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it had ended before, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_while(|| ())
    }

    fn wait_while(&mut self, act: impl Fn()) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            act();
            thread::sleep(PAUSE);
        }
        Err(Error::InVain(format!("the end of `{}`", self.name)))
    }

    /// Where its output goes.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// What it has printed until now.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Everything that it has started and that lives, also indirectly.
    pub fn descendants(&self) -> Vec<Pid> {
        let mut all = children(self.pid);
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            all.extend(children(pid));
            next += 1;
        }
        all
    }
}

/// Whoever has ended meanwhile needs no signal.
fn send(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _ = kill(*pid, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.usher.kill();
            let _ = self.usher.wait();
        }
    }
}
