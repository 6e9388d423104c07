//! A world that plans change: Services and clouds, observed as by
//! `controller::observe`.

use std::collections::{BTreeMap, BTreeSet};

use my_cloud_controller_manager::plan::load_balancer::LoadBalancer;
use my_cloud_controller_manager::plan::naming::{
    CloudName, LoadBalancerName, Owner, ServiceKey, ServiceUid,
};
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Backends, CloudView, Clouds, Desired, Observed, Plan, clouds_to_query, desired, plan,
};

use crate::cloud::Cloud;
use crate::expected::{cluster, is_of};
use crate::fault::Fault;

/// Services and clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub services: BTreeMap<ServiceKey, ServiceView>,
    pub clouds: BTreeMap<CloudName, Cloud>,
    pub configured: Clouds,
    pub backends: Backends,
    /// Services whose finalizer a user removed by force: until it is added again,
    /// it guards nothing.
    pub torn: BTreeSet<ServiceUid>,
    /// All Services that ever existed, by the names of their load balancers.
    pub owners: BTreeMap<LoadBalancerName, Owner>,
    /// The manifest that a user kept of each Service that was deleted.
    pub saved: BTreeMap<ServiceKey, ServiceView>,
}

/// The result of a round for one Service.
pub struct Round {
    pub plan: Plan,
    /// The state of the world as the execution has it, if every action succeeded.
    pub observed: Option<Observed>,
    /// The clouds that were full.
    pub refused: BTreeSet<CloudName>,
}

/// The result of the last round of each Service.
pub type End = BTreeMap<ServiceKey, Round>;

impl World {
    /// Adds a Service.
    pub fn add(&mut self, service: ServiceView) {
        let owner = service.owner(&cluster());
        self.owners.insert(owner.load_balancer_name(), owner);
        self.services.insert(service.key.clone(), service);
    }

    /// The clouds that are configured and reachable.
    pub fn reachable(&self) -> impl Iterator<Item = (&CloudName, &Cloud)> {
        let clouds = self.clouds.iter();
        clouds.filter(|(name, cloud)| self.configured.contains_key(*name) && !cloud.unreachable)
    }

    /// Whether the list of Nodes may be trusted, even if it is empty.
    pub fn is_sure_of_nodes(&self) -> bool {
        self.backends.none_confirmed || !self.backends.addresses.is_empty()
    }

    pub fn desired(&self, service: &ServiceView) -> Desired {
        desired(service, &cluster(), &self.configured)
    }

    /// The Service that a load balancer was created for, if it was one of ours.
    pub fn owner_of(&self, found: &LoadBalancer) -> Option<&Owner> {
        let owner = self.owners.get(&found.name);
        owner.filter(|owner| is_of(found, owner))
    }

    /// The living Service of this owner.
    pub fn living(&self, owner: &Owner) -> Option<&ServiceView> {
        let mut services = self.services.values();
        services.find(|service| service.uid == owner.uid)
    }

    /// Observes, plans and applies for one Service.
    ///
    /// # Errors
    /// The invariant that did not hold at some moment.
    pub fn round(&mut self, key: &ServiceKey, fault: Option<Fault>) -> Result<Round, String> {
        let unreachable = fault.and_then(Fault::unreachable);
        let Some((service, desired, observed)) = self.observe(key, unreachable.as_ref()) else {
            return Ok(Round {
                plan: Plan::default(),
                observed: None,
                refused: BTreeSet::new(),
            });
        };
        let plan = plan(&desired, &observed);
        let applied = self.apply(service, &plan, observed, fault)?;
        Ok(Round {
            plan,
            observed: applied.observed,
            refused: applied.refused,
        })
    }

    /// What the controller would observe for one Service: see
    /// `controller::observe`. `None` once the Service is gone.
    pub fn observe(
        &self,
        key: &ServiceKey,
        unreachable: Option<&CloudName>,
    ) -> Option<(ServiceView, Desired, Observed)> {
        let service = self.services.get(key)?.clone();
        let desired = self.desired(&service);
        let mut observed = Observed::of_service(&service, self.backends.clone());
        if matches!(desired, Desired::Unmanaged(_)) {
            return Some((service, desired, observed));
        }
        let owner = service.owner(&cluster());
        let mut to_query = clouds_to_query(&service, &desired, &self.configured);
        let in_inventory = |cloud: &&CloudName| {
            let named = self.clouds[*cloud].named(&owner.load_balancer_name());
            named.is_some()
        };
        to_query.extend(self.configured.keys().filter(in_inventory).cloned());
        for name in to_query {
            let is_reachable = unreachable != Some(&name) && !self.clouds[&name].unreachable;
            let view = self.view(&service, &name, is_reachable);
            observed.clouds.insert(name, view);
        }
        Some((service, desired, observed))
    }

    fn view(&self, service: &ServiceView, name: &CloudName, is_reachable: bool) -> CloudView {
        if !self.configured.contains_key(name) {
            return CloudView::NotConfigured;
        }
        let recorded = service.record.get(name);
        if !service.finalizer && !service.record.has(name) {
            return CloudView::Absent;
        }
        if !is_reachable {
            return CloudView::Unreachable;
        }
        let cloud = &self.clouds[name];
        let owner = service.owner(&cluster());
        let present = |found: &LoadBalancer| CloudView::Present(Box::new(found.clone()));
        if let Some(named) = cloud.named(&owner.load_balancer_name()) {
            return if named.belongs_to(&owner) {
                present(named)
            } else {
                CloudView::NameTaken
            };
        }
        recorded
            .and_then(|id| cloud.load_balancers.get(id))
            .filter(|found| found.belongs_to(&owner))
            .map_or(CloudView::Absent, present)
    }

    /// The clouds finish what they have begun.
    pub fn time_goes_by(&mut self) {
        self.clouds.values_mut().for_each(Cloud::time_goes_by);
    }
}
