//! The owner of a load balancer in a response.

use serde::Deserialize;

use crate::cloud::body::excerpt;
use crate::plan::naming::{ClusterId, Owner, ServiceUid, is_dns_label, is_dns_subdomain, is_plain};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerBody {
    cluster: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

impl OwnerBody {
    /// Converts an owner; `None` unless it has a cluster and a UID, because an incomplete
    /// owner proves nothing.
    ///
    /// # Errors
    /// A text that no Service has, which would be a part of the URL of a request to the
    /// API server.
    pub(super) fn into_owner(self) -> Result<Option<Owner>, String> {
        let texts = [self.cluster, self.uid, self.namespace, self.name];
        let [cluster, uid, namespace, name] = texts.map(Option::unwrap_or_default);
        if cluster.is_empty() || uid.is_empty() {
            return Ok(None);
        }
        let rules = [
            ("cluster", is_plain(&cluster), &cluster),
            ("uid", is_plain(&uid), &uid),
            (
                "namespace",
                namespace.is_empty() || is_dns_label(&namespace),
                &namespace,
            ),
            ("name", name.is_empty() || is_dns_subdomain(&name), &name),
        ];
        for (field, is_valid, text) in rules {
            if !is_valid {
                let text = excerpt(text.as_bytes());
                return Err(format!("the {field} \"{text}\" of the owner is invalid"));
            }
        }
        Ok(Some(Owner {
            cluster: ClusterId::new(cluster),
            namespace,
            name,
            uid: ServiceUid::new(uid),
        }))
    }
}
