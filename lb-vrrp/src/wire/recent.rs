/// The latest few senders that showed that they have the key, with what is known of each. It has a fixed size: who was
/// heard longest ago makes room.
#[derive(Clone, Debug)]
pub(super) struct Recent<K, V>([Option<(K, V)>; RECENT]);

/// How many senders are remembered.
pub(super) const RECENT: usize = 16;

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    pub(super) const fn new() -> Self {
        Self([None; RECENT])
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        self.0.iter().flatten().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        let known = self.0.iter().position(|slot| slot.is_some_and(|(known, _)| known == key));
        // The latest stands first, so the last one is a free one or the oldest.
        self.0[..=known.unwrap_or(RECENT - 1)].rotate_right(1);
        self.0[0] = Some((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut recent = Recent::new();
        for key in 0..RECENT {
            recent.put(key, key);
        }
        recent.put(0, 100);
        recent.put(RECENT, RECENT);
        assert_eq!(recent.get(0), Some(100));
        assert_eq!(recent.get(1), None);
        for key in 2..=RECENT {
            assert_eq!(recent.get(key), Some(key));
        }
    }
}
