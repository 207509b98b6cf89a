//! A bounded number of clients, of which those that the daemon waits for give way to new ones.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Places for clients. A client that is connected and has no request in flight gives way to a new one when all places
/// are taken, the longest idle first.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
    /// A client became idle.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Idle {
    next: u64,
    /// By the order in which they became idle.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), idle: Mutex::default(), changed: Notify::new() }
    }

    /// Takes a place, if need be that of the client that has been idle for longest.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = self.free.clone().try_acquire_owned() {
                return place;
            }
            // Before one is evicted, so that none that becomes idle meanwhile is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            self.evict();
            tokio::select! {
                place = self.free.clone().acquire_owned() => if let Ok(place) = place {
                    return place;
                },
                () = changed => {}
            }
        }
    }

    /// Does this while the client is idle: it reads a request, or writes an answer. `None` = the client has to go.
    pub(super) async fn idle<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let entry = self.enter();
        tokio::select! {
            biased;
            // A request that has arrived is answered.
            result = work => Some(result),
            () = entry.evicted.notified() => None,
        }
    }

    fn enter(&self) -> Entry<'_> {
        let evicted = Arc::new(Notify::new());
        let mut idle = self.lock();
        let number = idle.next;
        idle.next += 1;
        idle.waiting.insert(number, evicted.clone());
        self.changed.notify_waiters();
        Entry { places: self, number, evicted }
    }

    fn evict(&self) {
        if let Some((_, evicted)) = self.lock().waiting.pop_first() {
            evicted.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry<'a> {
    places: &'a Places,
    number: u64,
    evicted: Arc<Notify>,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.places.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_longest_idle_client_gives_way_and_a_busy_one_does_not() {
        let places = Arc::new(Places::new(3));
        let (first, second, third) = (places.take().await, places.take().await, places.take().await);
        // The first one has a request in flight.
        let waits = |place: OwnedSemaphorePermit| {
            let places = places.clone();
            tokio::spawn(async move {
                let gone = places.idle(pending::<()>()).await.is_none();
                drop(place);
                gone
            })
        };
        let (second, third) = (waits(second), waits(third));
        tokio::task::yield_now().await;
        let fourth = places.take().await;
        assert!(second.await.unwrap());
        assert!(!third.is_finished());
        assert_eq!(places.idle(ready(7)).await, Some(7));
        let fifth = places.take().await;
        assert!(third.await.unwrap());
        // All are busy: the next one waits until a place is free.
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { drop(places.take().await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((first, fourth, fifth));
        waiting.await.unwrap();
    }
}
