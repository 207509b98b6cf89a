//! Process groups of the programs that a daemon starts.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// The process group of a program that leads it. Dropping it kills them all.
#[derive(Debug)]
pub struct Group(Option<Pid>);

impl Group {
    /// The group of the program with this process id, if it has one still.
    pub fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// Sends a signal to all of them.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It fails if all of them have just ended, and then there is nothing to do.
            let _ = killpg(group, signal);
        }
    }

    /// The program has ended, or is to go on without us: what it has left running was meant to be left.
    pub fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
