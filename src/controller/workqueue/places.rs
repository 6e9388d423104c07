//! The places at the clouds: how many reconciles that call a cloud may run at a time.
//!
//! A reconcile keeps its place while it writes to the API server, so a cloud has more
//! places than calls in flight: its limit of calls, which the cloud's client keeps
//! exactly, is used all the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::naming::CloudName;
use crate::priority::Priority;

/// The places that one kind of reconcile may take, and has taken.
#[derive(Debug)]
struct Share {
    limit: usize,
    taken: usize,
}

/// The clouds that a reconcile will call.
pub type CloudSet = BTreeSet<CloudName>;

/// The places of all clouds.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<CloudName, CloudPlaces>);

#[derive(Debug)]
struct CloudPlaces {
    limit: usize,
    taken: usize,
    /// Reconciles in the background, which leave places to those of users.
    background: Share,
    /// Reconciles that also have places at other clouds and may wait there. They leave
    /// places to those that need this cloud alone.
    several: Share,
    /// Whether the inventory is as complete as the first list could make it.
    is_listed: bool,
}

impl Places {
    /// The places of clouds with this many calls in flight.
    pub(super) fn new(concurrency: impl IntoIterator<Item = (CloudName, usize)>) -> Self {
        let places = |calls: usize| CloudPlaces {
            limit: 2 * calls,
            taken: 0,
            background: Share::of(calls + calls / 2),
            several: Share::of(calls),
            is_listed: false,
        };
        let clouds = concurrency.into_iter();
        Self(clouds.map(|(name, calls)| (name, places(calls))).collect())
    }

    /// Takes a place at each of these clouds, free or not.
    pub(super) fn take(&mut self, clouds: &CloudSet, priority: Priority) {
        for places in self.of(clouds) {
            places.taken += 1;
            for share in places.shares(clouds, priority) {
                share.taken += 1;
            }
        }
    }

    /// Returns the places at some of the clouds that were taken together.
    pub(super) fn release(&mut self, some: &CloudSet, together: &CloudSet, priority: Priority) {
        for places in self.of(some) {
            places.taken -= 1;
            for share in places.shares(together, priority) {
                share.taken -= 1;
            }
        }
    }

    pub(super) fn has_free(&self, clouds: &CloudSet, priority: Priority) -> bool {
        let mut all = clouds.iter().filter_map(|cloud| self.0.get(cloud));
        all.all(|places| places.has_free(clouds, priority))
    }

    /// The places taken at a cloud.
    pub(super) fn taken(&self, cloud: &CloudName) -> usize {
        self.0.get(cloud).map_or(0, |places| places.taken)
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
    /// The shares that a reconcile counts in.
    fn shares(
        &mut self,
        clouds: &CloudSet,
        priority: Priority,
    ) -> impl Iterator<Item = &mut Share> {
        let background = (priority == Priority::Background).then_some(&mut self.background);
        let several = (clouds.len() > 1).then_some(&mut self.several);
        background.into_iter().chain(several)
    }

    fn has_free(&self, clouds: &CloudSet, priority: Priority) -> bool {
        let may_in_background = priority == Priority::User || self.background.has_free();
        let may_with_others = clouds.len() == 1 || self.several.has_free();
        self.taken < self.limit && may_in_background && may_with_others
    }
}

impl Share {
    fn of(limit: usize) -> Self {
        Self { limit, taken: 0 }
    }

    fn has_free(&self) -> bool {
        self.taken < self.limit
    }
}
