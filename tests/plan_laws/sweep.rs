//! The sweep of `controller::orphans`, without its grace period and its limit.

use std::collections::BTreeMap;

use my_cloud_controller_manager::plan::Desired;
use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId, ServiceUid};
use my_cloud_controller_manager::plan::orphan::{Claim, Shown, service_owner, suspect};
use my_cloud_controller_manager::plan::service::ServiceView;

use crate::expected::cluster;
use crate::world::World;

impl World {
    /// Whether a Service may have load balancers of ours.
    pub fn keeps(&self, service: &ServiceView) -> bool {
        !matches!(self.desired(service), Desired::Unmanaged(_))
    }

    /// Deletes load balancers without a Service on all reachable clouds.
    ///
    /// # Errors
    /// A load balancer to be deleted has a Service.
    pub fn sweep(&mut self) -> Result<(), String> {
        let claim = |service: &ServiceView| Claim {
            is_managed: self.keeps(service),
            is_left_alone: self.desired(service) == Desired::Paused,
            has_finalizer: service.finalizer,
            record: service.record.clone(),
            ..Claim::default()
        };
        let services = self.services.values();
        let claims = services.map(|service| (service.uid.clone(), claim(service)));
        let claims: BTreeMap<ServiceUid, Claim> = claims.collect();
        let mut orphans: Vec<(CloudName, LoadBalancerId)> = Vec::new();
        for (name, cloud) in self.reachable() {
            let shown = Shown::new(name, cloud.load_balancers.values());
            for found in cloud.load_balancers.values() {
                let owner = service_owner(found, &cluster());
                let claim = owner.and_then(|owner| claims.get(&owner.uid));
                let suspicion = suspect(found, &cluster(), claim, &shown);
                if found.state == State::Deleting || suspicion.is_none() {
                    continue;
                }
                let service = self.owner_of(found).and_then(|owner| self.living(owner));
                if service.is_some_and(|service| self.keeps(service)) {
                    return Err(format!("{found:?} is taken for an orphan"));
                }
                orphans.push((name.clone(), found.id.clone()));
            }
        }
        for (cloud, id) in orphans {
            self.clouds.entry(cloud).or_default().delete(&id);
        }
        self.check()
    }
}
