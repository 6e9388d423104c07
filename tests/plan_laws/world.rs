//! A world that plans change: Services and clouds, seen as
//! `controller::observe` sees them.

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
use crate::executor::Trouble;
use crate::expected::{cluster, is_of};

/// Services and clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub services: BTreeMap<ServiceKey, ServiceView>,
    pub clouds: BTreeMap<CloudName, Cloud>,
    pub configured: Clouds,
    pub backends: Backends,
    /// Whose finalizer a user tore off: until it is on again it guards nothing.
    pub torn: BTreeSet<ServiceUid>,
    /// All Services that ever were, by what their load balancers are called.
    pub owners: BTreeMap<LoadBalancerName, Owner>,
    /// The manifest that a user kept of each Service that was deleted.
    pub saved: BTreeMap<ServiceKey, ServiceView>,
}

/// What a round for one Service came to.
pub struct Round {
    pub plan: Plan,
    /// The executor's account, if every action was seen to be done.
    pub account: Option<Observed>,
    /// The clouds that were full.
    pub refused: BTreeSet<CloudName>,
}

/// What the last round of each Service came to.
pub type End = BTreeMap<ServiceKey, Round>;

impl World {
    /// A Service comes into it.
    pub fn add(&mut self, service: ServiceView) {
        let owner = service.owner(&cluster());
        self.owners.insert(owner.load_balancer_name(), owner);
        self.services.insert(service.key.clone(), service);
    }

    /// The clouds that are configured and answer.
    pub fn answering(&self) -> impl Iterator<Item = (&CloudName, &Cloud)> {
        let clouds = self.clouds.iter();
        clouds.filter(|(name, cloud)| self.configured.contains_key(*name) && !cloud.silent)
    }

    /// Whether "there are no Nodes" may be believed, if that is what is seen.
    pub fn is_sure_of_nodes(&self) -> bool {
        self.backends.none_confirmed || !self.backends.addresses.is_empty()
    }

    pub fn desired(&self, service: &ServiceView) -> Desired {
        desired(service, &cluster(), &self.configured)
    }

    /// The Service that a load balancer was made for, if it was one of ours.
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
    /// What must never be was, at some moment: says what.
    pub fn round(&mut self, key: &ServiceKey, trouble: Option<Trouble>) -> Result<Round, String> {
        let silent = trouble.and_then(Trouble::silent);
        let Some((service, desired, mut seen)) = self.observe(key, silent.as_ref()) else {
            return Ok(Round {
                plan: Plan::default(),
                account: None,
                refused: BTreeSet::new(),
            });
        };
        let plan = plan(&desired, &seen);
        let done = self.apply(service, &plan, &mut seen, trouble)?;
        Ok(Round {
            plan,
            account: done.all.then_some(seen),
            refused: done.refused,
        })
    }

    /// What the controller would see for one Service: see `controller::observe`.
    /// `None` once the Service is gone.
    pub fn observe(
        &self,
        key: &ServiceKey,
        silent: Option<&CloudName>,
    ) -> Option<(ServiceView, Desired, Observed)> {
        let service = self.services.get(key)?.clone();
        let desired = self.desired(&service);
        let mut observed = Observed::of_service(&service, self.backends.clone());
        if matches!(desired, Desired::Unmanaged(_) | Desired::Invalid(_)) {
            return Some((service, desired, observed));
        }
        let owner = service.owner(&cluster());
        let mut asked = clouds_to_query(&service, &desired, &self.configured);
        let in_inventory = |cloud: &&CloudName| {
            let known = self.clouds[*cloud].named(&owner.load_balancer_name());
            known.is_some()
        };
        asked.extend(self.configured.keys().filter(in_inventory).cloned());
        for name in asked {
            let answers = silent != Some(&name) && !self.clouds[&name].silent;
            let view = self.view(&service, &name, answers);
            observed.clouds.insert(name, view);
        }
        Some((service, desired, observed))
    }

    fn view(&self, service: &ServiceView, name: &CloudName, answers: bool) -> CloudView {
        if !self.configured.contains_key(name) {
            return CloudView::NotConfigured;
        }
        let recorded = service.record.get(name);
        if !service.finalizer && recorded.is_none() {
            return CloudView::Absent;
        }
        if !answers {
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

    /// What was under way at the clouds is done.
    pub fn time_goes_by(&mut self) {
        self.clouds.values_mut().for_each(Cloud::time_goes_by);
    }
}
