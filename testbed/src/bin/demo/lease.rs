//! Who holds the Lease, as everybody can see it.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

use crate::stage::Stage;

/// Where the Lease is.
pub const NAMESPACE: &str = "kube-system";
/// Its name.
pub const NAME: &str = "my-cloud-controller-manager";

/// A holder of the Lease.
#[derive(Clone)]
pub struct Holder {
    /// Pod name, `_` and a random part.
    pub identity: String,
    /// When we saw it.
    pub seen: Instant,
}

impl Holder {
    /// Name of the pod.
    pub fn pod(&self) -> &str {
        let (pod, _random) = self
            .identity
            .rsplit_once('_')
            .unwrap_or((&self.identity, ""));
        pod
    }
}

/// Waits until somebody else than `before` holds the Lease.
///
/// # Errors
/// Nobody else did within `deadline`.
pub async fn next_holder(
    stage: &Stage,
    client: &Client,
    before: Option<&Holder>,
    deadline: Duration,
) -> Result<Holder> {
    let what = match before {
        Some(before) => format!("another holder of the Lease than {}", before.pod()),
        None => "a holder of the Lease".to_owned(),
    };
    let is_new = |lease: Option<&Lease>| {
        identity(lease).is_some_and(|now| before.is_none_or(|before| before.identity != now))
    };
    stage
        .until(&what, deadline, async || {
            let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
            let lease = await_condition(leases, NAME, is_new).await?;
            let identity = identity(lease.as_ref());
            Ok(identity.map(|identity| Holder {
                identity,
                seen: Instant::now(),
            }))
        })
        .await
}

fn identity(lease: Option<&Lease>) -> Option<String> {
    let holder = lease?.spec.as_ref()?.holder_identity.clone()?;
    // A released Lease has an empty holder.
    Some(holder).filter(|holder| !holder.is_empty())
}
