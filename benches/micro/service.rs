//! A Service of a user, as the plan reads it.

use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::annotation::{ALGORITHM, ENABLE, LB_BANDWIDTH, PROVIDER};
use my_cloud_controller_manager::plan::naming::{CloudName, ClusterId, ServiceKey, ServiceUid};
use my_cloud_controller_manager::plan::record::Record;
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};
use my_cloud_controller_manager::plan::{Clouds, Desired, desired};

/// The configured clouds.
pub fn clouds() -> Clouds {
    ["cloud1", "cloud2"]
        .map(|name| (CloudName::new(name), Capabilities::standard()))
        .into()
}

/// A valid Service with two ports.
pub fn service() -> ServiceView {
    let annotations = [
        (ENABLE.name(), "true"),
        (PROVIDER.name(), "cloud1"),
        (LB_BANDWIDTH.name(), "10M"),
        (ALGORITHM.name(), "least-connections"),
    ];
    let port = |name: &str, port| PortView {
        name: name.into(),
        protocol: "TCP".into(),
        port,
        node_port: Some(30_000 + port),
        app_protocol: None,
    };
    ServiceView {
        key: ServiceKey {
            namespace: "default".into(),
            name: "web-00001".into(),
        },
        uid: ServiceUid::new("01234567-89ab-cdef-0123-456789abcdef"),
        deleting: false,
        is_load_balancer: true,
        class: None,
        refused: Vec::new(),
        too_large: Vec::new(),
        annotations: annotations
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ports: vec![port("http", 80), port("https", 443)],
        source_ranges: Vec::new(),
        client_affinity_seconds: None,
        ip_families: Default::default(),
        requires_dual_stack: false,
        health_check_node_port: None,
        requested_ip: None,
        defaults: Default::default(),
        offers: Default::default(),
        finalizer: true,
        record: Record::default(),
        published: Vec::new(),
        published_modes: Default::default(),
    }
}

/// The desired state of a Service.
pub fn desired_of(service: &ServiceView, clouds: &Clouds) -> Desired {
    desired(service, &ClusterId::new("cluster"), clouds)
}
