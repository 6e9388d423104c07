//! Reads a Service object into the view of the plan.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::MetadataKeys;
use super::condition;
use super::service_object::Service;
use crate::plan::annotation::{LB_CLOUD, LB_ID};
use crate::plan::naming::{ServiceKey, ServiceUid};
use crate::plan::record::Record;
use crate::plan::service::ServiceView;
use crate::plan::service_size::{self, TooLarge};

/// Reads a Service for the plan; `None` if that is impossible: a field cannot be read, or it
/// has no namespace, name or UID, which every object of an API server has. Nothing may be
/// decided about such a Service, and its load balancers stay as they are.
pub fn view(service: &Service, metadata_keys: &MetadataKeys) -> Option<ServiceView> {
    if !service.unreadable().is_empty() {
        return None;
    }
    let metadata = &service.metadata;
    let key = ServiceKey {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
    };
    let spec = &service.spec;
    let has_large_annotations = service.has_large_annotations(metadata_keys);
    let mut annotations = annotations(service, metadata_keys, has_large_annotations);
    let too_large = has_large_annotations.then_some(TooLarge::Annotations);
    let too_large = too_large.into_iter().chain(spec.too_large.iter().copied());
    let class = spec.class.as_deref();
    let ours = class.and_then(|name| Some((name, metadata_keys.class(name)?)));
    let refused = ours.map(|(name, class)| class.apply(name, &mut annotations));
    let class = spec.class.clone().filter(|_| ours.is_none());
    let record = Record::parse(
        annotations.get(LB_ID.name).map(String::as_str),
        annotations.get(LB_CLOUD.name).map(String::as_str),
    );
    let offers = metadata_keys.offers(&key.namespace);
    Some(ServiceView {
        key,
        uid: ServiceUid::new(metadata.uid.clone()?),
        deleting: metadata.deletion_timestamp.is_some(),
        is_load_balancer: spec.is_load_balancer,
        class,
        refused: refused.unwrap_or_default(),
        too_large: too_large.collect(),
        annotations,
        ports: spec.ports.clone(),
        source_ranges: spec.source_ranges.clone(),
        client_affinity_seconds: spec.client_affinity_seconds,
        ip_families: spec.ip_families,
        requires_dual_stack: spec.requires_dual_stack,
        health_check_node_port: spec.health_check_node_port,
        requested_ip: spec.requested_ip.clone(),
        defaults: metadata_keys.defaults().clone(),
        offers,
        finalizer: has_finalizer(service, metadata_keys),
        record,
        published: service.ingress.clone(),
        published_modes: service.ip_modes.clone(),
    })
}

/// Whether a user may be waiting for a Service: it has annotations or a finalizer of ours,
/// and is being deleted or not ready. Costs less than the plan that decides.
pub fn is_pending(service: &Service, metadata_keys: &MetadataKeys) -> bool {
    let has_finalizer = has_finalizer(service, metadata_keys);
    let is_requested = service.spec.is_load_balancer && service.annotations().next().is_some();
    let condition = condition::find(service, metadata_keys.condition());
    let is_ready = condition.is_some_and(|condition| condition.status == "True");
    let is_deleted = service.metadata.deletion_timestamp.is_some();
    (has_finalizer || is_requested) && (is_deleted || !is_ready)
}

fn has_finalizer(service: &Service, metadata_keys: &MetadataKeys) -> bool {
    let mut finalizers = service.finalizers().iter();
    finalizers.any(|name| name == metadata_keys.finalizer())
}

/// The annotations by the names by which the plan reads them, as [`Service::trim`] leaves them.
fn annotations(
    service: &Service,
    metadata_keys: &MetadataKeys,
    are_large: bool,
) -> BTreeMap<String, String> {
    let read = |(name, value): (&str, &str)| {
        let name = metadata_keys.read(name)?;
        let value = if are_large {
            service_size::kept_value(name, value)?
        } else {
            value
        };
        Some((name.to_owned(), value.to_owned()))
    };
    service.annotations().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::annotation::SOURCE_RANGES;
    use crate::plan::node_addresses::{IpFamilies, IpFamily};
    use serde_json::json;

    fn read(service: serde_json::Value) -> ServiceView {
        let service: Service = serde_json::from_value(service).expect("a Service");
        view(&service, &MetadataKeys::new("mycloud.com")).expect("complete")
    }

    #[test]
    fn reads_what_the_plan_needs_and_nothing_of_other_controllers() {
        let service = read(json!({
            "metadata": {"namespace": "default", "name": "web", "uid": "u", "finalizers": ["other/x", "mycloud.com/load-balancer"],
                "annotations": {"mycloud.com/provider": "cloud1", "mycloud.company/provider": "x", "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}},
            "spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP",
                "ports": [{"port": 80, "nodePort": 30080}, {"name": "dns", "protocol": "UDP", "port": 53, "nodePort": 0}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}},
        }));
        assert!(service.finalizer && service.is_load_balancer && !service.deleting);
        assert_eq!(service.annotations.len(), 3, "another prefix is not ours");
        assert_eq!(service.client_affinity_seconds, Some(10_800));
        assert_eq!(service.ports[0].protocol, "TCP", "the API's default");
        assert_eq!(service.ports[1].node_port, None, "zero is not allocated");
        assert_eq!(service.published.len(), 2);
        assert_eq!(service.ip_families, IpFamilies::default(), "IPv4");
        assert!(!service.record.is_empty());
    }

    #[test]
    fn the_families_of_the_service_and_its_policy_are_read() {
        let families = |first, is_dual| IpFamilies { first, is_dual };
        let (v4, v6) = (IpFamily::V4, IpFamily::V6);
        let cases = [
            (json!(["IPv4"]), "SingleStack", families(v4, false)),
            (json!(["IPv6"]), "SingleStack", families(v6, false)),
            (
                json!(["IPv4", "IPv6"]),
                "PreferDualStack",
                families(v4, true),
            ),
            (
                json!(["IPv6", "IPv4"]),
                "RequireDualStack",
                families(v6, true),
            ),
            (json!(["IPv4"]), "PreferDualStack", families(v4, false)),
            // As in a manifest that was not applied yet.
            (json!([]), "PreferDualStack", families(v4, false)),
            (json!([]), "RequireDualStack", families(v4, true)),
        ];
        for (families, policy, expected) in cases {
            let found = read(json!({
                "metadata": {"namespace": "default", "name": "web", "uid": "u"},
                "spec": {"type": "LoadBalancer", "ipFamilies": families, "ipFamilyPolicy": policy},
            }));
            assert_eq!(found.ip_families, expected, "{families}");
            let is_required = policy == "RequireDualStack";
            assert_eq!(found.requires_dual_stack, is_required, "{policy}");
        }
    }

    #[test]
    fn reads_the_source_ranges_of_other_controllers_also_after_trim() {
        let mut service: Service = serde_json::from_value(json!({
            "metadata": {"namespace": "default", "name": "web", "uid": "u",
                "annotations": {SOURCE_RANGES.name(): "192.0.2.0/24", "service.beta.kubernetes.io/other": "x"}},
        }))
        .expect("a Service");
        let keys = MetadataKeys::new("mycloud.com");
        for trimmed in [false, true] {
            let view = view(&service, &keys).expect("complete");
            let ranges = view
                .annotations
                .get(SOURCE_RANGES.name())
                .map(String::as_str);
            assert_eq!(ranges, Some("192.0.2.0/24"), "trimmed: {trimmed}");
            assert_eq!(view.annotations.len(), 1, "trimmed: {trimmed}");
            service.trim(&keys);
        }
    }
}
