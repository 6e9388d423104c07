//! Whether the data of the API server went back in time, as after a restore of etcd from a
//! backup. A watch from a version that the server has not reached shows nothing, and a state
//! of ours that counts as newer would hide what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::sync::watch;
use tokio::time::sleep;

use super::service_object::Service;
use super::{KubernetesError, within};

/// Time limit for one request.
const DEADLINE: Duration = Duration::from_secs(10);

/// The current version of the data: the `resourceVersion` of a list, which grows with each
/// write to any object.
///
/// # Errors
/// The API server failed, did not answer in time, or has a version that is no number.
pub async fn current(client: &Client) -> Result<u64, KubernetesError> {
    let services = Api::<Service>::all(client.clone());
    let one = ListParams::default().limit(1);
    let list = within(DEADLINE, services.list(&one)).await?;
    let version = list.metadata.resource_version.unwrap_or_default();
    version.parse().map_err(|_| {
        KubernetesError::Rejected(format!("its resourceVersion {version:?} is not a number"))
    })
}

/// The eras of the data: one ends when its version goes back. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Eras {
    current: watch::Sender<u64>,
    /// The highest version of a Service in this era.
    seen: Arc<AtomicU64>,
}

impl Eras {
    /// Tells of each next era.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.current.subscribe()
    }

    /// Notes a Service of the watch, which is of the kind that the looks list. Between two
    /// looks, restored data may pass the version of the first one; a watch from the version
    /// of this object would show nothing then.
    pub fn note(&self, object: &ObjectMeta) {
        let version = object.resource_version.as_deref();
        if let Some(version) = version.and_then(|version| version.parse().ok()) {
            self.seen.fetch_max(version, Ordering::Relaxed);
        }
    }

    /// Ends the current era. The next one begins with this version.
    pub fn begin_next(&self, version: u64) {
        self.seen.store(version, Ordering::Relaxed);
        self.current.send_modify(|era| *era += 1);
    }
}

/// Looks at the version for ever; calls `forget` and then begins the next era each time that
/// it went back. An API server that does not answer proves nothing.
pub async fn follow(client: Client, interval: Duration, eras: Eras, forget: impl Fn()) {
    let mut looked = 0;
    loop {
        // Before the request: a watch may be ahead of its answer.
        let known = eras.seen.load(Ordering::Relaxed).max(looked);
        if let Ok(version) = current(&client).await {
            if version < known {
                tracing::warn!(
                    known,
                    version,
                    "the data of the API server went back in time, as after a restore from a backup; all of it is read anew"
                );
                forget();
                eras.begin_next(version);
            }
            looked = version;
        }
        sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// An API server with these versions, one after another; zero: it fails.
    fn with_versions(versions: &'static [u64]) -> Client {
        let next = Arc::new(AtomicUsize::new(0));
        let service = tower::service_fn(move |_: Request<Body>| {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let version = versions[index.min(versions.len() - 1)];
            let list = json!({"metadata": {"resourceVersion": version.to_string()}, "items": []});
            let answer = Response::builder().status(if version == 0 { 503 } else { 200 });
            let answer = answer.body(Body::from(list.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(answer.expect("an answer")) }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn an_era_ends_when_the_version_goes_back_and_never_else() {
        let cases: [(&'static [u64], u64, &str); 5] = [
            (&[10, 10, 12], 0, "it stays or grows"),
            (&[10, 8, 9], 1, "it went back once"),
            (&[10, 0, 8], 1, "it went back while nobody answered"),
            (&[10, 0, 11], 0, "nobody answered for a while"),
            (&[10, 8, 7], 2, "it went back twice"),
        ];
        for (versions, expected, why) in cases {
            let eras = Eras::default();
            let era = eras.subscribe();
            let forgotten = AtomicUsize::new(0);
            let forget = || {
                forgotten.fetch_add(1, Ordering::SeqCst);
            };
            let follow = follow(with_versions(versions), SECOND, eras, forget);
            assert!(timeout(5 * SECOND, follow).await.is_err(), "for ever");
            assert_eq!(*era.borrow(), expected, "{why}");
            assert_eq!(forgotten.into_inner() as u64, expected, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_watch_has_seen_since_the_last_look_counts_too() {
        let cases = [(12, 0, "the look sees it too"), (13, 1, "it went back")];
        for (seen, expected, why) in cases {
            let eras = Eras::default();
            let follow = follow(with_versions(&[10, 12]), SECOND, eras.clone(), || {});
            let watch = async {
                sleep(SECOND / 2).await;
                eras.note(&ObjectMeta {
                    resource_version: Some(format!("{seen}")),
                    ..ObjectMeta::default()
                });
                std::future::pending::<()>().await;
            };
            let both = futures::future::join(follow, watch);
            assert!(timeout(5 * SECOND, both).await.is_err(), "for ever");
            assert_eq!(*eras.subscribe().borrow(), expected, "{why}");
        }
    }
}
