//! The newest Lease that this process has observed, and when it did so by its own
//! clock: `observedRecord` and `observedTime` of client-go.
//!
//! The clocks of other machines are never compared with ours: a holder counts as
//! alive by the time since *this process* observed its last renewal.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lease_object::LeaseObject;

/// The annotation of the Lease with the offset of terms, a whole number. It is there after
/// etcd was restored from a backup: see [`ObservedLease::offset`].
pub(super) const TERM_OFFSET: &str = "my-cloud-controller-manager/term-offset";

/// The source of an observation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The response to a request.
    Response {
        /// Just before the request was sent.
        sent: Instant,
    },
    /// An event of the watch, which can be old.
    Watch,
}

/// The newest Lease that was observed.
#[derive(Clone, Debug)]
pub(super) struct ObservedRecord {
    version: Option<u64>,
    spec: LeaseSpec,
    /// When this spec was observed for the first time. That is later than the write
    /// itself, so a standby waits longer than necessary, never shorter.
    since: Instant,
    updated: Instant,
    /// True if the Lease was deleted since; `spec` still has its last holder.
    deleted: bool,
    /// The offset that the annotation of the Lease has.
    recorded_offset: u64,
    /// The offset that follows from everything that was observed.
    offset: u64,
}

/// The newest record, shared by the requests, the watch and the elector.
#[derive(Debug)]
pub(super) struct ObservedLease {
    records: watch::Sender<ObservedRecord>,
    /// The duration of a Lease that does not specify one.
    lease_duration: Duration,
}

/// The `resourceVersion` as a number, which Kubernetes guarantees since 1.35 and
/// which etcd has always provided.
pub(super) fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

/// The offset of terms in the annotation of the Lease; 0 if it has none.
fn term_offset(lease: &LeaseObject) -> u64 {
    let annotations = lease.metadata.annotations.as_ref();
    let offset = annotations.and_then(|annotations| annotations.get(TERM_OFFSET));
    offset
        .and_then(|offset| offset.parse().ok())
        .unwrap_or_default()
}

/// The holder of the Lease; `None` if it has none.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

impl ObservedRecord {
    /// The last observed holder; `None` if the Lease has none.
    pub(super) fn holder(&self) -> Option<&str> {
        holder(&self.spec)
    }

    /// Whether the Lease was deleted since.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }
}

impl ObservedLease {
    pub(super) fn new(lease_duration: Duration) -> Self {
        let now = Instant::now();
        let records = watch::Sender::new(ObservedRecord {
            version: None,
            spec: LeaseSpec::default(),
            since: now,
            updated: now,
            deleted: false,
            recorded_offset: 0,
            offset: 0,
        });
        Self {
            records,
            lease_duration,
        }
    }

    /// Subscribes to the newest record.
    pub(super) fn subscribe(&self) -> watch::Receiver<ObservedRecord> {
        self.records.subscribe()
    }

    /// Records a Lease, unless it is older than the newest record.
    pub(super) fn record(&self, version: u64, lease: &LeaseObject, source: Source) {
        let now = Instant::now();
        let spec = lease.spec.clone();
        let recorded_offset = term_offset(lease);
        self.records.send_if_modified(|record| {
            let (is_newer, restored) = compare(record, version, source);
            if is_newer {
                if restored {
                    // No term so far was greater than the known version and its offset.
                    let known = record.version.unwrap_or_default();
                    record.offset = record.offset.saturating_add(known);
                }
                record.recorded_offset = recorded_offset;
                record.offset = record.offset.max(recorded_offset);
                // An edit of the metadata alone does not prove that the holder is alive. A
                // field that cannot be read may be what a renewal has changed.
                let is_renewed = record.spec != spec || lease.is_odd();
                if restored || record.version.is_none() || is_renewed {
                    record.since = now;
                }
                record.version = Some(version);
                record.spec = spec;
                record.updated = now;
            }
            std::mem::take(&mut record.deleted) || is_newer
        });
    }

