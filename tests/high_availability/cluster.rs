//! Replicas that stand for election, and what is known of it from outside.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use testbed::environment::SOON;
use testbed::nodes::NewNode;
use testbed::replica::LeaseTiming;
use testbed::{Environment, ReplicaOptions, Replicas, eventually};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

const LEASE_NAME: &str = "my-cloud-controller-manager";

/// So long that no leader loses its Lease to a busy machine alone: these tests
/// count terms.
pub const LEASE: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(10),
    renew_deadline: Duration::from_secs(8),
    retry_period: Duration::from_millis(500),
};

/// Each test starts a control plane and up to three replicas: more than so many
/// at a time would be the busy machine.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A test's control plane and clouds, while it is its turn.
pub struct Cluster {
    environment: Environment,
    _turn: SemaphorePermit<'static>,
}

impl Deref for Cluster {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        &self.environment
    }
}

/// A control plane of its own with one Node, when it is its turn.
pub async fn environment(test: &str) -> Result<Cluster> {
    let turn = TURNS.acquire().await?;
    let environment = Environment::own(test).await?;
    let address: IpAddr = [127, 10, 0, 1].into();
    NewNode::new("node", address)
        .create(&environment.client())
        .await?;
    Ok(Cluster {
        environment,
        _turn: turn,
    })
}

/// A candidate with our timing.
pub fn candidate(test: &Environment, name: &str) -> ReplicaOptions {
    let mut options = test.replica_options(name);
    options.lease = LEASE;
    options
}

/// Three replicas, each ready, and each with an account of its own.
pub async fn three(test: &Environment) -> Result<Replicas> {
    let mut replicas = Vec::new();
    for name in ["a", "b", "c"] {
        let candidate = candidate(test, name);
        replicas.push(test.with_own_account(candidate).await?);
    }
    Replicas::start(replicas).await
}

/// Checks by the audit log that so many replicas wrote Services, each only while no
/// other did.
pub fn ensure_one_writer_at_a_time(test: &Environment, replicas: usize) -> Result<()> {
    let writers = test.writers()?;
    let different: BTreeSet<_> = writers.iter().collect();
    ensure!(
        writers.len() == replicas && different.len() == replicas,
        "one after the other: {writers:?}"
    );
    Ok(())
}

/// Waits until the Lease was renewed, by whoever holds it, after an instant.
pub async fn renewed_after(test: &Environment, instant: Timestamp) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(test.client(), "kube-system");
    let what = format!("a renewal of the Lease after {instant}");
    eventually(&what, SOON, async || {
        let spec = leases.get(LEASE_NAME).await?.spec.context("a spec")?;
        let renewed = spec.renew_time.context("a renewal")?.0;
        Ok((renewed > instant).then_some(()))
    })
    .await
}

/// Who held the Lease, in order, each once; empty: nobody.
pub struct Holders {
    seen: Arc<Mutex<Vec<String>>>,
    watch: AbortHandle,
}

impl Holders {
    /// From now on.
    pub async fn follow(test: &Environment) -> Result<Self> {
        let leases: Api<Lease> = Api::namespaced(test.client(), "kube-system");
        let one = watcher::Config::default().fields(&format!("metadata.name={LEASE_NAME}"));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let writer = seen.clone();
        let watch = tokio::spawn(async move {
            let mut leases = watcher(leases, one).touched_objects().boxed();
            while let Some(lease) = leases.next().await {
                // A watch that fails begins again and says nothing of the holder.
                let Ok(lease) = lease else { continue };
                let spec = lease.spec.unwrap_or_default();
                let holder = spec.holder_identity.unwrap_or_default();
                let mut seen = writer.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.last() != Some(&holder) {
                    seen.push(holder);
                }
            }
        });
        let holders = Self {
            seen,
            watch: watch.abort_handle(),
        };
        eventually("the first holder", SOON, async || {
            Ok((!holders.so_far().is_empty()).then_some(()))
        })
        .await?;
        Ok(holders)
    }

    /// Up to now.
    pub fn so_far(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Waits until somebody else than the first one holds it.
    pub async fn next(&self) -> Result<Vec<String>> {
        eventually("another holder of the Lease", SOON, async || {
            let seen = self.so_far();
            let is_new = |holder: &&String| !holder.is_empty() && **holder != seen[0];
            Ok(seen.iter().any(|holder| is_new(&holder)).then_some(seen))
        })
        .await
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
