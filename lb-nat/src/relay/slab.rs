//! Connections by small numbers that epoll can carry.

/// A table whose entries keep their index. An index that was freed is given again only after [`Slab::recycle`], so
/// that an event that was fetched before cannot be taken for one of a newer entry.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
    freed: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), freed: Vec::new() }
    }

    /// Puts an entry in and returns its index.
    pub(super) fn insert(&mut self, entry: T) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.entries.get_mut(index as usize)
        {
            *place = Some(entry);
            return index;
        }
        self.entries.push(Some(entry));
        (self.entries.len() - 1) as u32
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?.take()?;
        self.freed.push(index);
        Some(entry)
    }

    /// Freed indices may be given again: no event is outstanding.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.freed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() + self.freed.len() == self.entries.len()
    }

    /// One more than the highest index in use so far.
    pub(super) fn span(&self) -> u32 {
        self.entries.len() as u32
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_given_again_only_after_recycling() {
        let mut slab = Slab::new();
        assert_eq!((slab.insert('a'), slab.insert('b')), (0, 1));
        assert_eq!(slab.remove(0), Some('a'));
        assert_eq!(slab.remove(0), None);
        assert_eq!(slab.insert('c'), 2);
        slab.recycle();
        assert_eq!(slab.insert('d'), 0);
        assert_eq!(slab.iter().collect::<String>(), "dbc");
        for index in 0..3 {
            assert!(!slab.is_empty());
            slab.remove(index);
        }
        assert!(slab.is_empty());
        assert_eq!(slab.span(), 3);
    }
}
