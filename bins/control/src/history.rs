//! The journal of a daemon: its newest records in memory, and as many as there is room for on disk.

use std::collections::VecDeque;

use lb_runtime::clock::{Clock, WallOffset};
use tokio::sync::oneshot;

use super::{
    protocol::{Answer, Entry, EventQuery, Position, Record, Records},
    store::Store,
};

/// Records in memory; about 300 bytes each.
pub const CAPACITY: usize = 4096;

/// Keeps records, and answers who asks for them.
#[derive(Debug)]
pub struct History {
    clock: Clock,
    store: Store,
    next: Position,
    newest: VecDeque<Record>,
}

/// Records in memory, and those on disk, which are read when they are asked for.
#[derive(Debug)]
pub struct Selection {
    store: Store,
    recent: Vec<Record>,
    /// The first record in memory.
    first: Position,
}

impl History {
    /// Empty, with what earlier processes have left in the store before it.
    pub fn new(clock: Clock, store: Store) -> Self {
        let run = store.run().unwrap_or_else(|| clock.started().as_nanos() / 1_000_000);
        Self { clock, store, next: Position { run, number: 0 }, newest: VecDeque::new() }
    }

    /// The number of this process, see [`Position::run`].
    pub const fn run(&self) -> u64 {
        self.next.run
    }

    /// How far the wall clock has been set since the start.
    pub fn wall_offset(&self) -> WallOffset {
        self.clock.wall_offset()
    }

    /// Records an entry, whose times are those of the daemon's clock. With `lasting`, it is kept on disk, too.
    pub fn add(&mut self, entry: Entry, lasting: bool) {
        let offset = self.clock.wall_offset();
        let (time, entry) = match entry {
            Entry::Failover(event) => {
                let event = event.by_wall_clock(offset);
                (event.at, Entry::Failover(event))
            }
            Entry::Balance(mut event) => {
                event.at = offset.wall(event.at);
                (event.at, Entry::Balance(event))
            }
            Entry::Lost(count) => (self.clock.wall(), Entry::Lost(count)),
        };
        let record = Record { time, position: self.next, entry };
        self.next.number += 1;
        if lasting {
            self.store.record(&record);
        }
        if self.newest.len() == CAPACITY {
            self.newest.pop_front();
        }
        self.newest.push_back(record);
    }

    /// Records in memory, oldest first.
    pub fn newest(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.newest.iter()
    }

    /// All records that fit, oldest first.
    pub fn records(&self, fits: impl Fn(&Record) -> bool) -> Selection {
        Selection {
            store: self.store.clone(),
            recent: self.newest.iter().filter(|record| fits(record)).cloned().collect(),
            first: self.newest.front().map_or(self.next, |record| record.position),
        }
    }

    /// Answers from memory, or, when that is not enough, from disk on another thread. To be called inside a tokio runtime.
    pub fn answer(&self, query: EventQuery, reply: oneshot::Sender<Answer>) {
        let selection = self.records(|record| query.matches(record));
        let (limit, first_ones, next) = (query.limit(), query.from.is_some(), self.next);
        let answer = move |records| {
            // A client that has gone away needs no answer.
            let _ = reply.send(Answer::Events(limited(records, limit, first_ones, next)));
        };
        if self.covers(&query, &selection) {
            return answer(selection.recent);
        }
        tokio::task::spawn_blocking(move || answer(selection.read(|record| query.matches(record))));
    }

    /// Whether memory has all that is asked for.
    fn covers(&self, query: &EventQuery, selection: &Selection) -> bool {
        match query.from {
            Some(from) => from >= selection.first,
            None => selection.recent.len() >= query.limit(),
        }
    }
}

fn limited(mut records: Vec<Record>, limit: usize, first_ones: bool, next: Position) -> Records {
    let excess = records.len().saturating_sub(limit);
    if excess > 0 && first_ones {
        let left_out = records.split_off(limit);
        let next = left_out.first().map_or(next, |record| record.position);
        return Records { records, next, more: true };
    }
    records.drain(..excess);
    Records { records, next, more: excess > 0 }
}

impl Selection {
    /// Reads what is on disk; both parts have to fit. Waits for the disk.
    pub fn read(self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let Self { store, recent, first } = self;
        let mut records = store.history(|record| record.position < first && fits(record));
        records.extend(recent);
        records
    }
}

#[cfg(test)]
mod tests;
