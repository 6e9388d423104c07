//! Watches the Lease, so that a release, a takeover or an edit is observed within
//! milliseconds rather than at the next attempt.
//!
//! The watch only adds speed: the next attempt reads every change that it misses.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{self, watch_object};

use super::lease_error::{LeaseError, LeaseErrorLog};
use super::lease_object::LeaseObject;
use super::observed_lease::{ObservedLease, Source, version};

/// Records each change in `observed_lease`; pauses after each error.
pub(super) async fn follow(
    leases: Api<LeaseObject>,
    name: &str,
    observed_lease: Arc<ObservedLease>,
    pause: Duration,
) -> Infallible {
    let mut log = LeaseErrorLog::new(format!("the watch on the Lease {name}"));
    let mut events = pin!(watch_object(leases, name));
    loop {
        match events.next().await {
            Some(Ok(Some(lease))) => {
                log.succeeded();
                if let Some(version) = version(&lease.metadata) {
                    observed_lease.record(version, &lease, Source::Watch);
                }
            }
            Some(Ok(None)) => {
                log.succeeded();
                observed_lease.record_deletion();
            }
            Some(Err(error)) => {
                if let Some(error) = lease_error(error) {
                    log.failed(&error);
                }
                tokio::time::sleep(pause).await;
            }
            // A watcher never ends; if it did, the attempts would suffice.
            None => std::future::pending().await,
        }
    }
}

/// Converts an error of the watch; `None` for the usual end of a watch, which happens
/// every few minutes.
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
