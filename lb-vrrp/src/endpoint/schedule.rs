use alloc::vec::Vec;

use crate::Time;

/// The deadlines of routers, which are known by their places, and the earliest of them.
///
/// A binary heap that knows where each router stands in it. A deadline that moves earlier is moved up at once. One that
/// moves later is only noted, as every advertisement moves that of a Backup, and the heap follows when the old one has
/// come to the top.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// The first is exact, the others may be earlier than what they stand for.
    heap: Vec<Entry>,
    routers: Vec<Router>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Time,
    place: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Router {
    deadline: Option<Time>,
    /// Where in the heap it is.
    position: Option<usize>,
}

impl Schedule {
    /// Makes room for so many places.
    pub(super) fn reserve(&mut self, places: usize) {
        if places > self.routers.len() {
            self.routers.resize(places, Router::default());
            self.heap.reserve(places - self.heap.len());
        }
    }

    /// Sets or removes the deadline of the router at this place.
    pub(super) fn set(&mut self, place: usize, deadline: Option<Time>) {
        let router = &mut self.routers[place];
        router.deadline = deadline;
        match (router.position, deadline) {
            (Some(position), Some(at)) if at < self.heap[position].at => {
                self.heap[position].at = at;
                self.move_up(position);
            }
            (None, Some(at)) => {
                self.heap.push(Entry { at, place });
                self.move_up(self.heap.len() - 1);
            }
            _ => {}
        }
        self.settle();
    }

    /// The earliest deadline and the place of its router.
    pub(super) fn first(&self) -> Option<(Time, usize)> {
        self.heap.first().map(|entry| (entry.at, entry.place))
    }

    /// At least as many as there are deadlines.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Makes the first entry exact.
    fn settle(&mut self) {
        while let Some(first) = self.heap.first_mut() {
            match self.routers[first.place].deadline {
                Some(deadline) if deadline == first.at => return,
                Some(deadline) => first.at = deadline,
                None => {
                    self.routers[first.place].position = None;
                    self.heap.swap_remove(0);
                }
            }
            self.move_down(0);
        }
    }

    fn move_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].at <= entry.at {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        self.put(position, entry);
    }

    fn move_down(&mut self, mut position: usize) {
        let Some(entry) = self.heap.get(position).copied() else { return };
        loop {
            let left = 2 * position + 1;
            let Some(mut child) = self.heap.get(left).copied() else { break };
            let mut from = left;
            if let Some(right) = self.heap.get(left + 1).filter(|right| right.at < child.at) {
                (child, from) = (*right, left + 1);
            }
            if entry.at <= child.at {
                break;
            }
            self.put(position, child);
            position = from;
        }
        self.put(position, entry);
    }

    fn put(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.routers[entry.place].position = Some(position);
    }
}

#[cfg(test)]
mod tests;
