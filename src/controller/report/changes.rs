//! The changes that an attempt leaves: what the Service asks for and its clouds do not
//! have yet. Recorded in [`PendingChanges`](crate::controller::memory::changes).

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::spans;
use crate::controller::Context;
use crate::controller::attempt::{ApplyResult, ObservedService};
use crate::controller::error::Unfinished;
use crate::controller::memory::changes::{Known, Missing, Progress, Reached};
use crate::kubernetes::condition::{Condition, ConditionReason, find};
use crate::kubernetes::managed_fields;
use crate::plan::naming::CloudName;
use crate::plan::{Action, CloudView, Desired, Release, Waiting, Wanted};
use crate::telemetry::{Change, OBJECTIVE};

/// What an attempt has shown of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Reached,
    Missing,
    /// The query failed, or another attempt follows at once.
    Unknown,
}

/// A Service, and what is known of it from the attempts before.
struct Subject<'a> {
    service: &'a ObservedService,
    known: Option<Known>,
    condition: Option<&'a Condition>,
    context: &'a Context,
}

/// Records the changes that remain after an attempt, and measures those that the clouds
/// have now. `pending` has the waits that remain.
pub fn record(
    service: &ObservedService,
    result: &ApplyResult,
    pending: &BTreeSet<Waiting>,
    context: &Context,
) {
    let subject = Subject::new(service, context);
    match &service.desired {
        Desired::Managed(wanted) => subject.managed(wanted, result, pending),
        Desired::Released(release, _) => subject.released(*release, result),
        Desired::Invalid(_) => subject.invalid(result, pending),
        Desired::Unmanaged(_) => context.memory.changes.forget(&service.view.uid),
        Desired::Paused => {
            context.memory.changes.forget(&service.view.uid);
            // The time in which it misses changes of the Nodes is its user's.
            for cloud in service.view.record.clouds() {
                subject.has_current_nodes(cloud);
            }
        }
    }
}

/// Records the changes of a Service that waits for a place at a cloud.
pub fn record_wait(service: &ObservedService, context: &Context) {
    let subject = Subject::new(service, context);
    let missing = match &service.desired {
        Desired::Managed(wanted) => {
            let clouds = wanted.clouds.iter();
            let missing = clouds.filter_map(|cloud| subject.missing(cloud, Standing::Unknown));
            missing.collect()
        }
        Desired::Released(release, _) => subject.deletions(*release, service.view.record.clouds()),
        Desired::Invalid(_) | Desired::Paused | Desired::Unmanaged(_) => return,
    };
    let changes = &context.memory.changes;
    changes.record_wait(&service.view.uid, service.spec_hash, missing);
}

impl<'a> Subject<'a> {
    fn new(service: &'a ObservedService, context: &'a Context) -> Self {
        Self {
            known: context.memory.changes.known(&service.view.uid),
            condition: find(&service.object, context.metadata_keys.condition()),
            service,
            context,
        }
    }

    /// No update for the current Nodes is missing, so that a later one is a repair.
    fn has_current_nodes(&self, cloud: &CloudName) {
        if let Some(nodes) = &self.service.nodes {
            let (uid, memory) = (&self.service.view.uid, &self.context.memory);
            memory.node_sync.mark_in_sync(uid, cloud, nodes);
        }
    }

    fn managed(&self, wanted: &Wanted, result: &ApplyResult, pending: &BTreeSet<Waiting>) {
        // All clouds have the current Nodes as back ends.
        if result.errors.is_empty() && result.waiting.is_empty() {
            for cloud in &wanted.clouds {
                self.has_current_nodes(cloud);
            }
        }
        let unfinished: Vec<_> = Unfinished::all(result.failures(), pending).collect();
        let standing = |cloud: &CloudName| standing(cloud, result, &unfinished);
        let mut missing = Vec::new();
        for cloud in &wanted.clouds {
            match standing(cloud) {
                Standing::Reached => self.reached_at_once(cloud, result),
                standing => missing.extend(self.missing(cloud, standing)),
            }
        }
        for one in &mut missing {
            let about = |unfinished: &&Unfinished<'_>| unfinished.cloud() == Some(&one.cloud);
            let mut unfinished = unfinished.iter().filter(about);
            one.is_owners = one.change != Change::Repair
                && unfinished.any(|unfinished| unfinished.is_up_to_the_owner());
        }
        let left = unfinished
            .iter()
            .filter_map(|unfinished| unfinished.cloud());
        let left: BTreeSet<_> = left
            .filter(|cloud| !wanted.clouds.contains(*cloud))
            .collect();
        missing.extend(
            left.into_iter()
                .map(|cloud| self.new_change(cloud, Change::Delete)),
        );

        // A cloud that rests was not called.
        let unfinished: Vec<_> = Unfinished::all(&result.errors, pending).collect();
        self.count_failures(&missing, &unfinished);
        let is_started = self.count_start(wanted, result);
        let waits = missing
            .iter()
            .any(|missing| missing.change == Change::Create);
        let is_unknown = |cloud: &CloudName| standing(cloud) == Standing::Unknown;
        let progress = Progress {
            spec_hash: self.service.spec_hash,
            wanted: &wanted.clouds,
            missing,
            is_started,
            is_unclear: self.service.is_edited.is_none() && wanted.clouds.iter().any(is_unknown),
        };
        self.record(progress);
        if self.asks_for_an_address() && !waits {
            spans::end_provisioning(self.service, self.context);
        }
    }

