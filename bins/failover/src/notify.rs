//! Who is told of changes: scripts, named pipes, mail.
//!
//! What concerns one instance is delivered in the order in which it happened; nothing waits for it. Every queue has a
//! bound: what is too much is left out, the oldest first where the newest tells how things are, and that is said.

mod fifo;
mod lanes;
mod mail;
mod scripts;
#[cfg(test)]
mod tests;
mod words;

use std::{sync::Arc, time::Duration};

use lb_config::keepalived::model::{Globals, Notify, ScriptCommand};
use lb_runtime::log::Log;
pub use scripts::Progress;
use tokio::{sync::mpsc, time::timeout};

use super::program::Policy;

/// What scripts and pipes are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// An instance, or a sync group.
    pub of: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// What happened.
    pub what: Happened,
    /// The priority that the instance runs with; 0 for a group.
    pub priority: u8,
    /// The router that is MASTER, or caused it, where there is one: for mails.
    pub peer: Option<std::net::IpAddr>,
}

/// Of what kind the subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `INSTANCE`.
    Instance,
    /// `GROUP`.
    Group,
}

/// What happened, in keepalived's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// `MASTER`.
    Master,
    /// `BACKUP`.
    Backup,
    /// `FAULT`.
    Fault,
    /// `STOP`: the daemon ends.
    Stop,
    /// `DELETED`: it is no longer configured.
    Deleted,
    /// `MASTER_RX_LOWER_PRI`.
    MasterRxLowerPri,
    /// `MASTER_PRIORITY`: another priority while MASTER.
    MasterPriority,
    /// `BACKUP_PRIORITY`: another priority while BACKUP.
    BackupPriority,
}

/// Delivers notifications. Dropping it ends all that it runs.
#[derive(Debug)]
pub struct Notifier {
    policy: Policy,
    scripts: scripts::Scripts,
    fifos: fifo::Fifos,
    mailer: mail::Mailer,
}

impl Notifier {
    /// To be called inside a tokio runtime. Gives out besides how scripts of instances and groups get on.
    pub fn start(log: Log) -> (Self, mpsc::Receiver<Progress>) {
        let (sender, progress) = mpsc::channel(PROGRESS);
        let notifier = Self {
            policy: Policy::default(),
            scripts: scripts::Scripts::start(log.clone(), sender),
            fifos: fifo::Fifos::new(log.clone()),
            mailer: mail::Mailer::start(log),
        };
        (notifier, progress)
    }

    /// Opens the pipes of this configuration and starts their scripts; those that stay are left as they are.
    pub fn configure(&mut self, globals: &Globals) {
        self.policy = Policy::of(globals);
        self.fifos.configure(globals, &self.policy);
        self.mailer.configure(globals);
    }

    /// Puts a notification into the queues of all who want it.
    pub fn tell(&mut self, notification: &Notification, wanted: &Notify) {
        let what = words::in_effect(notification.what, wanted);
        if let Some(line) = words::line(notification, what, wanted) {
            self.fifos.vrrp(&line);
        }
        for (purpose, command, arguments) in words::scripts(notification, what, wanted) {
            let of = (Some(notification.of), Arc::clone(&notification.name));
            self.scripts.run(of, &purpose, command, &self.policy, &arguments);
        }
        if wanted.mail {
            self.mailer.state(notification, what);
        }
    }

    /// Writes a line, without its line feed, to `lvs_notify_fifo` and `notify_fifo`.
    pub fn tell_lvs(&mut self, line: &str) {
        self.fifos.lvs(line);
    }

    /// Runs a script of a virtual server, behind those of the same one that were asked for before.
    pub fn run_lvs(&mut self, server: &str, purpose: &str, command: &ScriptCommand) {
        self.scripts.run((None, server.into()), purpose, command, &self.policy, &[]);
    }

    /// Sends a mail about a virtual or real server.
    pub fn mail(&mut self, subject: &str, body: &str) {
        self.mailer.send(subject, body);
    }

    /// Waits until all is delivered, but not for longer than 1 s. What runs then is asked to end (SIGTERM), and not waited
    /// for.
    pub async fn finish(&mut self) {
        let all = async { tokio::join!(self.scripts.finish(), self.fifos.finish(), self.mailer.finish()) };
        let _ = timeout(FINISH, all).await;
        self.scripts.part();
        self.fifos.part();
    }
}

/// So much of the progress of scripts waits for who listens.
const PROGRESS: usize = 1024;
/// How long the end of the daemon waits for notifications, as keepalived does for `notify_stop`.
const FINISH: Duration = Duration::from_secs(1);
