//! Carries plans out in a [`World`] as `controller::apply` does, by the plan's
//! own account of what follows from what; and lets things go wrong.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Action, Desired, Observed, Outcome, Plan};

use crate::cloud::Cloud;
use crate::expected::cloud_name;
use crate::world::World;

/// Something that goes wrong in a round.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// The action of the plan that it strikes.
    pub step: usize,
    pub how: How,
    /// A cloud (by its index) that says nothing in this round.
    pub silent: Option<usize>,
}

impl Trouble {
    pub fn silent(self) -> Option<CloudName> {
        self.silent.map(cloud_name)
    }
}

/// How an action goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It fails, and is not done.
    FailsBefore,
    /// It is done, and its answer is lost.
    FailsAfter,
    /// It is done, and then the process is gone.
    CrashAfter,
}

/// An action that was not done, or not seen to be done.
pub struct Failed;

impl World {
    /// Carries a plan out: see `controller::apply`. Gives whether every action
    /// was seen to be done.
    pub fn apply(
        &mut self,
        plan: &Plan,
        seen: &mut Observed,
        trouble: Option<Trouble>,
    ) -> Result<bool, String> {
        let mut failed = BTreeSet::new();
        for (step, action) in plan.actions.iter().enumerate() {
            let of_one_cloud = cloud_of(action);
            let held_up = match action {
                Action::RemoveFinalizer { .. } => !failed.is_empty(),
                _ => of_one_cloud.is_some_and(|cloud| failed.contains(cloud)),
            };
            if held_up {
                continue;
            }
            let how = trouble
                .filter(|trouble| trouble.step == step)
                .map(|trouble| trouble.how);
            let silent = trouble.and_then(Trouble::silent);
            let done = if how == Some(How::FailsBefore)
                || (silent.is_some() && silent.as_ref() == of_one_cloud)
            {
                Err(Failed)
            } else {
                self.is_made_before_it_breaks(action)?;
                self.perform(action, seen)
            };
            self.check()
                .map_err(|wrong| format!("{wrong} after {action:?} of {:#?}", plan.actions))?;
            match (done, how) {
                (_, Some(How::CrashAfter)) => return Ok(false),
                (Ok(outcome), None) => seen.record_outcome(action, outcome),
                (Ok(_) | Err(Failed), _) => match of_one_cloud {
                    Some(cloud) => {
                        failed.insert(cloud.clone());
                    }
                    None => return Ok(false),
                },
            }
        }
        Ok(failed.is_empty())
    }

    fn perform(&mut self, action: &Action, seen: &Observed) -> Result<Outcome, Failed> {
        if let Some(cloud) = cloud_of(action)
            && self.clouds[cloud].silent
        {
            return Err(Failed);
        }
        match action {
            Action::ConfirmLive => {}
            Action::AddFinalizer => self.live()?.finalizer = true,
            Action::Create { cloud, request } => {
                let created = self.cloud(cloud)?.create(cloud, request)?;
                return Ok(Outcome::Found(Box::new(created)));
            }
            Action::Update {
                cloud, id, request, ..
            } => {
                let found = self.cloud(cloud)?.find(id).ok_or(Failed)?;
                found.spec = request.spec.clone();
                return Ok(Outcome::Found(Box::new(found.clone())));
            }
            Action::Publish { clouds } => {
                let publication = seen.publication(clouds);
                let service = self.live()?;
                service.record = publication.record;
                service.published = publication.ingress;
            }
            Action::AwaitServing { clouds } => {
                if !seen.serves_on(clouds) {
                    return Err(Failed);
                }
            }
            Action::Delete { cloud, id } => self.cloud(cloud)?.delete(id),
            Action::ConfirmGone { cloud, id } => {
                if self.cloud(cloud)?.find(id).is_some() {
                    return Err(Failed);
                }
            }
            Action::RemoveFinalizer { clear_status } => {
                self.remove_finalizer(*clear_status)?;
            }
        }
        Ok(Outcome::Done)
    }

    fn remove_finalizer(&mut self, clear_status: bool) -> Result<(), Failed> {
        let service = self.live()?;
        service.finalizer = false;
        service.record = Default::default();
        if clear_status {
            service.published.clear();
        }
        // Ours was the last one.
        if service.deleting {
            self.service = None;
        }
        Ok(())
    }

    fn live(&mut self) -> Result<&mut ServiceView, Failed> {
        self.service.as_mut().ok_or(Failed)
    }

    fn cloud(&mut self, name: &CloudName) -> Result<&mut Cloud, Failed> {
        self.clouds.get_mut(name).ok_or(Failed)
    }

    /// What a move must hold to, whatever it believes.
    fn is_made_before_it_breaks(&self, action: &Action) -> Result<(), String> {
        let (Action::Delete { .. }, Some(Desired::Managed(wanted))) = (action, self.desired())
        else {
            return Ok(());
        };
        let serves =
            |ours: &LoadBalancer| ours.state == State::Active && !ours.addresses.is_empty();
        for name in &wanted.clouds {
            if !self.clouds[name].ours.iter().any(serves) {
                return Err(format!("{action:?} although {name} does not serve"));
            }
        }
        Ok(())
    }

    /// What must hold at every moment, whatever fails.
    fn check(&self) -> Result<(), String> {
        let guarded = self
            .service
            .as_ref()
            .is_some_and(|service| service.finalizer);
        for (name, cloud) in &self.clouds {
            if self.guarded
                && !guarded
                && !cloud.ours.is_empty()
                && self.configured.contains_key(name)
            {
                return Err(format!(
                    "{name} has a load balancer that no finalizer guards"
                ));
            }
            if cloud.ours.len() > 1 {
                return Err(format!("{name} has two load balancers"));
            }
        }
        Ok(())
    }
}

/// The one cloud that an action is about.
pub fn cloud_of(action: &Action) -> Option<&CloudName> {
    match action {
        Action::Create { cloud, .. }
        | Action::Update { cloud, .. }
        | Action::Delete { cloud, .. }
        | Action::ConfirmGone { cloud, .. } => Some(cloud),
        Action::AddFinalizer
        | Action::ConfirmLive
        | Action::Publish { .. }
        | Action::AwaitServing { .. }
        | Action::RemoveFinalizer { .. } => None,
    }
}
