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

use super::sight::{Sight, Source, version};
use super::trouble::{Failure, Trouble, TroubleLog, from_client};

/// Tells `sight` of each change; pauses after each error.
pub(super) async fn follow(
    leases: Api<Lease>,
    name: &str,
    sight: Arc<Sight>,
    pause: Duration,
) -> Infallible {
    let mut log = TroubleLog::new(format!("the watch on the Lease {name}"));
    let mut events = pin!(watch_object(leases, name));
    loop {
        match events.next().await {
            Some(Ok(Some(lease))) => {
                log.works();
                if let Some(version) = version(&lease) {
                    sight.note(version, &lease, Source::Watch);
                }
            }
            Some(Ok(None)) => {
                log.works();
                sight.note_gone();
            }
            Some(Err(error)) => {
                if let Some(trouble) = trouble(error) {
                    log.failed(&trouble);
                }
                tokio::time::sleep(pause).await;
            }
            // A watcher goes on for ever; if it did not, the tries would do.
            None => std::future::pending().await,
        }
    }
}

/// `None` for what happens every few minutes: a watch that is too old, or ended.
fn trouble(error: watcher::Error) -> Option<Trouble> {
    use watcher::Error;
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) => {
            match from_client(error) {
                Failure::Trouble(trouble) => Some(trouble),
                Failure::Conflict | Failure::Absent | Failure::HeldBy(_) => None,
            }
        }
        Error::WatchError(_) | Error::WatchFailed(_) => None,
        error @ Error::NoResourceVersion => Some(Trouble::Nonsense(error.to_string())),
    }
}
