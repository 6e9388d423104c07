//! What this process has seen of the Lease, and when by its own clock.
//!
//! Other machines' clocks are never compared with ours: whether a holder is
//! alive is judged by how long ago *we* saw its last renewal, as client-go does.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::sync::watch;
use tokio::time::Instant;

/// Where a Lease came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The answer to a request sent at that instant.
    Answer {
        /// Just before it was sent.
        sent: Instant,
    },
    /// An event of the watch, which may be old.
    Watch,
}

/// The newest Lease seen.
#[derive(Clone, Debug)]
pub(super) struct ObservedRecord {
    version: Option<u64>,
    spec: LeaseSpec,
    /// When the spec was first seen as it is. Later than the write itself, so a
    /// standby waits longer than it must, never shorter.
    since: Instant,
    updated: Instant,
    /// Deleted since; the rest tells who held it.
    gone: bool,
}

/// The newest view, shared by the requests, the watch and the elector.
#[derive(Debug)]
pub(super) struct ObservedLease {
    views: watch::Sender<ObservedRecord>,
    /// For a holder that did not say how long its Lease lasts.
    lease_duration: Duration,
}

/// The `resourceVersion` as a number, which Kubernetes promises since 1.35 and
/// etcd has always given.
pub(super) fn version(lease: &Lease) -> Option<u64> {
    lease.metadata.resource_version.as_ref()?.parse().ok()
}

/// Who holds it; `None` if nobody.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

impl ObservedRecord {
    /// Who holds the Lease as far as was seen, `None` if nobody.
    pub(super) fn holder(&self) -> Option<&str> {
        holder(&self.spec)
    }

    /// The Lease was deleted since.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }
}

impl ObservedLease {
    pub(super) fn new(lease_duration: Duration) -> Self {
        let now = Instant::now();
        let views = watch::Sender::new(ObservedRecord {
            version: None,
            spec: LeaseSpec::default(),
            since: now,
            updated: now,
            gone: false,
        });
        Self {
            views,
            lease_duration,
        }
    }

    /// Follows the newest view.
    pub(super) fn subscribe(&self) -> watch::Receiver<ObservedRecord> {
        self.views.subscribe()
    }

    /// Notes a Lease. What is older than what is known already is left out.
    pub(super) fn note(&self, version: u64, lease: &Lease, source: Source) {
        let now = Instant::now();
        let spec = lease.spec.clone().unwrap_or_default();
        self.views.send_if_modified(|view| {
            let (news, restored) = compare(view, version, source);
            if news {
                // An edit of metadata only is no sign of life of the holder.
                if restored || view.version.is_none() || view.spec != spec {
                    view.since = now;
                }
                view.version = Some(version);
                view.spec = spec;
                view.updated = now;
            }
            std::mem::take(&mut view.gone) || news
        });
    }

    /// Notes that there is no Lease.
    pub(super) fn note_gone(&self) {
        self.views
            .send_if_modified(|view| !std::mem::replace(&mut view.gone, true));
    }

    /// When a standby may take the Lease of the holder seen; `None` if nobody
    /// holds it.
    pub(super) fn expiry(&self, view: &ObservedRecord) -> Option<Instant> {
        view.holder()?;
        Some(view.since + self.duration_of(&view.spec))
    }

    /// Whether this very Lease may be taken now. One that is not the newest
    /// seen may not: how old it is is unknown.
    pub(super) fn may_be_taken(&self, version: u64, lease: &Lease) -> bool {
        let view = self.views.borrow();
        match lease.spec.as_ref().and_then(holder) {
            None => true,
            Some(_) => {
                view.version == Some(version)
                    && self
                        .expiry(&view)
                        .is_none_or(|expiry| Instant::now() >= expiry)
            }
        }
    }

    /// Another holder whose Lease has not run out as far as was seen.
    pub(super) fn living_holder(&self, other_than: &str) -> Option<String> {
        let view = self.views.borrow();
        let holder = view.holder().filter(|holder| *holder != other_than)?;
        let alive = Instant::now() < self.expiry(&view)?;
        alive.then(|| holder.to_owned())
    }

    fn duration_of(&self, spec: &LeaseSpec) -> Duration {
        spec.lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.lease_duration, Duration::from_secs)
    }
}

/// Whether it is news, and whether the API server's data went back in time.
fn compare(view: &ObservedRecord, version: u64, source: Source) -> (bool, bool) {
    let Some(known) = view.version else {
        return (true, false);
    };
    match source {
        _ if version >= known => (version > known, false),
        // A watch event that was overtaken by an answer.
        Source::Watch => (false, false),
        // Sent after we knew better, and still older: etcd was restored from a
        // backup. Otherwise the watch overtook the answer.
        Source::Answer { sent } => (sent > view.updated, sent > view.updated),
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

    fn answer() -> Source {
        Source::Answer {
            sent: Instant::now(),
        }
    }

    fn seen_holder(observed_lease: &ObservedLease) -> Option<String> {
        observed_lease
            .subscribe()
            .borrow()
            .holder()
            .map(str::to_owned)
    }

    #[tokio::test(start_paused = true)]
    async fn expires_by_our_clock_from_when_we_saw_it() {
        let (observed_lease, lease) = (observed_lease(), lease_of("other", 15));
        observed_lease.note(5, &lease, answer());
        tokio::time::advance(14 * SECOND).await;
        observed_lease.note(5, &lease, answer());
        assert!(
            !observed_lease.may_be_taken(5, &lease),
            "seen again is not renewed, but 14 s"
        );
        assert_eq!(observed_lease.living_holder("us").as_deref(), Some("other"));
        tokio::time::advance(SECOND).await;
        assert!(observed_lease.may_be_taken(5, &lease));
        assert_eq!(observed_lease.living_holder("us"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_of_metadata_is_no_sign_of_life() {
        let (observed_lease, lease) = (observed_lease(), lease_of("other", 15));
        observed_lease.note(5, &lease, answer());
        tokio::time::advance(14 * SECOND).await;
        observed_lease.note(6, &lease, Source::Watch);
        tokio::time::advance(SECOND).await;
        assert!(observed_lease.may_be_taken(6, &lease));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_watch_event_changes_nothing() {
        let observed_lease = observed_lease();
        observed_lease.note(9, &lease_of("us", 15), answer());
        observed_lease.note(8, &lease_of("other", 15), Source::Watch);
        assert_eq!(seen_holder(&observed_lease).as_deref(), Some("us"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_watch_overtook_changes_nothing() {
        let observed_lease = observed_lease();
        let sent = Instant::now();
        tokio::time::advance(SECOND).await;
        observed_lease.note(9, &lease_of("other", 15), Source::Watch);
        observed_lease.note(8, &lease_of("us", 15), Source::Answer { sent });
        assert_eq!(seen_holder(&observed_lease).as_deref(), Some("other"));
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
    async fn after_a_restore_the_answers_are_believed() {
        let observed_lease = observed_lease();
        observed_lease.note(900, &lease_of("other", 15), answer());
        tokio::time::advance(20 * SECOND).await;
        observed_lease.note(8, &lease_of("other", 15), answer());
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
    async fn a_holder_that_names_no_duration_gets_ours() {
        let observed_lease = observed_lease();
        let mut lease = lease_of("other", 1);
        lease.spec.as_mut().expect("a spec").lease_duration_seconds = None;
        observed_lease.note(5, &lease, answer());
        tokio::time::advance(14 * SECOND).await;
        assert!(!observed_lease.may_be_taken(5, &lease));
    }
}
