//! A store of one value per Service for its present spec: an edit begins anew.

use std::collections::HashSet;

use super::per_service::PerService;
use crate::controller::attempt::SpecHash;
use crate::plan::naming::ServiceUid;

/// Values by the UID of a Service, each with the spec that it is about.
pub struct PerSpec<T>(PerService<(SpecHash, T)>);

impl<T> Default for PerSpec<T> {
    fn default() -> Self {
        Self(PerService::default())
    }
}

impl<T> PerSpec<T> {
    /// Reads the value about this spec; `None` if there is none.
    pub fn read<R>(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        read: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        let all = self.0.lock();
        let known = all.get(uid).filter(|(spec, _)| *spec == spec_hash);
        known.map(|(_, value)| read(value))
    }

    /// Reads the value, whatever spec it is about.
    pub fn read_any<R>(&self, uid: &ServiceUid, read: impl FnOnce(&T) -> R) -> Option<R> {
        let all = self.0.lock();
        all.get(uid).map(|(_, value)| read(value))
    }

    /// Changes the value about this spec, if there is one. One about another spec is dropped.
    pub fn update<R>(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut all = self.0.lock();
        let (spec, value) = all.get_mut(uid)?;
        if *spec == spec_hash {
            return Some(change(value));
        }
        all.remove(uid);
        None
    }

    /// Sets the value about this spec, or removes it.
    pub fn set(&self, uid: &ServiceUid, spec_hash: SpecHash, value: Option<T>) {
        match value {
            Some(value) => self.0.insert(uid, (spec_hash, value)),
            None => self.0.forget(uid),
        }
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    /// Drops the values of all other Services.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

impl<T: Default> PerSpec<T> {
    /// Changes the value about this spec. It begins with the default.
    pub fn change<R>(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut all = self.0.lock();
        let new = || (spec_hash, T::default());
        let known = all.entry(uid.clone()).or_insert_with(new);
        if known.0 != spec_hash {
            *known = new();
        }
        change(&mut known.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_begins_anew() {
        let (one, edited) = (SpecHash::for_test(1), SpecHash::for_test(2));
        let uid = ServiceUid::new("u");
        let count = |store: &PerSpec<u32>, spec| {
            store.change(&uid, spec, |count| {
                *count += 1;
                *count
            })
        };
        let store = PerSpec::<u32>::default();
        assert_eq!(store.update(&uid, one, |_| ()), None, "nothing is known");
        assert_eq!((count(&store, one), count(&store, one)), (1, 2));
        assert_eq!(store.read(&uid, edited, |count| *count), None);
        assert_eq!(store.read(&uid, one, |count| *count), Some(2), "a read");
        assert_eq!(store.read_any(&uid, |count| *count), Some(2));
        assert_eq!(count(&store, edited), 1);
        assert_eq!(store.update(&uid, one, |_| ()), None);
        assert_eq!(store.read_any(&uid, |count| *count), None, "dropped");
    }
}