    /// Records that the Lease does not exist.
    pub(super) fn record_deletion(&self) {
        self.records
            .send_if_modified(|record| !std::mem::replace(&mut record.deleted, true));
    }

    /// What to add to a `resourceVersion` of the Lease for a term that is greater than all
    /// terms before: 0, unless the data of the API server went back in time.
    pub(super) fn offset(&self) -> u64 {
        self.records.borrow().offset
    }

    /// Whether the Lease lacks the offset that this process knows.
    pub(super) fn lacks_offset(&self) -> bool {
        let record = self.records.borrow();
        record.version.is_some() && record.recorded_offset < record.offset
    }

    /// When a standby may take the Lease of the observed holder; `None` if the Lease
    /// has no holder.
    pub(super) fn expiry(&self, record: &ObservedRecord) -> Option<Instant> {
        record.holder()?;
        Some(record.since + self.duration_of(&record.spec))
    }

    /// Whether this process may take this Lease now. It may not take a Lease other than
    /// the newest record, because the age of that Lease is unknown.
    pub(super) fn may_be_taken(&self, version: u64, lease: &LeaseObject) -> bool {
        let record = self.records.borrow();
        match holder(&lease.spec) {
            None => true,
            Some(_) => {
                record.version == Some(version)
                    && self
                        .expiry(&record)
                        .is_none_or(|expiry| Instant::now() >= expiry)
            }
        }
    }

    /// Another holder than `other_than` whose Lease has not expired, by the newest record.
    pub(super) fn living_holder(&self, other_than: &str) -> Option<String> {
        let record = self.records.borrow();
        let holder = record.holder().filter(|holder| *holder != other_than)?;
        let alive = Instant::now() < self.expiry(&record)?;
        alive.then(|| holder.to_owned())
    }

    fn duration_of(&self, spec: &LeaseSpec) -> Duration {
        spec.lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.lease_duration, Duration::from_secs)
    }
}