    /// The upkeep of the load balancers of an invalid Service, which nobody edited: a repair.
    /// All else waits for its owner.
    fn invalid(&self, result: &ApplyResult, pending: &BTreeSet<Waiting>) {
        let unfinished: Vec<_> = Unfinished::all(result.failures(), pending).collect();
        let is_known = |cloud: &CloudName| {
            let known = self.known.as_ref().and_then(|known| known.change(cloud));
            known == Some(Change::Repair)
        };
        let (mut missing, mut kept_up) = (Vec::new(), BTreeSet::new());
        for cloud in result.observed.clouds.keys() {
            match (upkeep(cloud, result, &unfinished), is_known(cloud)) {
                (Standing::Missing, _) | (Standing::Unknown, true) => {
                    missing.push(self.new_change(cloud, Change::Repair));
                }
                (Standing::Reached, true) => _ = kept_up.insert(cloud.clone()),
                (Standing::Reached | Standing::Unknown, false) => {}
            }
        }
        let known = self.known.as_ref();
        let progress = Progress {
            spec_hash: self.service.spec_hash,
            wanted: &kept_up,
            missing,
            is_started: known.is_some_and(|known| known.is_started),
            is_unclear: false,
        };
        self.record(progress);
    }

    /// Records an attempt, and measures the changes that were pending and that the clouds have
    /// now.
    fn record(&self, progress: Progress<'_>) {
        let changes = &self.context.memory.changes;
        for reached in changes.record(&self.service.view.uid, progress) {
            let Reached {
                cloud,
                change,
                took,
                is_late,
            } = reached;
            self.reached(&cloud, change, took, is_late);
        }
    }

    /// The deletion of the load balancers of a Service that is no longer managed.
    fn released(&self, release: Release, result: &ApplyResult) {
        let (view, memory) = (&self.service.view, &self.context.memory);
        let is_last = |action: &Action| matches!(action, Action::RemoveFinalizer { .. });
        let is_over = result.actions.iter().any(is_last);
        if is_over || !view.finalizer {
            memory.changes.forget(&view.uid);
        }
        if is_over {
            return self.count_deletion(result);
        }
        if !view.finalizer {
            return;
        }
        // What only an edit can end is not overdue.
        let is_owners =
            |waiting: &Waiting| matches!(waiting, Waiting::Invalid(_) | Waiting::CannotRetain(_));
        if result.errors.is_empty() && result.waiting.iter().any(is_owners) {
            return memory.changes.forget(&view.uid);
        }
        let mut clouds: BTreeSet<&CloudName> =
            result.unfinished().filter_map(Unfinished::cloud).collect();
        if clouds.is_empty() {
            // The API server failed.
            clouds = result.observed.clouds.keys().collect();
        }
        let progress = Progress {
            spec_hash: self.service.spec_hash,
            wanted: &BTreeSet::new(),
            missing: self.deletions(release, clouds),
            is_started: false,
            is_unclear: false,
        };
        memory.changes.record(&view.uid, progress);
    }

