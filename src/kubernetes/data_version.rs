//! Whether the data of the API server went back in time, as after a restore of etcd from a
//! backup. A watch from a version that the server has not reached shows nothing, and a state
//! of ours that counts as newer would hide what is there.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ListParams};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::KubernetesError;
use super::service_object::Service;

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
    let list = timeout(DEADLINE, services.list(&one)).await;
    let list = list.map_err(|_| KubernetesError::Timeout(DEADLINE))??;
    let version = list.metadata.resource_version.unwrap_or_default();
    version.parse().map_err(|_| {
        KubernetesError::Rejected(format!("its resourceVersion {version:?} is not a number"))
    })
}

/// Looks at the version for ever; calls `forget` and then begins the next era each time that
/// it went back. An API server that does not answer proves nothing.
pub async fn follow(
    client: Client,
    interval: Duration,
    eras: watch::Sender<u64>,
    forget: impl Fn(),
) {
    let mut known = 0;
    loop {
        if let Ok(version) = current(&client).await {
            if version < known {
                tracing::warn!(
                    known,
                    version,
                    "the data of the API server went back in time, as after a restore from a backup; all of it is read anew"
                );
                forget();
                eras.send_modify(|era| *era += 1);
            }
            known = version;
        }
        sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

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
            let (eras, era) = watch::channel(0);
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
}
