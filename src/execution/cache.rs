//! A bounded cache in which each value is made once.
//!
//! Enters: keys, and how to make a value. Leaves: values, made by the first caller for a key while the others for that
//! key wait. Refuses nothing: past its bound the least recently used value is forgotten.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lru::LruCache;
use tenzik_receipt::Blake3;

/// Values by content digest.
pub(crate) struct Cache<V> {
    /// `None` keeps nothing.
    slots: Option<Mutex<LruCache<Blake3, Arc<OnceLock<V>>>>>,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most so many values.
    pub(crate) fn new(entries_max: u32) -> Self {
        let bound = NonZeroUsize::new(entries_max as usize);
        Self {
            slots: bound.map(|bound| Mutex::new(LruCache::new(bound))),
        }
    }

    /// The value of `key`; if there is none, `make` makes it.
    ///
    /// If `make` panics, the panic goes to its caller, and the next caller for that key makes the value.
    pub(crate) fn get_or_make(&self, key: Blake3, make: impl FnOnce() -> V) -> V {
        let Some(slots) = &self.slots else {
            return make();
        };
        // The lock is held to find the slot, not while a value is made. Nothing under it can panic half-way.
        let slot = {
            let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.get_or_insert(key, Arc::default))
        };
        slot.get_or_init(make).clone()
    }

    /// Forgets the value of `key` if it is one of these. Another's, made since, stays.
    pub(crate) fn forget_if(&self, key: Blake3, forgets: impl FnOnce(&V) -> bool) {
        let Some(slots) = &self.slots else {
            return;
        };
        let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
        let value = slots.peek(&key).and_then(|slot| slot.get());
        if value.is_some_and(forgets) {
            slots.pop(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    fn key(byte: u8) -> Blake3 {
        Blake3::from_bytes([byte; 32])
    }

    #[test]
    fn many_callers_of_one_key_make_one_value() {
        let cache = Cache::new(4);
        let made = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    cache.get_or_make(key(1), || {
                        thread::yield_now();
                        made.fetch_add(1, Ordering::Relaxed)
                    })
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let cache = Cache::new(2);
        let get = |byte, value| cache.get_or_make(key(byte), || value);
        assert_eq!((get(1, 'a'), get(2, 'b'), get(1, 'x')), ('a', 'b', 'a'));
        assert_eq!(get(3, 'c'), 'c');
        assert_eq!((get(1, 'x'), get(2, 'y')), ('a', 'y'));
    }

    #[test]
    fn what_is_forgotten_is_made_again_and_nothing_else() {
        let cache = Cache::new(2);
        assert_eq!(cache.get_or_make(key(1), || 1), 1);
        cache.forget_if(key(1), |value| *value == 1);
        assert_eq!(cache.get_or_make(key(1), || 2), 2);
        cache.forget_if(key(1), |value| *value == 1);
        assert_eq!(cache.get_or_make(key(1), || 3), 2);
    }

    #[test]
    fn no_entries_means_no_cache() {
        let cache = Cache::new(0);
        assert_eq!(cache.get_or_make(key(1), || 1), 1);
        assert_eq!(cache.get_or_make(key(1), || 2), 2);
    }

    #[test]
    fn a_panic_leaves_the_key_free_for_the_next() {
        let cache = Cache::new(2);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cache.get_or_make(key(1), || panic!("the compiler failed"))
        }));
        assert!(panicked.is_err());
        assert_eq!(cache.get_or_make(key(1), || 7), 7);
    }
}
