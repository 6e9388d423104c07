//! The queue without a clock and without tasks: which key may run now.

mod item;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;

use super::lane::Lane;
use super::places::{CloudSet, Places};
use super::{Key, Need, Next, QueueState};
use crate::plan::naming::{CloudName, ServiceKey};
use crate::priority::Priority;
use item::{Item, ItemState, LaneId, Parking, Running};

/// The most reconciles that run without a place at a cloud. They write to the API
/// server at most, whose client sends as many requests at a time.
pub(super) const WORKERS: usize = 32;
/// A Service that waits this long for a place is told so by its condition.
pub(super) const EXPLAIN_AFTER: Duration = Duration::from_secs(10);
/// A Service whose last attempt went on without a cloud waits this long for it in the next
/// ones, which may be polls of another: long enough to have its turn, and no longer than the
/// first poll is delayed.
const WAIT_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Queue {
    items: HashMap<Key, Item>,
    /// The number of keys that arrived so far.
    arrivals: u64,
    /// The keys whose reconcile has not said yet which clouds it will call.
    ready: Lane,
    /// The keys that wait for places, by the clouds.
    parked: BTreeMap<LaneId, Parking>,
    last_lane: LaneId,
    /// The times at which delayed keys are due, and parked ones are to be explained.
    timers: BTreeSet<(Instant, Key)>,
    places: Places,
    running_without_place: usize,
}

/// A key to reconcile now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) key: Key,
    /// The time since the key became due.
    pub(super) waited: Duration,
    /// Whether the reconcile should explain the wait if it gets no place again.
    pub(super) explains: bool,
}

/// Places that were taken together with others, and are kept for longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    clouds: CloudSet,
    together: CloudSet,
    priority: Priority,
}

impl Kept {
    /// The places at each cloud, which may be returned at different times.
    pub(super) fn of_each_cloud(self) -> impl Iterator<Item = (CloudName, Self)> {
        let Self {
            clouds,
            together,
            priority,
        } = self;
        clouds.into_iter().map(move |cloud| {
            let kept = Self {
                clouds: CloudSet::from([cloud.clone()]),
                together: together.clone(),
                priority,
            };
            (cloud, kept)
        })
    }
}

impl Queue {
    /// A queue for clouds with this many calls in flight.
    pub(super) fn new(concurrency: impl IntoIterator<Item = (CloudName, usize)>) -> Self {
        Self {
            places: Places::new(concurrency),
            ..Self::default()
        }
    }

    /// Adds a key. Returns whether it was neither due nor waiting before. A key that
    /// waits for a place is moved only for a user: it sees the newest state anyway
    /// when it gets its place, but an edit may change the clouds or the priority.
    pub(super) fn add(&mut self, key: &Key, priority: Priority, now: Instant) -> bool {
        let Some(item) = self.items.get_mut(key) else {
            self.add_new(key, None, priority, now);
            return true;
        };
        match &mut item.state {
            ItemState::Running(running) => {
                let was_added = running.again.is_some();
                running.again = running.again.max(Some(priority));
                return !was_added;
            }
            ItemState::Ready if priority <= item.priority => return false,
            // On several clouds, it may be served on those that have a place.
            ItemState::Parked { lane, .. }
                if priority == Priority::Background
                    && !(item.is_explained && lane.clouds.len() > 1) =>
            {
                return false;
            }
            ItemState::Ready | ItemState::Parked { .. } => {}
            ItemState::Delayed(_) => {
                let before = self.take_out(key);
                self.add_new(key, before, priority, now);
                return true;
            }
        }
        self.make_ready(key, priority);
        false
    }

    /// Adds a key as due now; of the item before, it keeps its turn if it went on without
    /// a cloud.
    fn add_new(&mut self, key: &Key, before: Option<Item>, priority: Priority, now: Instant) {
        let kept = before.filter(|item| item.went_on);
        let item = Item {
            arrival: self.next_arrival(),
            since: now,
            priority,
            is_explained: false,
            went_on: kept.is_some(),
            state: ItemState::Ready,
        };
        let arrival = kept.map_or(item.arrival, |kept| kept.arrival);
        let item = Item { arrival, ..item };
        self.ready.insert(priority, (item.arrival, key.clone()));
        self.items.insert(key.clone(), item);
    }

