//! What has happened: kept for `lbctl events`, and written to the log.

use lb_control::{history::History, protocol::Entry, wording::services as wording};
use lb_core::Event;
use lb_runtime::log::Log;

/// Keeps events, and writes them to the log.
#[derive(Debug)]
pub struct Journal {
    history: History,
    log: Log,
}

impl Journal {
    /// Lines go to `log`, and all events to `history`.
    pub const fn new(log: Log, history: History) -> Self {
        Self { history, log }
    }

    /// Writes an event down.
    pub fn record(&mut self, event: Event) {
        self.log.line(&wording::line(&event));
        self.history.add(Entry::Balance(event), true);
    }

    /// All events.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The log behind.
    pub const fn log(&self) -> &Log {
        &self.log
    }
}
