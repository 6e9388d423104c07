//! Only a replica that sees Services and Nodes stands for election: one that
//! is blind would hold the Lease for ever and do nothing.

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

/// As deploy/rbac.yaml, but without the right to Nodes.
const BLIND: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: blind, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: blind}
rules:
- {apiGroups: [""], resources: [services], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [namespaces], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: blind}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: blind}
subjects: [{kind: ServiceAccount, name: blind, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: blind-lease, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: my-cloud-controller-manager-lease}
subjects: [{kind: ServiceAccount, name: blind, namespace: kube-system}]
"#;

#[tokio::test]
async fn a_blind_replica_leaves_the_lease_to_one_that_sees() -> Result<()> {
    let test = Environment::own("warm").await?;
    test.control_plane.apply(BLIND).await?;
    let account = test
        .control_plane
        .service_account_kubeconfig("kube-system", "blind");
    let mut options = test.replica_options("blind");
    options.kubeconfig = account.await?;
    let blind = Replica::launch(options)?;
    // It has had its chance: everything that it may see, it has seen.
    eventually("the blind replica to list the Services", SOON, async || {
        let listed = blind.metrics().await?;
        let series = "mycloud_lb_healthcheck{name=\"services-synced\",type=\"readyz\"}";
        Ok((listed.get(series) == Some(&1.0)).then_some(()))
    })
    .await?;

    let _sees = Replica::start(test.replica_options("sees")).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let leads = blind.metrics().await?;
    let series = "leader_election_master_status{name=\"my-cloud-controller-manager\"}";
    ensure!(leads.get(series) == Some(&0.0), "{:?}", leads.get(series));
    Ok(())
}