    /// Removes a key unless it runs.
    pub(super) fn remove(&mut self, key: &ServiceKey) {
        let waits = |item: &Item| !matches!(item.state, ItemState::Running(_));
        let found = self.items.get_key_value(key);
        let key = found
            .filter(|(_, item)| waits(item))
            .map(|(key, _)| key.clone());
        if let Some(key) = key {
            self.take_out(&key);
        }
    }

    /// The next key to run; `None` if none may run now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Start> {
        self.fire_timers(now);
        if self.running_without_place < WORKERS
            && let Some(priority) = self.ready.next_priority(true)
            && let Some(key) = self.ready.pop(priority)
        {
            self.running_without_place += 1;
            return self.start(key, None, now);
        }
        let (id, priority) = self.admissible_lane()?;
        let parking = self.parked.get_mut(&id)?;
        let key = parking.lane.pop(priority)?;
        parking.running += 1;
        self.places.take(&id.clouds, priority);
        self.last_lane = id.clone();
        self.start(key, Some((id, priority)), now)
    }

    /// The time of the next timer.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether a key that runs was added again.
    pub(super) fn is_again(&self, key: &Key) -> bool {
        let item = self.items.get(key);
        item.is_some_and(|item| match &item.state {
            ItemState::Running(running) => running.again.is_some(),
            _ => false,
        })
    }

    /// Gives a running reconcile its places at once; false if it has to wait.
    pub(super) fn admit(&mut self, key: &Key, need: &Need) -> bool {
        let Some(item) = self.items.get_mut(key) else {
            return false;
        };
        let ItemState::Running(running) = &mut item.state else {
            return false;
        };
        item.priority = need.priority;
        if let Some((held, _)) = &running.held {
            let is_admitted = need.clouds.is_subset(&held.clouds);
            item.went_on &= !is_admitted;
            return is_admitted;
        }
        let id = LaneId::of(need);
        let parking = self.parked.get(&id);
        let is_behind = parking.is_some_and(|parking| parking.lane.has_waiting(need.priority));
        let is_idle = parking.is_none_or(|parking| parking.running == 0);
        if is_behind || !may_start(&self.places, &id, need.priority, is_idle) {
            return false;
        }
        self.places.take(&id.clouds, need.priority);
        self.running_without_place -= 1;
        self.parked.entry(id.clone()).or_default().running += 1;
        running.held = Some((id, need.priority));
        item.went_on = false;
        true
    }

    /// Gives a running reconcile its places at those of its clouds that have one free, if
    /// not all have. Returns these clouds.
    pub(super) fn admit_to_some(&mut self, key: &Key, need: &Need) -> Option<CloudSet> {
        let item = self.items.get_mut(key)?;
        let ItemState::Running(running) = &mut item.state else {
            return None;
        };
        let has_place = |cloud: &&CloudName| {
            let only = CloudSet::from([(*cloud).clone()]);
            let is_listed = !need.after_list || self.places.are_listed(&only);
            is_listed && self.places.has_free(&only, need.priority)
        };
        let mut clouds: CloudSet = need.clouds.iter().filter(has_place).cloned().collect();
        if clouds == need.clouds {
            // Each has a place, but not for one more of those that need several.
            let fullest = clouds.iter().max_by_key(|cloud| self.places.taken(cloud));
            let fullest = fullest.cloned();
            clouds.retain(|cloud| Some(cloud) != fullest.as_ref());
        }
        if running.held.is_some() || clouds.is_empty() {
            return None;
        }
        self.places.take(&clouds, need.priority);
        self.running_without_place -= 1;
        let id = LaneId {
            clouds: clouds.clone(),
            after_list: need.after_list,
        };
        self.parked.entry(id.clone()).or_default().running += 1;
        running.held = Some((id, need.priority));
        item.went_on = true;
        Some(clouds)
    }

    /// Ends a reconcile.
    pub(super) fn finish(&mut self, key: &Key, next: Next, now: Instant) {
        let Some(item) = self.items.get_mut(key) else {
            return;
        };
        let ItemState::Running(running) = &mut item.state else {
            return;
        };
        let (held, again) = (running.held.take(), running.again);
        let kept = std::mem::take(&mut running.kept);
        match (again, next) {
            (Some(priority), Next::Park(need)) => self.make_ready(key, priority.max(need.priority)),
            (Some(priority), Next::Done | Next::After(_)) => {
                let before = self.items.remove(key);
                self.add_new(key, before, priority, now);
            }
            (None, Next::Done) => {
                self.items.remove(key);
            }
            (None, Next::After(delay)) => {
                let due = now + delay;
                item.is_explained = false;
                item.state = ItemState::Delayed(due);
                self.timers.insert((due, key.clone()));
            }
            (None, Next::Park(need)) => {
                let wait = match item.went_on {
                    true => WAIT_AGAIN,
                    false => EXPLAIN_AFTER,
                };
                let explain_at = (!item.is_explained).then(|| now + wait);
                let (lane, arrival) = (LaneId::of(&need), (item.arrival, key.clone()));
                self.timers.extend(explain_at.map(|at| (at, key.clone())));
                let parking = self.parked.entry(lane.clone()).or_default();
                parking.lane.insert(need.priority, arrival);
                item.priority = need.priority;
                item.state = ItemState::Parked { lane, explain_at };
            }
        }
        self.release(held, &kept);
    }

    /// Keeps the places at some clouds beyond the end of a reconcile, for calls that it leaves
    /// behind. Returns what [`Self::return_kept`] needs.
    pub(super) fn keep(&mut self, key: &Key, clouds: &CloudSet) -> Option<Kept> {
        let ItemState::Running(running) = &mut self.items.get_mut(key)?.state else {
            return None;
        };
        let (lane, priority) = running.held.as_ref()?;
        running.kept = clouds & &lane.clouds;
        Some(Kept {
            clouds: running.kept.clone(),
            together: lane.clouds.clone(),
            priority: *priority,
        })
    }

    /// Returns places that were kept.
    pub(super) fn return_kept(&mut self, kept: &Kept) {
        let Kept {
            clouds,
            together,
            priority,
        } = kept;
        self.places.release(clouds, together, *priority);
    }

    /// Records that the first list of a cloud has ended; what waited for it is
    /// observed again.
    pub(super) fn mark_listed(&mut self, cloud: &CloudName) {
        self.places.mark_listed(cloud);
        let Self { parked, places, .. } = self;
        let mut keys = Vec::new();
        for (id, parking) in parked.iter_mut() {
            if id.after_list && id.clouds.contains(cloud) && places.are_listed(&id.clouds) {
                keys.extend(std::mem::take(&mut parking.lane).into_keys());
            }
        }
        for key in keys {
            if let Some(priority) = self.items.get(&key).map(|item| item.priority) {
                self.make_ready(&key, priority);
            }
        }
    }

    pub(super) fn are_listed(&self, clouds: &CloudSet) -> bool {
        self.places.are_listed(clouds)
    }

    pub(super) fn state(&self, now: Instant) -> QueueState {
        let parked = self.parked.values().map(|parking| parking.lane.len());
        let mut state = QueueState {
            depth: self.ready.len() + parked.sum::<usize>(),
            ..QueueState::default()
        };
        for item in self.items.values() {
            if let ItemState::Running(running) = &item.state {
                let so_far = now.saturating_duration_since(running.began);
                state.running += 1;
                state.longest_running = state.longest_running.max(so_far);
                state.unfinished += so_far;
            }
        }
        state
    }

    /// The number of keys that wait for a place at a cloud.
    pub(super) fn waiting_for(&self, cloud: &CloudName) -> usize {
        let lanes = self.parked.iter();
        lanes
            .filter(|(id, _)| id.clouds.contains(cloud))
            .map(|(_, parking)| parking.lane.len())
            .sum()
    }

    fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn start(&mut self, key: Key, held: Option<(LaneId, Priority)>, now: Instant) -> Option<Start> {
        let item = self.items.get_mut(&key)?;
        let state = ItemState::Running(Running {
            began: now,
            held,
            kept: CloudSet::new(),
            again: None,
        });
        let before = std::mem::replace(&mut item.state, state);
        if let ItemState::Parked {
            explain_at: Some(at),
            ..
        } = before
        {
            self.timers.remove(&(at, key.clone()));
        }
        Some(Start {
            waited: now.saturating_duration_since(item.since),
            explains: item.is_explained,
            key,
        })
    }

    fn fire_timers(&mut self, now: Instant) {
        while self.next_timer().is_some_and(|at| at <= now) {
            let Some((at, key)) = self.timers.pop_first() else {
                return;
            };
            let arrival = self.next_arrival();
            let Some(item) = self.items.get_mut(&key) else {
                continue;
            };
            match &mut item.state {
                ItemState::Delayed(_) if item.went_on => item.since = at,
                ItemState::Delayed(_) => (item.since, item.arrival) = (at, arrival),
                ItemState::Parked { explain_at, .. } => {
                    *explain_at = None;
                    item.is_explained = true;
                }
                ItemState::Ready | ItemState::Running(_) => continue,
            }
            // Explanations of thousands that wait come after users.
            let priority = match item.is_explained {
                true => Priority::Background,
                false => item.priority,
            };
            self.make_ready(&key, priority);
        }
    }

    /// The next lane, in turns, from which a key may start.
    fn admissible_lane(&self) -> Option<(LaneId, Priority)> {
        let after = (Bound::Excluded(&self.last_lane), Bound::Unbounded);
        let in_turns = self.parked.range(after);
        let in_turns = in_turns.chain(self.parked.range(..=&self.last_lane));
        in_turns.into_iter().find_map(|(id, parking)| {
            let may = |priority| may_start(&self.places, id, priority, parking.running == 0);
            let priority = parking.lane.next_priority(may(Priority::Background))?;
            may(priority).then(|| (id.clone(), priority))
        })
    }

    /// Moves a key that waits, or that has just ended, to those that are ready.
    fn make_ready(&mut self, key: &Key, priority: Priority) {
        let Some(mut item) = self.take_out(key) else {
            return;
        };
        item.priority = priority;
        item.state = ItemState::Ready;
        self.ready.insert(priority, (item.arrival, key.clone()));
        self.items.insert(key.clone(), item);
    }

    /// Takes a key out of all that it waits in.
    fn take_out(&mut self, key: &Key) -> Option<Item> {
        let item = self.items.remove(key)?;
        let arrival = (item.arrival, key.clone());
        match &item.state {
            ItemState::Delayed(due) => {
                self.timers.remove(&(*due, key.clone()));
            }
            ItemState::Ready => self.ready.remove(item.priority, &arrival),
            ItemState::Parked { lane, explain_at } => {
                if let Some(parking) = self.parked.get_mut(lane) {
                    parking.lane.remove(item.priority, &arrival);
                }
                self.drop_if_unused(lane);
                if let Some(at) = explain_at {
                    self.timers.remove(&(*at, key.clone()));
                }
            }
            ItemState::Running(_) => {}
        }
        Some(item)
    }

    /// Returns the places of a reconcile that ended, but those that it keeps.
    fn release(&mut self, held: Option<(LaneId, Priority)>, kept: &CloudSet) {
        let Some((lane, priority)) = held else {
            self.running_without_place -= 1;
            return;
        };
        let returned = &lane.clouds - kept;
        self.places.release(&returned, &lane.clouds, priority);
        if let Some(parking) = self.parked.get_mut(&lane) {
            parking.running -= 1;
        }
        self.drop_if_unused(&lane);
    }

    fn drop_if_unused(&mut self, lane: &LaneId) {
        let is_unused = |parking: &Parking| parking.running == 0 && parking.lane.len() == 0;
        if self.parked.get(lane).is_some_and(is_unused) {
            self.parked.remove(lane);
        }
    }
}

/// Whether a key of a lane may start. Of the keys that need several clouds, one may
/// always run: the clouds' places might otherwise never be free at the same time.
fn may_start(places: &Places, lane: &LaneId, priority: Priority, is_idle: bool) -> bool {
    let may_listed = !lane.after_list || places.are_listed(&lane.clouds);
    may_listed && (places.has_free(&lane.clouds, priority) || (lane.clouds.len() > 1 && is_idle))
}

#[cfg(test)]
mod tests;
