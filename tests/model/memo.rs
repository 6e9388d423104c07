//! Results of pure functions, each computed once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

/// The results of one function so far.
pub struct Memo<K, V>(RefCell<HashMap<K, V>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Hash + Eq + Copy, V: Copy> Memo<K, V> {
    /// The result for a key.
    pub fn get(&self, key: K, compute: impl FnOnce(K) -> V) -> V {
        let computed = self.0.borrow().get(&key).copied();
        computed.unwrap_or_else(|| {
            let value = compute(key);
            self.0.borrow_mut().insert(key, value);
            value
        })
    }
}
