//! Watches the one Lease, so that a release, a takeover or an edit is seen
//! within milliseconds rather than at the next try.
//!
//! It only adds speed: whatever it misses, the next try reads.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::runtime::watcher::{self, watch_object};

use super::lease_error::{LeaseError, LeaseErrorLog};
use super::observed_lease::{ObservedLease, Source, version};

/// Tells `observed_lease` of each change; pauses after each error.
pub(super) async fn follow(
    leases: Api<Lease>,
    name: &str,
    observed_lease: Arc<ObservedLease>,
    pause: Duration,
) -> Infallible {
    let mut log = LeaseErrorLog::new(format!("the watch on the Lease {name}"));
    let mut events = pin!(watch_object(leases, name));
    loop {
        match events.next().await {
            Some(Ok(Some(lease))) => {
                log.works();
                if let Some(version) = version(&lease) {
                    observed_lease.note(version, &lease, Source::Watch);
                }
            }
            Some(Ok(None)) => {
                log.works();
                observed_lease.note_gone();
            }
            Some(Err(error)) => {
                if let Some(error) = lease_error(error) {
                    log.failed(&error);
                }
                tokio::time::sleep(pause).await;
            }
            // A watcher goes on for ever; if it did not, the tries would do.
            None => std::future::pending().await,
        }
    }
}

/// `None` for what happens every few minutes: a watch that is too old, or ended.
fn lease_error(error: watcher::Error) -> Option<LeaseError> {
    use watcher::Error;
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) => {
            Some(LeaseError::from(error)).filter(|error| !error.is_contention())
        }
        Error::WatchError(_) | Error::WatchFailed(_) => None,
        error @ Error::NoResourceVersion => Some(LeaseError::Unreadable(error.to_string())),
    }
}
