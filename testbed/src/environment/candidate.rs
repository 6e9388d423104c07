//! Replicas that stand for election, each test's on a Lease of its own.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Environment;
use crate::replica::LeaseTiming;
use crate::{ReplicaOptions, repository_path};

/// Short, so that a crash is over soon.
pub const QUICK_LEASE: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry_period: Duration::from_millis(500),
};

impl Environment {
    /// Lets replicas use a Lease in this test's namespace, by the rules that
    /// `deploy/rbac.yaml` has for the one in kube-system.
    ///
    /// # Errors
    /// The rules are not there, or kube-apiserver refused them.
    pub async fn allow_election(&self) -> Result<()> {
        let rules = std::fs::read_to_string(repository_path("deploy/rbac.yaml"))
            .context("deploy/rbac.yaml")?;
        let of_the_lease = rules
            .split("\n---\n")
            .filter(|rule| rule.contains("name: my-cloud-controller-manager-lease"))
            // Theirs, not that of the account that they are for.
            .map(|rule| {
                let theirs = format!("\n  namespace: {}\n", self.namespace);
                rule.replace("\n  namespace: kube-system\n", &theirs)
            });
        let here: Vec<String> = of_the_lease.collect();
        self.control_plane.apply(&here.join("\n---\n")).await?;
        Ok(())
    }

    /// A replica that stands for election, in this test's namespace.
    pub fn candidate(&self, name: &str) -> ReplicaOptions {
        let mut options = self.replica_options(name);
        options.lease = QUICK_LEASE;
        options.lease_namespace.clone_from(&self.namespace);
        options
    }
}