    fn deletions<'c>(
        &self,
        release: Release,
        clouds: impl IntoIterator<Item = &'c CloudName>,
    ) -> Vec<Missing> {
        let deleted = self.service.object.metadata.deletion_timestamp.as_ref();
        let age = match (release, deleted) {
            (Release::Deleted, Some(deleted)) => age(deleted.0),
            _ => self.age(),
        };
        let deletion = |cloud: &CloudName| Missing {
            age,
            ..self.new_change(cloud, Change::Delete)
        };
        clouds.into_iter().map(deletion).collect()
    }

    /// Whether the Service waits for its first address. A ready Service whose addresses
    /// another writer removes is not provisioned anew.
    fn is_new(&self) -> bool {
        self.service.view.published.is_empty() && !self.service.was_ready
    }

    fn asks_for_an_address(&self) -> bool {
        let waits = self.known.as_ref().map(|known| known.has(Change::Create));
        waits.unwrap_or_default() || self.is_new()
    }

    /// Whether the Service was edited since this leader last saw it; `None` if this leader
    /// sees it for the first time.
    fn is_edited(&self) -> Option<bool> {
        let known = self.known.as_ref();
        let since = known.map(|known| known.spec_hash != self.service.spec_hash);
        since.or(self.service.is_edited)
    }

    /// Whether a cloud has not had a load balancer of the Service before.
    fn is_moved_to(&self, cloud: &CloudName) -> bool {
        self.service.view.record.get(cloud).is_none()
    }

    /// What a wanted cloud lacks; `None` if nothing is known to be missing there.
    fn missing(&self, cloud: &CloudName, standing: Standing) -> Option<Missing> {
        let known = self.known.as_ref().and_then(|known| known.change(cloud));
        let known = known.filter(|change| *change != Change::Delete);
        let (is_edited, is_moved) = (self.is_edited(), self.is_moved_to(cloud));
        // The first attempt of a new leader at a Service that was not ready may be the
        // first after an edit.
        let may_be_edited = is_edited.unwrap_or(!self.service.was_ready);
        let is_unknown = standing == Standing::Unknown && !may_be_edited && !is_moved;
        let change = match (known, is_edited) {
            (Some(Change::Create), _) => Change::Create,
            (Some(change), Some(false)) => change,
            _ if self.is_new() => Change::Create,
            (None, _) if is_unknown => return None,
            (_, Some(false)) => Change::Repair,
            _ if is_moved => Change::Move,
            // The leader before left it ready: the Nodes have changed, or it was changed at
            // the cloud, more likely than that an edit fell between two leaders.
            (_, None) if self.service.was_ready => Change::Repair,
            _ => Change::Edit,
        };
        Some(self.new_change(cloud, change))
    }

    fn new_change(&self, cloud: &CloudName, change: Change) -> Missing {
        let age = match change {
            Change::Create if self.known.is_none() => self.age_of_request(),
            _ => self.age(),
        };
        Missing {
            cloud: cloud.clone(),
            change,
            age,
            is_owners: false,
        }
    }

    /// The time since this leader saw the change first; for a new leader, since the Service
    /// is not ready.
    fn age(&self) -> Duration {
        let first_seen = self.service.started.elapsed();
        let condition = self
            .condition
            .filter(|condition| condition.status != "True");
        match condition {
            Some(condition) if self.is_edited().is_none() && !self.was_held_up() => {
                let since = condition.last_transition_time.as_deref();
                let since = since.and_then(|since| since.parse().ok());
                since.map_or(first_seen, age)
            }
            _ => first_seen,
        }
    }

    /// The time since the Service requested its first address, without the time in which
    /// it was invalid or paused.
    fn age_of_request(&self) -> Duration {
        if self.was_held_up() {
            return self.service.started.elapsed();
        }
        let keys = &self.context.metadata_keys;
        let requested = managed_fields::requested_at(&self.service.object, keys);
        requested.map_or(Duration::ZERO, age)
    }

    /// Whether the Service was invalid or paused until the edit that this attempt is the first to see.
    fn was_held_up(&self) -> bool {
        let held_up = [
            ConditionReason::InvalidConfiguration,
            ConditionReason::Unsupported,
            ConditionReason::Paused,
        ];
        let held_up = held_up.map(<&str>::from);
        self.condition
            .is_some_and(|condition| held_up.contains(&condition.reason.as_str()))
    }

    /// Measures what the first attempt has brought about. What was pending is measured by
    /// its record.
    fn reached_at_once(&self, cloud: &CloudName, result: &ApplyResult) {
        if self
            .known
            .as_ref()
            .is_some_and(|known| known.change(cloud).is_some())
        {
            return;
        }
        let acts = |action: &Action| action.cloud() == Some(cloud);
        let change = match self
            .missing(cloud, Standing::Missing)
            .map(|missing| missing.change)
        {
            Some(Change::Create) => Change::Create,
            _ if !result.actions.iter().any(acts) => return,
            Some(change @ (Change::Edit | Change::Move)) if self.is_edited() == Some(true) => {
                change
            }
            _ if result.repairs.contains_key(cloud) => Change::Repair,
            _ => return,
        };
        self.reached(cloud, change, self.new_change(cloud, change).age, false);
    }

    fn reached(&self, cloud: &CloudName, change: Change, took: Duration, is_counted: bool) {
        // A user can write any name into the record, and labels are a closed set.
        if !self.context.clouds.contains_key(cloud) {
            return;
        }
        let metrics = &self.context.metrics;
        metrics.reached(cloud.as_str(), change, took);
        if change == Change::Create && took > OBJECTIVE && !is_counted {
            metrics.provisioning.late(cloud.as_str(), 1);
        }
    }

    /// Counts a Service whose first attempt this is. Another writer that removes our
    /// finalizer does not make it a second Service.
    fn count_start(&self, wanted: &Wanted, result: &ApplyResult) -> bool {
        let is_started = self.known.as_ref().is_some_and(|known| known.is_started);
        let adds = |action: &Action| matches!(action, Action::AddFinalizer { .. });
        let begins = !self.service.view.finalizer
            && result.actions.iter().any(adds)
            && self.is_new()
            && self.service.view.record.is_empty();
        if begins && !is_started {
            self.context.metrics.provisioning.started(&wanted.clouds);
        }
        is_started || begins
    }

    fn count_failures(&self, missing: &[Missing], unfinished: &[Unfinished<'_>]) {
        let waits = |cloud: &CloudName| {
            let mut creates = missing
                .iter()
                .filter(|missing| missing.change == Change::Create);
            creates.any(|missing| missing.cloud == *cloud)
        };
        let failures: BTreeSet<_> = unfinished.iter().filter_map(|one| one.terminal()).collect();
        for (cloud, reason) in failures.into_iter().filter(|(cloud, _)| waits(cloud)) {
            let metrics = &self.context.metrics.provisioning;
            metrics.failed(cloud.as_str(), reason);
        }
    }

    /// Measures the time from the deletion of a Service to that of its load balancers.
    fn count_deletion(&self, result: &ApplyResult) {
        let Some(deleted) = &self.service.object.metadata.deletion_timestamp else {
            return;
        };
        let gone = result.actions.iter().filter_map(|action| match action {
            Action::ConfirmGone { cloud, .. } | Action::Release { cloud, .. } => Some(cloud),
            _ => None,
        });
        let clouds: BTreeSet<&CloudName> = gone.chain(self.service.view.record.clouds()).collect();
        for cloud in clouds {
            self.reached(cloud, Change::Delete, age(deleted.0), false);
        }
    }
}

