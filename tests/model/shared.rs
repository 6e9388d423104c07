//! Values of the shipped types as small handles, so that a state of the world
//! is cheap to copy, compare and hash.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// One of the different values of `T` seen so far. Equal values have equal handles.
pub struct Shared<T: 'static> {
    number: u32,
    value: &'static T,
}

/// All values of `T` seen so far. They are kept for ever: there are a few thousand.
pub struct Pool<T: 'static>(Mutex<Option<HashMap<&'static T, u32>>>);

impl<T: Eq + Hash> Pool<T> {
    /// A pool without values.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The handle of a value.
    pub fn share(&self, value: T) -> Shared<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(HashMap::new);
        if let Some((&value, &number)) = known.get_key_value(&value) {
            return Shared { number, value };
        }
        let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let value: &'static T = Box::leak(Box::new(value));
        known.insert(value, number);
        Shared { number, value }
    }
}

impl<T> Shared<T> {
    /// The value.
    pub fn get(self) -> &'static T {
        self.value
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
        self.number == other.number
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
        self.number.cmp(&other.number)
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}
