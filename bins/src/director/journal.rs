//! The last events, for `lbctl events`, and every one of them as a log line.

use std::collections::VecDeque;

use lb_core::Event;

use super::wording;
use crate::runtime::log::Log;

/// Keeps the newest events.
#[derive(Debug)]
pub struct Journal {
    events: VecDeque<Event>,
    log: Log,
}

/// Events that are kept; about 300 bytes each.
const KEPT: usize = 4096;

impl Journal {
    /// Empty; lines go to `log`.
    pub fn new(log: Log) -> Self {
        Self { events: VecDeque::new(), log }
    }

    /// Writes an event down.
    pub fn record(&mut self, event: Event) {
        self.log.line(&wording::line(&event));
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The newest `count` events, oldest first.
    pub fn newest(&self, count: usize) -> Vec<Event> {
        self.events.iter().skip(self.events.len().saturating_sub(count)).cloned().collect()
    }

    /// The log behind.
    pub fn log(&self) -> &Log {
        &self.log
    }
}
