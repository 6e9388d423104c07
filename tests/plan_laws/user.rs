//! The edits of users in a [`World`].

use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::plan::naming::{CloudName, ServiceKey};
use my_cloud_controller_manager::plan::record::{Ingress, Record};
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};

use crate::expected::cloud_name;
use crate::scene::Kind;
use crate::story::{Edit, Ports, Spec, key, uid};
use crate::world::World;

impl World {
    /// A user makes an edit, if it is possible.
    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Apply(slot, spec) => self.apply_spec(&key(slot), spec),
            Edit::Restore(slot) => self.restore(&key(slot)),
            Edit::Delete(slot) => {
                if let Some(service) = self.services.get_mut(&key(slot)) {
                    self.saved.insert(key(slot), service.clone());
                    service.deleting = true;
                }
                self.remove_if_released(&key(slot));
            }
            Edit::TearOff(slot) => self.tear_off(&key(slot)),
            Edit::Copy(slot, from) => self.copy(&key(slot), &key(from)),
            Edit::Claim(slot) => self.claim(&key(slot)),
        }
    }

    /// Removes a deleted Service that has no finalizer.
    pub fn remove_if_released(&mut self, key: &ServiceKey) {
        let goes = |service: &ServiceView| service.deleting && !service.finalizer;
        if self.services.get(key).is_some_and(goes) {
            self.services.remove(key);
        }
    }

    fn apply_spec(&mut self, key: &ServiceKey, spec: Spec) {
        if let Some(service) = self.services.get_mut(key) {
            spec.write(service);
            return;
        }
        let mut service = ServiceView {
            key: key.clone(),
            uid: uid(key, self.births(key) + 1),
            deleting: false,
            is_load_balancer: true,
            class: None,
            refused: Vec::new(),
            too_large: Vec::new(),
            annotations: Default::default(),
            ports: Vec::new(),
            source_ranges: Vec::new(),
            client_affinity_seconds: None,
            ip_families: Default::default(),
            requires_dual_stack: false,
            health_check_node_port: None,
            requested_ip: None,
            defaults: Default::default(),
            offers: Default::default(),
            finalizer: false,
            record: Record::default(),
            published: Vec::new(),
            published_modes: Default::default(),
        };
        spec.write(&mut service);
        self.add(service);
    }

    fn restore(&mut self, key: &ServiceKey) {
        if self.services.contains_key(key) {
            return;
        }
        if let Some(saved) = self.saved.get(key) {
            let uid = uid(key, self.births(key) + 1);
            let service = ServiceView {
                uid,
                deleting: false,
                ..saved.clone()
            };
            self.add(service);
        }
    }

    fn births(&self, key: &ServiceKey) -> usize {
        let of_this = self.owners.values();
        let of_this =
            of_this.filter(|owner| owner.namespace == key.namespace && owner.name == key.name);
        of_this.count()
    }

    fn tear_off(&mut self, key: &ServiceKey) {
        if let Some(service) = self.services.get_mut(key)
            && service.finalizer
        {
            service.finalizer = false;
            self.torn.insert(service.uid.clone());
        }
        self.remove_if_released(key);
    }

    fn copy(&mut self, key: &ServiceKey, from: &ServiceKey) {
        let Some(other) = self.services.get(from).cloned() else {
            return;
        };
        if let Some(service) = self.services.get_mut(key) {
            service.record = other.record;
            service.published = other.published;
            service.published_modes = other.published_modes;
        }
    }

    fn claim(&mut self, key: &ServiceKey) {
        let theirs: Vec<(CloudName, LoadBalancer)> = self
            .clouds
            .iter()
            .filter_map(|(name, cloud)| Some((name.clone(), cloud.theirs.first()?.clone())))
            .collect();
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let ids = theirs
            .iter()
            .map(|(cloud, theirs)| (cloud.clone(), theirs.id.clone()));
        service.record = ids.collect();
        let addresses = theirs.iter().flat_map(|(_, theirs)| &theirs.addresses.ips);
        service.published = addresses.copied().map(Ingress::Ip).collect();
    }
}

impl Spec {
    fn write(self, service: &mut ServiceView) {
        let named = (0..3).filter(|index| self.clouds[*index]);
        let named: Vec<String> = named.map(|index| cloud_name(index).to_string()).collect();
        service.is_load_balancer = self.kind != Kind::ClusterIp;
        service.class = (self.kind == Kind::OtherClass).then(|| "other".into());
        service.annotations = [
            ("enable", (self.kind != Kind::NotEnabled).to_string()),
            ("provider", named.join(",")),
            ("lb-bandwidth", self.bandwidth.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        service.ports = self.ports.view();
    }
}

impl Ports {
    fn view(self) -> Vec<PortView> {
        let mut ports = Vec::new();
        for index in 0..self.count {
            let port = |name: String, protocol: &str| PortView {
                name,
                protocol: protocol.into(),
                port: self.first + index,
                node_port: Some(30000 + index),
                app_protocol: None,
            };
            if index % 2 == 1 {
                ports.push(port(format!("udp-{index}"), "UDP"));
            }
            ports.push(port(format!("tcp-{index}"), "TCP"));
        }
        ports
    }
}
