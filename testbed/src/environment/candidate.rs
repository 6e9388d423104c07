//! Replicas that stand for election, each test's on a Lease of its own.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Environment;
use super::marks::{ACCOUNT_NAME, ACCOUNT_NAMESPACE};
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

    /// The options with an account of the replica's own, under the rules of
    /// `deploy/rbac.yaml`, so that the audit log tells the replicas apart.
    ///
    /// # Errors
    /// kube-apiserver refused the account, or a subject of the bindings.
    pub async fn with_own_account(&self, mut options: ReplicaOptions) -> Result<ReplicaOptions> {
        let account = format!("{ACCOUNT_NAME}-{}", options.name);
        let object: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": account}}))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), ACCOUNT_NAMESPACE);
        accounts.create(&PostParams::default(), &object).await?;
        let subject = json!({
            "kind": "ServiceAccount", "name": account, "namespace": ACCOUNT_NAMESPACE,
        });
        let addition: Value = json!([{"op": "add", "path": "/subjects/-", "value": subject}]);
        let (patch, parameters) = (
            Patch::Json::<()>(serde_json::from_value(addition)?),
            PatchParams::default(),
        );
        let everywhere: Api<ClusterRoleBinding> = Api::all(self.client());
        let of_the_lease: Api<RoleBinding> = Api::namespaced(self.client(), ACCOUNT_NAMESPACE);
        let name = |what: &str| format!("{ACCOUNT_NAME}-{what}");
        everywhere
            .patch(&name("binding"), &parameters, &patch)
            .await?;
        of_the_lease
            .patch(&name("lease"), &parameters, &patch)
            .await?;
        let kubeconfig = self
            .control_plane
            .service_account_kubeconfig(ACCOUNT_NAMESPACE, &account);
        options.kubeconfig = kubeconfig.await?;
        Ok(options)
    }
}
