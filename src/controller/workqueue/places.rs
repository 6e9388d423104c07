//! The places at the clouds: how many reconciles that call a cloud may run at a time.
//!
//! A reconcile keeps its place while it writes to the API server, so a cloud has more
//! places than calls in flight: its limit of calls, which the cloud's client keeps
//! exactly, is used all the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::naming::CloudName;
use crate::priority::Priority;

/// The clouds that a reconcile will call.
pub type CloudSet = BTreeSet<CloudName>;

/// The places of all clouds.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<CloudName, CloudPlaces>);

#[derive(Debug)]
struct CloudPlaces {
    limit: usize,
    /// The part of them that reconciles in the background may take, so that a user's
    /// never waits for one of them to end.
    background_limit: usize,
    taken: usize,
    taken_in_background: usize,
    /// Whether the inventory is as complete as the first list could make it.
    is_listed: bool,
}

impl Places {
    /// The places of clouds with this many calls in flight.
    pub(super) fn new(concurrency: impl IntoIterator<Item = (CloudName, usize)>) -> Self {
        let places = |calls: usize| CloudPlaces {
            limit: 2 * calls,
            background_limit: calls + calls.div_ceil(2),
            taken: 0,
            taken_in_background: 0,
            is_listed: false,
        };
        let clouds = concurrency.into_iter();
        Self(clouds.map(|(name, calls)| (name, places(calls))).collect())
    }

    /// Takes a place at each of these clouds, free or not.
    pub(super) fn take(&mut self, clouds: &CloudSet, priority: Priority) {
        for places in self.of(clouds) {
            places.taken += 1;
            places.taken_in_background += usize::from(priority == Priority::Background);
        }
    }

    pub(super) fn release(&mut self, clouds: &CloudSet, priority: Priority) {
        for places in self.of(clouds) {
            places.taken -= 1;
            places.taken_in_background -= usize::from(priority == Priority::Background);
        }
    }

    pub(super) fn has_free(&self, clouds: &CloudSet, priority: Priority) -> bool {
        let mut all = clouds.iter().filter_map(|cloud| self.0.get(cloud));
        all.all(|places| places.has_free(priority))
    }

    pub(super) fn mark_listed(&mut self, cloud: &CloudName) {
        if let Some(places) = self.0.get_mut(cloud) {
            places.is_listed = true;
        }
    }

    pub(super) fn are_listed(&self, clouds: &CloudSet) -> bool {
        let mut all = clouds.iter().filter_map(|cloud| self.0.get(cloud));
        all.all(|places| places.is_listed)
    }

    fn of(&mut self, clouds: &CloudSet) -> impl Iterator<Item = &mut CloudPlaces> {
        let all = self.0.iter_mut();
        all.filter(|(name, _)| clouds.contains(*name))
            .map(|(_, places)| places)
    }
}

impl CloudPlaces {
    fn has_free(&self, priority: Priority) -> bool {
        let may_take = match priority {
            Priority::User => true,
            Priority::Background => self.taken_in_background < self.background_limit,
        };
        may_take && self.taken < self.limit
    }
}
