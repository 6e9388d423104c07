//! Invariants of a [`World`]: what must hold at every moment, whatever fails.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::record::Ingress;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Action, Desired};

use crate::expected::{addresses_of, cluster, is_of};
use crate::world::World;

impl World {
    /// What must hold when an action is performed.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn check_action(&self, action: &Action, service: &ServiceView) -> Result<(), String> {
        self.is_made_before_it_breaks(action, service)?;
        self.is_withdrawn_before_it_goes(action, service)?;
        self.is_about_its_own(action, service)
    }

    fn is_made_before_it_breaks(
        &self,
        action: &Action,
        service: &ServiceView,
    ) -> Result<(), String> {
        let (Action::Delete { .. }, Desired::Managed(wanted)) = (action, self.desired(service))
        else {
            return Ok(());
        };
        let serves =
            |ours: &LoadBalancer| ours.state == State::Active && !ours.addresses.is_empty();
        for name in &wanted.clouds {
            if !self.clouds[name].of(&wanted.owner).any(serves) {
                return Err(format!("{action:?} although {name} does not serve"));
            }
        }
        Ok(())
    }

    /// Clients stop to use an address before its load balancer is deleted.
    fn is_withdrawn_before_it_goes(
        &self,
        action: &Action,
        service: &ServiceView,
    ) -> Result<(), String> {
        let (Action::Delete { cloud, id }, Desired::Managed(wanted)) =
            (action, self.desired(service))
        else {
            return Ok(());
        };
        let stays = |entry: &Ingress| {
            let kept = wanted.clouds.iter();
            let mut kept = kept.flat_map(|name| self.clouds[name].of(&wanted.owner));
            kept.any(|other| addresses_of(other).contains(entry))
        };
        let goes = self.clouds[cloud].load_balancers.get(id);
        for entry in goes.into_iter().flat_map(addresses_of) {
            if service.published.contains(&entry) && !stays(&entry) {
                return Err(format!("{action:?} although {entry} is published"));
            }
        }
        Ok(())
    }

    /// An action for a Service is never about a load balancer of another one.
    fn is_about_its_own(&self, action: &Action, service: &ServiceView) -> Result<(), String> {
        let owner = service.owner(&cluster());
        let (cloud, id) = match action {
            Action::Create { request, .. } if request.owner == owner => return Ok(()),
            Action::Create { .. } => return Err(format!("{action:?} for {owner:?}")),
            Action::Update { cloud, id, .. }
            | Action::Delete { cloud, id }
            | Action::Release { cloud, id, .. }
            | Action::ConfirmGone { cloud, id } => (cloud, id),
            _ => return Ok(()),
        };
        match self.clouds[cloud].load_balancers.get(id) {
            Some(found) if !is_of(found, &owner) => {
                Err(format!("{action:?} for {owner:?} is about {found:?}"))
            }
            _ => Ok(()),
        }
    }

    /// What must hold at every moment.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn check(&self) -> Result<(), String> {
        for (name, cloud) in &self.clouds {
            let mut owners = BTreeSet::new();
            for found in cloud.load_balancers.values() {
                let Some(owner) = self.owner_of(found) else {
                    continue;
                };
                if !owners.insert(owner) {
                    return Err(format!("{name} has two load balancers of {owner:?}"));
                }
                let is_guarded = self.living(owner).is_some_and(|service| service.finalizer)
                    || self.torn.contains(&owner.uid)
                    || !self.configured.contains_key(name);
                if !is_guarded {
                    return Err(format!("{name} has {found:?}, which no finalizer guards"));
                }
            }
            for theirs in &cloud.theirs {
                let found = cloud.load_balancers.get(&theirs.id);
                if found != Some(theirs) {
                    return Err(format!("{theirs:?}, which is not ours, became {found:?}"));
                }
            }
        }
        Ok(())
    }
}
