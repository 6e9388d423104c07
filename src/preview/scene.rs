//! A Service, two clouds and a Node for the tests of previews.

mod shows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::survey::{Remembered, Survey};
use super::{Origin, Planned, Preview, Report};
use crate::cloud::Cloud;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::node::{AddressRule, NodeAddressType};
use crate::kubernetes::node_object::Node;
use crate::kubernetes::node_watch::{NodeSettings, first_look};
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId, Owner, ServiceUid};
use crate::plan::node_hold::HoldSettings;
use crate::plan::{Capabilities, KnownClouds};

pub use shows::Shows;

/// The default configuration.
const NODES: NodeSettings = NodeSettings {
    rule: AddressRule {
        kind: NodeAddressType::Internal,
        allow_loopback: false,
    },
    hold: HoldSettings {
        no_nodes_grace_period: Duration::from_secs(300),
        empty_without_addresses: false,
    },
};

pub struct Scene {
    pub service: Value,
    pub origin: Origin,
    pub nodes: Vec<&'static str>,
    pub cloud1: Shows,
    pub cloud2: Shows,
}

impl Scene {
    /// An enabled Service on cloud1 that nobody has reconciled, and a Node.
    pub fn fresh() -> Self {
        let service = json!({
            "metadata": {"namespace": "default", "name": "web", "uid": "u", "annotations": {
                "mycloud.com/enable": "true", "mycloud.com/provider": "cloud1"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
        });
        Self {
            service,
            origin: Origin::Cluster,
            nodes: vec!["10.0.0.1"],
            cloud1: Shows::Nothing,
            cloud2: Shows::Nothing,
        }
    }

    /// The same after its reconcile.
    pub fn in_sync() -> Self {
        let mut scene = Self::fresh();
        scene.service["metadata"]["finalizers"] = json!(["mycloud.com/load-balancer"]);
        scene.annotate("lb-id", "lb-1");
        scene.annotate("lb-cloud", "cloud1");
        scene.service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        scene.cloud1 = Shows::Found(load_balancer().into());
        scene
    }

    /// Sets an annotation of ours.
    pub fn annotate(&mut self, name: &str, value: &str) {
        self.service["metadata"]["annotations"][format!("mycloud.com/{name}")] = json!(value);
    }

    /// What is known of the cluster and of the clouds.
    pub fn survey(&self) -> Survey {
        let clouds = [("cloud1", &self.cloud1), ("cloud2", &self.cloud2)];
        let name = |(name, shows): (&str, &Shows)| -> (CloudName, Arc<dyn Cloud>) {
            (CloudName::new(name), Arc::new(shows.clone()))
        };
        let capabilities = clouds.map(|(name, _)| (CloudName::new(name), Capabilities::standard()));
        let nodes = self.nodes.iter().map(|address| {
            let addresses = json!([{"type": "InternalIP", "address": address}]);
            let node = json!({"metadata": {"name": address}, "status": {"addresses": addresses}});
            serde_json::from_value::<Node>(node).expect("a Node")
        });
        Survey::new(
            ClusterId::new("cluster"),
            MetadataKeys::new("mycloud.com"),
            KnownClouds {
                clouds: BTreeMap::from(capabilities),
                untold: BTreeSet::new(),
            },
            clouds.map(name),
            first_look(Vec::from_iter(nodes), NODES),
        )
    }

    pub async fn preview(&self) -> Preview {
        self.preview_by(&self.survey()).await
    }

    pub async fn preview_by(&self, survey: &Survey) -> Preview {
        let service = serde_json::from_value(self.service.clone()).expect("a Service");
        let remembered = Remembered::default();
        survey.preview(&service, self.origin, remembered).await
    }

    pub async fn planned(&self) -> Planned {
        match self.preview().await {
            Preview::Planned(planned) => *planned,
            unreadable @ Preview::Unreadable { .. } => panic!("{unreadable:?}"),
        }
    }

    pub async fn report(&self) -> Report {
        Report {
            cluster: ClusterId::new("cluster"),
            replica: None,
            previews: vec![self.preview().await],
        }
    }
}

/// The load balancer of the Service, as requested.
pub fn load_balancer() -> LoadBalancer {
    let owner = Owner {
        cluster: ClusterId::new("cluster"),
        namespace: "default".into(),
        name: "web".into(),
        uid: ServiceUid::new("u"),
    };
    let mut found = LoadBalancer::plain("lb-1", owner.load_balancer_name(), Some(owner));
    let listener = json!([{"name": "", "protocol": "TCP", "port": 80, "node_port": 30080}]);
    found.spec.listeners = serde_json::from_value(listener).expect("a listener");
    found.spec.nodes = ["10.0.0.1".parse().expect("an address")].into();
    found.addresses.ips = vec!["192.0.2.1".parse().expect("an address")];
    found
}
