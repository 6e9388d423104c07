//! The changes that a Service asks for and a cloud does not have yet, and since when. A
//! histogram shows only waits that ended; this shows a change that is never made.
//!
//! A Service that has all it asks for costs nothing here.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::controller::attempt::SpecHash;
use crate::plan::naming::{CloudName, ServiceUid};
use crate::telemetry::{Change, CloudChanges};

/// The pending changes of all Services.
#[derive(Default)]
pub struct PendingChanges(PerService<Pending>);

struct Pending {
    spec_hash: SpecHash,
    is_started: bool,
    /// At most one for each cloud.
    changes: Box<[PendingChange]>,
}

struct PendingChange {
    cloud: CloudName,
    change: Change,
    /// Whether only the owner of the Service can correct what prevents it. Their next
    /// edit then asks for the change anew.
    is_owners: bool,
    /// Whether it was counted as late.
    is_late: bool,
    since: Instant,
}

/// The state of a Service at the last attempt.
#[derive(Clone, Debug)]
pub struct Known {
    pub spec_hash: SpecHash,
    /// Whether it was counted as a Service that requested a load balancer.
    pub is_started: bool,
    changes: Vec<(CloudName, Change)>,
}

impl Known {
    /// The pending change at a cloud.
    pub fn change(&self, cloud: &CloudName) -> Option<Change> {
        let found = self.changes.iter().find(|(name, _)| name == cloud);
        found.map(|(_, change)| *change)
    }

    pub fn has(&self, change: Change) -> bool {
        self.changes.iter().any(|(_, pending)| *pending == change)
    }
}

/// A change that a cloud does not have after an attempt.
#[derive(Clone, Debug)]
pub struct Missing {
    pub cloud: CloudName,
    pub change: Change,
    /// The age of the change, if it was not pending before.
    pub age: Duration,
    /// Whether only the owner of the Service can correct what prevents it.
    pub is_owners: bool,
}

/// What an attempt has shown.
pub struct Progress<'a> {
    pub spec_hash: SpecHash,
    /// The clouds that the Service names.
    pub wanted: &'a BTreeSet<CloudName>,
    pub missing: Vec<Missing>,
    /// As in [`Known::is_started`].
    pub is_started: bool,
    /// Whether to remember the attempt although nothing is known to be missing.
    pub is_unclear: bool,
}

/// A change that was pending and that the cloud has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    pub cloud: CloudName,
    pub change: Change,
    pub took: Duration,
    /// Whether it was counted as late.
    pub is_late: bool,
}

impl PendingChange {
    fn new(missing: Missing, now: Instant) -> Self {
        let Missing {
            cloud,
            change,
            age,
            is_owners,
        } = missing;
        Self {
            cloud,
            change,
            is_owners,
            is_late: false,
            since: now.checked_sub(age).unwrap_or(now),
        }
    }

    /// Whether a later attempt that shows `change` waits for the same.
    fn continues_as(&self, change: Change) -> bool {
        match (self.change, change) {
            (Change::Delete, other) | (other, Change::Delete) => other == Change::Delete,
            (Change::Repair, other) => other == Change::Repair,
            _ => true,
        }
    }

    /// The change after another attempt. It keeps its age, unless its owner edited what
    /// only they could correct.
    fn after(&self, missing: Missing, is_edited: bool, now: Instant) -> Self {
        let is_new = !self.continues_as(missing.change) || (self.is_owners && is_edited);
        let mut after = Self::new(missing, now);
        after.is_late = self.is_late;
        if !is_new {
            (after.change, after.since) = (self.change, self.since);
            // A timeout between two refusals does not make it ours.
            after.is_owners |= self.is_owners;
        }
        after
    }
}

impl PendingChanges {
    /// The state of a Service at the last attempt; `None` if it had all it asks for.
    pub fn known(&self, uid: &ServiceUid) -> Option<Known> {
        let all = self.0.lock();
        let pending = all.get(uid)?;
        let changes = pending.changes.iter();
        Some(Known {
            spec_hash: pending.spec_hash,
            is_started: pending.is_started,
            changes: changes
                .map(|pending| (pending.cloud.clone(), pending.change))
                .collect(),
        })
    }

    /// Records an attempt. Returns the changes that were pending and that the clouds have
    /// now, without deletions.
    pub fn record(&self, uid: &ServiceUid, progress: Progress<'_>) -> Vec<Reached> {
        let Progress {
            spec_hash,
            wanted,
            missing,
            is_started,
            is_unclear,
        } = progress;
        let now = Instant::now();
        let mut all = self.0.lock();
        let before = all.remove(uid);
        let is_edited = before
            .as_ref()
            .is_some_and(|before| before.spec_hash != spec_hash);
        let mut before = before.map_or_else(Vec::new, |before| before.changes.into_vec());
        let mut changes = Vec::with_capacity(missing.len());
        for missing in missing {
            let known = before.iter().position(|known| known.cloud == missing.cloud);
            changes.push(match known.map(|index| before.swap_remove(index)) {
                Some(known) => known.after(missing, is_edited, now),
                None => PendingChange::new(missing, now),
            });
        }
        if !changes.is_empty() || is_unclear {
            let changes = changes.into_boxed_slice();
            let pending = Pending {
                spec_hash,
                is_started,
                changes,
            };
            all.insert(uid.clone(), pending);
        }
        // An edit that takes a cloud out of the Service also ends what was pending there.
        let reached = before
            .into_iter()
            .filter(|known| known.change != Change::Delete && wanted.contains(&known.cloud));
        reached
            .map(|known| Reached {
                took: now.duration_since(known.since),
                cloud: known.cloud,
                change: known.change,
                is_late: known.is_late,
            })
            .collect()
    }

    /// Records the changes of a Service that was not attempted yet, unless they are known.
    pub fn record_wait(&self, uid: &ServiceUid, spec_hash: SpecHash, missing: Vec<Missing>) {
        if missing.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut all = self.0.lock();
        let pending = all.entry(uid.clone()).or_insert_with(|| Pending {
            spec_hash,
            is_started: false,
            changes: Box::default(),
        });
        let mut changes = std::mem::take(&mut pending.changes).into_vec();
        for missing in missing {
            let known = changes
                .iter_mut()
                .find(|known| known.cloud == missing.cloud);
            match known {
                Some(known) if known.continues_as(missing.change) => {}
                Some(known) => *known = PendingChange::new(missing, now),
                None => changes.push(PendingChange::new(missing, now)),
            }
        }
        pending.changes = changes.into_boxed_slice();
    }

    /// The pending changes of each of these clouds, then those of all other clouds. Walks
    /// through the Services with pending changes once.
    pub fn summarize(&self, clouds: &[CloudName]) -> Vec<CloudChanges> {
        let now = Instant::now();
        let mut summary = vec![CloudChanges::default(); clouds.len() + 1];
        for pending in self.0.lock().values_mut() {
            for pending in &mut pending.changes {
                let cloud = clouds.iter().position(|cloud| *cloud == pending.cloud);
                let of_cloud = &mut summary[cloud.unwrap_or(clouds.len())];
                let age = now.duration_since(pending.since);
                of_cloud.add(pending.change, age, pending.is_owners);
                let is_late = pending.change == Change::Create && age > pending.change.limit();
                if is_late && !pending.is_owners && !pending.is_late {
                    pending.is_late = true;
                    of_cloud.newly_late += 1;
                }
            }
        }
        summary
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests;
