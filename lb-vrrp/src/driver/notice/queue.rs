//! What is told and not heard yet.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Notice, Told};

/// Room that is kept for what comes next; a burst's goes back when all of it was heard.
const ROOM: usize = 256;

/// Those who listen, each with what it has not heard yet. Room is taken as it is needed, and not ahead: thousands of
/// instances that all change at once tell much, and nothing at all for the rest of the year.
#[derive(Debug)]
pub(super) struct Audience {
    /// So much is kept for each.
    kept: usize,
    listeners: Mutex<Vec<Arc<Unheard>>>,
}

/// What one who listens has not heard yet.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    waiting: Mutex<Waiting>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    notices: VecDeque<Notice>,
    /// How many were lost before the first of these.
    missed: u64,
    /// Nothing more comes.
    ended: bool,
}

impl Audience {
    pub(super) fn new(kept: usize) -> Self {
        Self { kept: kept.max(1), listeners: Mutex::default() }
    }

    /// One more listens, from now on.
    pub(super) fn join(&self) -> Arc<Unheard> {
        let unheard = Arc::<Unheard>::default();
        lock(&self.listeners).push(unheard.clone());
        unheard
    }

    /// Whoever is slow loses the oldest.
    pub(super) fn tell(&self, notice: Notice) {
        let mut listeners = lock(&self.listeners);
        // Only this list holds it: who listened is gone.
        listeners.retain(|unheard| Arc::strong_count(unheard) > 1);
        let Some((last, others)) = listeners.split_last() else { return };
        others.iter().for_each(|unheard| unheard.add(notice.clone(), self.kept));
        last.add(notice, self.kept);
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        for unheard in lock(&self.listeners).iter() {
            lock(&unheard.waiting).ended = true;
            unheard.told.notify_one();
        }
    }
}

impl Unheard {
    /// The next one; `None` at the end. Cancel safe.
    pub(super) async fn next(&self) -> Option<Told> {
        loop {
            let told = self.take();
            match told {
                Some(told) => return Some(told),
                None if lock(&self.waiting).ended => return self.take(),
                None => self.told.notified().await,
            }
        }
    }

    fn add(&self, notice: Notice, kept: usize) {
        let mut waiting = lock(&self.waiting);
        if waiting.notices.len() >= kept {
            waiting.notices.pop_front();
            waiting.missed += 1;
        }
        waiting.notices.push_back(notice);
        drop(waiting);
        self.told.notify_one();
    }

    fn take(&self) -> Option<Told> {
        let mut waiting = lock(&self.waiting);
        if waiting.missed > 0 {
            return Some(Told::Missed(std::mem::take(&mut waiting.missed)));
        }
        let notice = waiting.notices.pop_front()?;
        let is_spare = waiting.notices.is_empty() && waiting.notices.capacity() > ROOM;
        let spare = is_spare.then(|| std::mem::take(&mut waiting.notices));
        // Who tells does not wait until it is given back.
        drop(waiting);
        drop(spare);
        Some(Told::Notice(notice))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
