//! Handles of values of the shipped types, so that a state of the world is cheap
//! to copy, compare and hash.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The handle of a value. Equal values have equal handles.
pub struct Shared<T: 'static>(&'static Numbered<T>);

struct Numbered<T> {
    number: u32,
    value: T,
}

/// All values of `T` so far. They are never dropped: there are a few thousand.
pub struct Pool<T: 'static>(Mutex<Option<HashMap<&'static T, Shared<T>>>>);

impl<T: Eq + Hash> Pool<T> {
    /// A pool without values.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The handle of a value.
    pub fn share(&self, value: T) -> Shared<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(HashMap::new);
        if let Some(shared) = known.get(&value) {
            return *shared;
        }
        let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let shared = Shared(Box::leak(Box::new(Numbered { number, value })));
        known.insert(shared.get(), shared);
        shared
    }
}

impl<T> Shared<T> {
    /// The value.
    pub fn get(self) -> &'static T {
        &self.0.value
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl<T> Eq for Shared<T> {}

impl<T> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Shared<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.number.cmp(&other.0.number)
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(formatter)
    }
}