/// Whether the version is newer than the record, and whether the data of the API
/// server went back in time.
fn compare(record: &ObservedRecord, version: u64, source: Source) -> (bool, bool) {
    let Some(known) = record.version else {
        return (true, false);
    };
    match source {
        _ if version >= known => (version > known, false),
        // A response overtook this watch event.
        Source::Watch => (false, false),
        // If the request was sent after the record was updated, etcd was restored from a
        // backup. Otherwise the watch overtook the response.
        Source::Response { sent } => (sent > record.updated, sent > record.updated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::tests::lease_of;

    const SECOND: Duration = Duration::from_secs(1);

    fn observed_lease() -> ObservedLease {
        ObservedLease::new(15 * SECOND)
    }

    fn response() -> Source {
        Source::Response {
            sent: Instant::now(),
        }
    }

    fn observed_holder(observed_lease: &ObservedLease) -> Option<String> {
        observed_lease
            .subscribe()
            .borrow()
            .holder()
            .map(str::to_owned)
    }

    #[tokio::test(start_paused = true)]
    async fn expires_by_our_clock_from_when_we_observed_it() {
        let (observed_lease, lease) = (observed_lease(), lease_of("other", 15));
        observed_lease.record(5, &lease, response());
        tokio::time::advance(14 * SECOND).await;
        observed_lease.record(5, &lease, response());
        assert!(
            !observed_lease.may_be_taken(5, &lease),
            "seen again, but not renewed, and only 14 s old"
        );
        assert_eq!(observed_lease.living_holder("us").as_deref(), Some("other"));
        tokio::time::advance(SECOND).await;
        assert!(observed_lease.may_be_taken(5, &lease));
        assert_eq!(observed_lease.living_holder("us"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_of_metadata_is_no_sign_of_life() {
        let (observed_lease, lease) = (observed_lease(), lease_of("other", 15));
        observed_lease.record(5, &lease, response());
        tokio::time::advance(14 * SECOND).await;
        observed_lease.record(6, &lease, Source::Watch);
        tokio::time::advance(SECOND).await;
        assert!(observed_lease.may_be_taken(6, &lease));
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_renews_with_a_time_that_cannot_be_read_is_alive() {
        let observed_lease = observed_lease();
        let mut lease = serde_json::to_value(lease_of("other", 15).spec).expect("JSON");
        lease["renewTime"] = "10000-01-01T00:00:00.000000Z".into();
        let lease = serde_json::json!({ "spec": lease });
        let lease: LeaseObject = serde_json::from_value(lease).expect("anything is read");
        for version in 5..10 {
            observed_lease.record(version, &lease, response());
            tokio::time::advance(14 * SECOND).await;
            assert!(!observed_lease.may_be_taken(version, &lease), "{version}");
        }
        tokio::time::advance(SECOND).await;
        assert!(observed_lease.may_be_taken(9, &lease), "it has died");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_watch_event_changes_nothing() {
        let observed_lease = observed_lease();
        observed_lease.record(9, &lease_of("us", 15), response());
        observed_lease.record(8, &lease_of("other", 15), Source::Watch);
        assert_eq!(observed_holder(&observed_lease).as_deref(), Some("us"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_the_watch_overtook_changes_nothing() {
        let observed_lease = observed_lease();
        let sent = Instant::now();
        tokio::time::advance(SECOND).await;
        observed_lease.record(9, &lease_of("other", 15), Source::Watch);
        observed_lease.record(8, &lease_of("us", 15), Source::Response { sent });
        assert_eq!(observed_holder(&observed_lease).as_deref(), Some("other"));
        assert!(
            !observed_lease.may_be_taken(8, &lease_of("us", 15)),
            "its age is unknown"
        );
        tokio::time::advance(20 * SECOND).await;
        assert!(
            !observed_lease.may_be_taken(8, &lease_of("us", 15)),
            "still unknown"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restore_the_responses_count() {
        let observed_lease = observed_lease();
        observed_lease.record(900, &lease_of("other", 15), response());
        tokio::time::advance(20 * SECOND).await;
        observed_lease.record(8, &lease_of("other", 15), response());
        assert!(
            !observed_lease.may_be_taken(8, &lease_of("other", 15)),
            "seen just now"
        );
        tokio::time::advance(15 * SECOND).await;
        assert!(
            observed_lease.may_be_taken(8, &lease_of("other", 15)),
            "now it ran out"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restore_terms_go_on_from_the_highest_version_before() {
        let observed_lease = observed_lease();
        observed_lease.record(900, &lease_of("other", 15), response());
        assert_eq!(
            (observed_lease.offset(), observed_lease.lacks_offset()),
            (0, false)
        );
        observed_lease.record(8, &lease_of("other", 15), Source::Watch);
        assert_eq!(observed_lease.offset(), 0, "an old event");
        tokio::time::advance(SECOND).await;
        observed_lease.record(8, &lease_of("other", 15), response());
        assert_eq!(
            (observed_lease.offset(), observed_lease.lacks_offset()),
            (900, true)
        );
        let mut annotated = lease_of("other", 15);
        let annotation = (TERM_OFFSET.to_owned(), "900".to_owned());
        annotated.metadata.annotations = Some([annotation].into());
        observed_lease.record(9, &annotated, response());
        assert_eq!(
            (observed_lease.offset(), observed_lease.lacks_offset()),
            (900, false)
        );
        tokio::time::advance(SECOND).await;
        observed_lease.record(7, &lease_of("other", 15), response());
        assert_eq!(
            observed_lease.offset(),
            909,
            "and once more, to before the annotation"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_names_no_duration_gets_ours() {
        let observed_lease = observed_lease();
        let mut lease = lease_of("other", 1);
        lease.spec.lease_duration_seconds = None;
        observed_lease.record(5, &lease, response());
        tokio::time::advance(14 * SECOND).await;
        assert!(!observed_lease.may_be_taken(5, &lease));
    }
}
