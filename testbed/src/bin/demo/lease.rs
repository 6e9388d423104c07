//! The holder of the Lease, as kube-apiserver shows it.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client};

use crate::stage::Stage;

/// Where the Lease is.
pub const NAMESPACE: &str = "kube-system";
pub const NAME: &str = "my-cloud-controller-manager";

/// A holder of the Lease.
#[derive(Clone)]
pub struct Holder {
    /// Pod name, `_` and a random part.
    pub identity: String,
    /// When it took the Lease, by its own clock, which is the clock of this machine.
    pub since: Timestamp,
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

/// Waits until another replica than `before` holds the Lease.
///
/// # Errors
/// No other replica did within `deadline`.
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
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    stage
        .until(&what, deadline, async || {
            let lease = leases.get_opt(NAME).await.context("getting the Lease")?;
            Ok(holder(lease.as_ref())
                .filter(|now| before.is_none_or(|before| before.identity != now.identity)))
        })
        .await
}

fn holder(lease: Option<&Lease>) -> Option<Holder> {
    let spec = lease?.spec.as_ref()?;
    Some(Holder {
        // A released Lease has an empty holder.
        identity: spec
            .holder_identity
            .clone()
            .filter(|holder| !holder.is_empty())?,
        since: spec.acquire_time.as_ref()?.0,
    })
}
