//! A store of one value per Service, from which [`Memory`](super::Memory) is built.

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
    /// Locks the values. The lock must not be held across an await.
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

    pub fn insert(&self, uid: &ServiceUid, value: T) {
        self.lock().insert(uid.clone(), value);
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.lock().remove(uid);
    }

    /// Drops the values of all other Services.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.lock().retain(|uid, _| alive.contains(uid));
    }
}