/// Whether a load balancer of an invalid Service has got its upkeep.
fn upkeep(cloud: &CloudName, result: &ApplyResult, unfinished: &[Unfinished<'_>]) -> Standing {
    match result.observed.clouds.get(cloud) {
        Some(CloudView::Present(_)) => {}
        None | Some(CloudView::Unreachable | CloudView::Unanswered) => return Standing::Unknown,
        Some(
            CloudView::Absent
            | CloudView::NameTaken
            | CloudView::Offered(_)
            | CloudView::NotConfigured,
        ) => return Standing::Reached,
    }
    let mut standing = Standing::Reached;
    for one in unfinished {
        match one {
            Unfinished::Failed(error) if !error.is_superseded() && one.cloud() == Some(cloud) => {
                return Standing::Missing;
            }
            Unfinished::Waiting(Waiting::NotUnderstood(at)) if at == cloud => {
                return Standing::Missing;
            }
            // It may have ended the attempt before the update.
            Unfinished::Failed(_) if one.cloud().is_none_or(|at| at == cloud) => {
                standing = Standing::Unknown;
            }
            _ => {}
        }
    }
    standing
}

fn standing(cloud: &CloudName, result: &ApplyResult, unfinished: &[Unfinished<'_>]) -> Standing {
    if let None | Some(CloudView::Unreachable) = result.observed.clouds.get(cloud) {
        return Standing::Unknown;
    }
    if result.observed.awaits(cloud) && result.observed.record.get(cloud).is_some() {
        return Standing::Unknown;
    }
    let mut is_superseded = false;
    for one in unfinished {
        match one {
            Unfinished::Failed(error) if one.cloud().is_none_or(|about| about == cloud) => {
                if !error.is_superseded() {
                    return Standing::Missing;
                }
                is_superseded = true;
            }
            Unfinished::Waiting(waiting) if waiting.cloud() == Some(cloud) => {
                return Standing::Missing;
            }
            _ => {}
        }
    }
    let publishes = result.observed.serves(cloud) && result.observed.publishes_address_of(cloud);
    match (is_superseded, publishes) {
        (true, _) => Standing::Unknown,
        (false, true) => Standing::Reached,
        (false, false) => Standing::Missing,
    }
}

/// The time since `then`; zero if another machine's clock put it in the future.
fn age(then: Timestamp) -> Duration {
    Timestamp::now()
        .duration_since(then)
        .try_into()
        .unwrap_or_default()
}
