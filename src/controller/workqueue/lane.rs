//! Keys that wait for the same: by priority, and within a priority in turns of their
//! namespaces, so that one namespace with thousands of Services delays another's
//! Service by one turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::Key;
use crate::priority::{Priority, Turns};

/// Keys that wait for the same, such as a place at one cloud.
#[derive(Debug, Default)]
pub(super) struct Lane {
    users: FairQueue,
    background: FairQueue,
    turns: Turns,
}

/// A key with the number of its arrival, which orders the keys of a namespace.
pub(super) type Arrival = (u64, Key);

#[derive(Debug, Default)]
struct FairQueue {
    namespaces: BTreeMap<String, BTreeSet<Arrival>>,
    /// The namespace that was served last.
    last: String,
    len: usize,
}

impl Lane {
    pub(super) fn insert(&mut self, priority: Priority, arrival: Arrival) {
        self.of(priority).insert(arrival);
    }

    pub(super) fn remove(&mut self, priority: Priority, arrival: &Arrival) {
        self.of(priority).remove(arrival);
    }

    /// The priority of the next key; `None` if the lane is empty. `background_may`
    /// tells whether a key of that priority could be served now.
    pub(super) fn next_priority(&self, background_may: bool) -> Option<Priority> {
        let background = background_may && self.background.len > 0;
        self.turns.next(self.users.len > 0, background)
    }

    pub(super) fn pop(&mut self, priority: Priority) -> Option<Key> {
        let key = self.of(priority).pop()?;
        self.turns.served(priority, self.background.len > 0);
        Some(key)
    }

    /// Whether a key of this priority or a higher one waits.
    pub(super) fn has_waiting(&self, priority: Priority) -> bool {
        self.users.len > 0 || (priority == Priority::Background && self.background.len > 0)
    }

    pub(super) fn len(&self) -> usize {
        self.users.len + self.background.len
    }

    /// All keys, those of users first.
    pub(super) fn into_keys(self) -> impl Iterator<Item = Key> {
        let all = [self.users, self.background].into_iter();
        all.flat_map(|queue| queue.namespaces.into_values().flatten())
            .map(|(_, key)| key)
    }

    fn of(&mut self, priority: Priority) -> &mut FairQueue {
        match priority {
            Priority::User => &mut self.users,
            Priority::Background => &mut self.background,
        }
    }
}

impl FairQueue {
    fn insert(&mut self, arrival: Arrival) {
        let keys = match self.namespaces.get_mut(&arrival.1.namespace) {
            Some(keys) => keys,
            None => self
                .namespaces
                .entry(arrival.1.namespace.clone())
                .or_default(),
        };
        if keys.insert(arrival) {
            self.len += 1;
        }
    }

    fn remove(&mut self, arrival: &Arrival) {
        let Some(keys) = self.namespaces.get_mut(&arrival.1.namespace) else {
            return;
        };
        if keys.remove(arrival) {
            self.len -= 1;
        }
        if keys.is_empty() {
            self.namespaces.remove(&arrival.1.namespace);
        }
    }

    /// The first key of the namespace after the one that was served last.
    fn pop(&mut self) -> Option<Key> {
        let after = (Bound::Excluded(self.last.as_str()), Bound::Unbounded);
        let next = self.namespaces.range::<str, _>(after).next();
        let (namespace, keys) = next.or_else(|| self.namespaces.first_key_value())?;
        let first = keys.first()?.clone();
        self.last.clone_from(namespace);
        self.remove(&first);
        Some(first.1)
    }
}
