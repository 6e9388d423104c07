//! Carries plans out in a [`World`] as `controller::apply` does, by the plan's
//! own account of what follows from what; and lets things go wrong.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId};
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{Action, Desired, Observed, Outcome, Plan};

use crate::cloud::Cloud;
use crate::expected::{cloud_name, cluster, is_of};
use crate::story::Act;
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
    /// A user does something right before it.
    Meanwhile(Act),
}

/// Why an action was not done, or not seen to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    NotDone,
    /// The cloud has no room.
    Full,
    /// The Service is not what the plan was made from.
    Changed,
    /// There is no such Service any more.
    Gone,
}

/// What carrying out a plan came to.
#[derive(Default)]
pub struct Done {
    /// Whether every action was seen to be done.
    pub all: bool,
    /// The clouds that were full.
    pub refused: BTreeSet<CloudName>,
}

/// One plan being carried out.
struct Run {
    /// The Service as we last saw it: what every write starts from.
    known: ServiceView,
    /// What was created and is not on record yet.
    created: Vec<(CloudName, LoadBalancerId)>,
    failed: BTreeSet<CloudName>,
    refused: BTreeSet<CloudName>,
}

impl Run {
    fn is_held_up(&self, action: &Action) -> bool {
        match action {
            Action::RemoveFinalizer { .. } => !self.failed.is_empty(),
            _ => cloud_of(action).is_some_and(|cloud| self.failed.contains(cloud)),
        }
    }

    fn end(self, all: bool) -> Done {
        let refused = self.refused;
        Done { all, refused }
    }
}

impl World {
    /// Carries a plan out: see `controller::apply`.
    ///
    /// # Errors
    /// What must never be was, at some moment: says what.
    pub fn apply(
        &mut self,
        service: ServiceView,
        plan: &Plan,
        seen: &mut Observed,
        trouble: Option<Trouble>,
    ) -> Result<Done, String> {
        let mut run = Run {
            known: service,
            created: Vec::new(),
            failed: BTreeSet::new(),
            refused: BTreeSet::new(),
        };
        let silent = trouble.and_then(Trouble::silent);
        for (step, action) in plan.actions.iter().enumerate() {
            if run.is_held_up(action) {
                continue;
            }
            let struck = trouble.filter(|trouble| trouble.step == step);
            let how = struck.map(|trouble| trouble.how);
            if let Some(How::Meanwhile(act)) = how {
                self.act(act);
            }
            let of_one_cloud = cloud_of(action);
            let done = if how == Some(How::FailsBefore)
                || (silent.is_some() && silent.as_ref() == of_one_cloud)
            {
                Err(Failed::NotDone)
            } else {
                self.is_made_before_it_breaks(action, &run.known)?;
                self.is_its_own(action, &run.known)?;
                self.perform(action, seen, &mut run)
            };
            self.check()
                .map_err(|wrong| format!("{wrong} after {action:?} of {:#?}", plan.actions))?;
            let failed = match (done, how) {
                (_, Some(How::CrashAfter)) => return Ok(run.end(false)),
                (Ok(outcome), None | Some(How::Meanwhile(_))) => {
                    seen.record_outcome(action, outcome);
                    continue;
                }
                (Ok(_), _) => Failed::NotDone,
                (Err(failed), _) => failed,
            };
            let Some(cloud) = of_one_cloud else {
                return Ok(run.end(false));
            };
            if failed == Failed::Full {
                run.refused.insert(cloud.clone());
            }
            run.failed.insert(cloud.clone());
        }
        let all = run.failed.is_empty();
        Ok(run.end(all))
    }

    fn perform(
        &mut self,
        action: &Action,
        seen: &Observed,
        run: &mut Run,
    ) -> Result<Outcome, Failed> {
        match action {
            Action::ConfirmLive => drop(self.unchanged(&run.known)?),
            Action::AddFinalizer => {
                self.write(&mut run.known, |service| service.finalizer = true)?;
                self.torn.remove(&run.known.uid);
            }
            Action::Create { cloud, request } => {
                let created = self.cloud(cloud)?.create(cloud, request)?;
                run.created.push((cloud.clone(), created.id.clone()));
                return Ok(Outcome::Found(Box::new(created)));
            }
            Action::Update {
                cloud, id, request, ..
            } => {
                let updated = self.cloud(cloud)?.update(id, request)?;
                return Ok(Outcome::Found(Box::new(updated)));
            }
            Action::Publish { clouds } => {
                let publication = seen.publication(clouds);
                let written = self.write(&mut run.known, |service| {
                    service.record = publication.record;
                    service.published = publication.ingress;
                });
                let created = std::mem::take(&mut run.created);
                if written == Err(Failed::Gone) {
                    self.undo(&created);
                }
                written?;
            }
            Action::AwaitServing { clouds } => {
                if !seen.serves_on(clouds) {
                    return Err(Failed::NotDone);
                }
            }
            Action::Delete { cloud, id } => self.cloud(cloud)?.delete(id),
            Action::ConfirmGone { cloud, id } => {
                if self.cloud(cloud)?.load_balancers.contains_key(id) {
                    return Err(Failed::NotDone);
                }
            }
            Action::RemoveFinalizer { clear_status } => {
                self.write(&mut run.known, |service| {
                    service.finalizer = false;
                    service.record = Default::default();
                    if *clear_status {
                        service.published.clear();
                    }
                })?;
                self.go_if_let(&run.known.key);
            }
        }
        Ok(Outcome::Done)
    }

    /// The live Service, if it is as we know it.
    fn unchanged(&mut self, known: &ServiceView) -> Result<&mut ServiceView, Failed> {
        let live = self.services.get_mut(&known.key);
        let live = live.filter(|live| live.uid == known.uid);
        let live = live.ok_or(Failed::Gone)?;
        if live == known {
            Ok(live)
        } else {
            Err(Failed::Changed)
        }
    }

    /// A write with a precondition.
    fn write(
        &mut self,
        known: &mut ServiceView,
        change: impl FnOnce(&mut ServiceView),
    ) -> Result<(), Failed> {
        let live = self.unchanged(known)?;
        change(live);
        known.clone_from(live);
        Ok(())
    }

    /// What was created for a Service that is gone is deleted at once.
    fn undo(&mut self, created: &[(CloudName, LoadBalancerId)]) {
        for (cloud, id) in created {
            if let Ok(cloud) = self.cloud(cloud) {
                cloud.delete(id);
            }
        }
    }

    fn cloud(&mut self, name: &CloudName) -> Result<&mut Cloud, Failed> {
        let cloud = self.clouds.get_mut(name);
        cloud.filter(|cloud| !cloud.silent).ok_or(Failed::NotDone)
    }

    /// What a move must hold to, whatever it believes.
    fn is_made_before_it_breaks(&self, action: &Action, known: &ServiceView) -> Result<(), String> {
        let (Action::Delete { .. }, Desired::Managed(wanted)) = (action, self.desired(known))
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

    /// No Service's action is ever about a load balancer of another.
    fn is_its_own(&self, action: &Action, known: &ServiceView) -> Result<(), String> {
        let owner = known.owner(&cluster());
        let (cloud, id) = match action {
            Action::Create { request, .. } if request.owner == owner => return Ok(()),
            Action::Create { .. } => return Err(format!("{action:?} for {owner:?}")),
            Action::Update { cloud, id, .. }
            | Action::Delete { cloud, id }
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

    /// What must hold at every moment, whatever fails.
    ///
    /// # Errors
    /// Says what does not.
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
