//! A replica that may not see Nodes.

use anyhow::Result;

use super::Environment;
use crate::ReplicaOptions;

/// As deploy/rbac.yaml, but without the right to Nodes.
const RIGHTS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: sees-no-nodes, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sees-no-nodes}
rules:
- {apiGroups: [""], resources: [services], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [namespaces], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: sees-no-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sees-no-nodes}
subjects: [{kind: ServiceAccount, name: sees-no-nodes, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: sees-no-nodes-lease, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: my-cloud-controller-manager-lease}
subjects: [{kind: ServiceAccount, name: sees-no-nodes, namespace: kube-system}]
"#;

impl Environment {
    /// A replica that may do all that others may, but not see Nodes.
    ///
    /// # Errors
    /// kube-apiserver refused its rights.
    pub async fn blind(&self, name: &str) -> Result<ReplicaOptions> {
        self.control_plane.apply(RIGHTS).await?;
        let account = self
            .control_plane
            .service_account_kubeconfig("kube-system", "sees-no-nodes");
        let mut options = self.replica_options(name);
        options.kubeconfig = account.await?;
        Ok(options)
    }
}
