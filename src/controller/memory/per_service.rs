//! One value for each Service that has one: the store that all of
//! [`Memory`](super::Memory) is made of.

use std::collections::{HashMap, HashSet};

use parking_lot::{Mutex, MutexGuard};

use crate::plan::naming::ServiceUid;

/// Values by the UID of a Service.
pub struct PerService<T>(Mutex<HashMap<ServiceUid, T>>);

impl<T> Default for PerService<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> PerService<T> {
    /// The values, locked: for one short step, never across an await.
    pub fn lock(&self) -> MutexGuard<'_, HashMap<ServiceUid, T>> {
        self.0.lock()
    }

    /// A copy of a Service's value.
    pub fn get(&self, uid: &ServiceUid) -> Option<T>
    where
        T: Clone,
    {
        self.lock().get(uid).cloned()
    }

    /// Replaces a Service's value.
    pub fn insert(&self, uid: &ServiceUid, value: T) {
        self.lock().insert(uid.clone(), value);
    }

    /// Drops a Service's value.
    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    /// Drops the values of all Services but these.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }
}
