//! The ranges of the cluster's own Services, as the API server shows them (`ServiceCIDR`,
//! from Kubernetes 1.33). No cloud may claim an address of them.

use std::time::Duration;

use ipnet::IpNet;
use kube::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::reads;
use crate::cloud::ClusterRanges;
use crate::election::Role;
use crate::error_chain::with_causes;

/// A range is added by an administrator, seldom. Besides, each new leader reads them.
const INTERVAL: Duration = Duration::from_secs(600);
/// Time limit for one read. The start waits for the first one.
const DEADLINE: Duration = Duration::from_secs(5);
/// A cluster has one or two; more than these are not read.
const URL: &str = "/apis/networking.k8s.io/v1/servicecidrs?limit=100";

/// Reads the ranges, and keeps those known before if that fails.
pub struct ServiceCidrs {
    client: Client,
    ranges: ClusterRanges,
    has_said: bool,
}

impl ServiceCidrs {
    pub fn new(client: Client, ranges: ClusterRanges) -> Self {
        Self {
            client,
            ranges,
            has_said: false,
        }
    }

    /// Reads them once.
    pub async fn read(&mut self) {
        let error = match reads::get(&self.client, URL, DEADLINE).await {
            Ok(list) => return self.ranges.set(ranges(&list)),
            Err(error) => with_causes(&error),
        };
        if !std::mem::replace(&mut self.has_said, true) {
            tracing::warn!(
                error,
                "the ServiceCIDRs of the cluster cannot be read (Kubernetes before 1.33, or deploy/rbac.yaml is older than this program); set serviceCidrs, so that no cloud may claim an address of the cluster's own Services"
            );
        }
    }

    /// Reads them at times, and when this replica begins to lead, for ever.
    pub async fn follow(mut self, mut roles: watch::Receiver<Role>) {
        loop {
            tokio::select! {
                () = sleep(INTERVAL) => {}
                changed = roles.changed() => if changed.is_err() {
                    // The process is about to end.
                    return std::future::pending().await;
                }
            }
            self.read().await;
        }
    }
}

/// The ranges of a list. One that cannot be read is none.
fn ranges(list: &Value) -> Vec<IpNet> {
    let items = list["items"].as_array().into_iter().flatten();
    let texts = items.filter_map(|item| item["spec"]["cidrs"].as_array());
    let texts = texts.flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_ranges_known_before_stay_when_a_read_fails() {
        let two = json!({"items": [
            {"spec": {"cidrs": ["10.96.0.0/12", "fd00:10:96::/112", 7, "no range"]}},
            {"spec": {}}, {"spec": {"cidrs": ["10.200.0.0/16"]}},
        ]});
        let read = AtomicUsize::new(0);
        let answers = [(403, json!({})), (200, two), (404, json!({}))];
        let server = tower::service_fn(move |_: Request<Body>| {
            let (code, body) = &answers[read.fetch_add(1, Ordering::SeqCst)];
            let body = Body::from(body.to_string().into_bytes());
            let answer = Response::builder().status(*code).body(body);
            async move { Ok::<_, Infallible>(answer.expect("an answer")) }
        });
        let shared = ClusterRanges::default();
        let mut cidrs = ServiceCidrs::new(Client::new(server, "default"), shared.clone());
        for expected in [0, 3, 3] {
            cidrs.read().await;
            assert_eq!(shared.get().len(), expected);
        }
    }
}
