//! A world that a plan changes: a Service and clouds that do what the cloud
//! API promises (a create is idempotent by name; what was deleted is gone, on
//! a slow cloud a little later), and an executor that runs plans as
//! `controller::apply` does, through the plan's own account of outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{CloudName, LoadBalancerId};
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Action, Backends, CloudView, Clouds, CreateRequest, Desired, Observed, Outcome, Plan,
    clouds_to_ask, desired, plan,
};

use crate::scene::{Scene, There, cloud_name, cluster, owner};

/// Something that goes wrong in a round.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// The action of the plan that it strikes.
    pub step: usize,
    pub how: How,
    /// A cloud (by its index) that says nothing in this round.
    pub silent: Option<usize>,
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

/// A Service and the clouds.
#[derive(Clone, Debug)]
pub struct World {
    /// `None` once it is gone.
    pub service: Option<ServiceView>,
    pub clouds: BTreeMap<CloudName, Cloud>,
    configured: Clouds,
    pub backends: Backends,
    /// Whether a finalizer guarded every load balancer from the start: a user
    /// may have torn it off.
    guarded: bool,
}

/// What a round came to.
pub struct Round {
    pub plan: Plan,
    /// The executor's account, if every action was seen to be done.
    pub account: Option<Observed>,
}

#[derive(Clone, Debug)]
pub struct Cloud {
    pub ours: Vec<LoadBalancer>,
    /// Whether our name is somebody else's there.
    pub name_taken: bool,
    pub silent: bool,
    slow: bool,
    created: u8,
}

/// An action that was not done, or not seen to be done.
struct Failed;

impl World {
    pub fn new(scene: &Scene) -> Self {
        let cloud = |(index, cloud): (usize, &crate::scene::Cloud)| {
            let there = Cloud {
                ours: scene.ours(index).into_iter().collect(),
                name_taken: cloud.there == There::SomebodyElses,
                silent: cloud.there == There::Silent,
                slow: cloud.slow,
                created: 0,
            };
            (cloud_name(index), there)
        };
        Self {
            service: Some(scene.service()),
            clouds: scene.clouds.iter().enumerate().map(cloud).collect(),
            configured: scene.configured(),
            backends: scene.backends(),
            guarded: scene.finalizer || (0..3).all(|index| scene.ours(index).is_none()),
        }
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

    pub fn desired(&self) -> Option<Desired> {
        let service = self.service.as_ref()?;
        Some(desired(service, &cluster(), &self.configured))
    }

    /// Observes, plans and applies.
    ///
    /// # Errors
    /// What must never be was, at some moment: says what.
    pub fn round(&mut self, trouble: Option<Trouble>) -> Result<Round, String> {
        let Some(desired) = self.desired() else {
            return Ok(Round {
                plan: Plan::default(),
                account: None,
            });
        };
        let silent = trouble.and_then(|trouble| trouble.silent).map(cloud_name);
        let mut seen = self.observe(&desired, silent.as_ref());
        let plan = plan(&desired, &seen);
        let all_done = self.apply(&plan, &mut seen, trouble)?;
        Ok(Round {
            plan,
            account: all_done.then_some(seen),
        })
    }

    /// Rounds without trouble, some time between them, until one has nothing
    /// to do: gives what it waits for.
    ///
    /// # Errors
    /// There still was something to do after so many rounds, or what must
    /// never be was.
    pub fn settle(&mut self, rounds: usize) -> Result<Plan, String> {
        let mut plans = Vec::new();
        loop {
            self.time_goes_by();
            let plan = self.round(None)?.plan;
            if plan.actions.is_empty() {
                return Ok(plan);
            }
            plans.push(plan.actions);
            if plans.len() > rounds {
                return Err(format!("no end after {rounds} rounds: {plans:#?}"));
            }
        }
    }

    /// What the controller would see: see `controller::observe`.
    pub fn observe(&self, desired: &Desired, silent: Option<&CloudName>) -> Observed {
        let service = self.service.clone().expect("a Service to observe");
        let mut observed = Observed::of_service(&service, self.backends.clone());
        if matches!(desired, Desired::Unmanaged(_) | Desired::Invalid(_)) {
            return observed;
        }
        let mut asked = clouds_to_ask(&service, desired, &self.configured);
        let in_inventory = self.configured.keys();
        asked.extend(
            in_inventory
                .filter(|cloud| !self.clouds[*cloud].ours.is_empty())
                .cloned(),
        );
        for name in asked {
            let view = self.view(&service, &name, silent);
            observed.clouds.insert(name, view);
        }
        observed
    }

    fn view(
        &self,
        service: &ServiceView,
        name: &CloudName,
        silent: Option<&CloudName>,
    ) -> CloudView {
        if !self.configured.contains_key(name) {
            return CloudView::NotConfigured;
        }
        if !service.finalizer && service.record.get(name).is_none() {
            return CloudView::Absent;
        }
        let cloud = &self.clouds[name];
        if cloud.silent || silent == Some(name) {
            return CloudView::Unreachable;
        }
        match cloud.ours.first() {
            Some(ours) => CloudView::Present(Box::new(ours.clone())),
            None if cloud.name_taken => CloudView::NameTaken,
            None => CloudView::Absent,
        }
    }

    /// Carries a plan out: see `controller::apply`. Gives whether every action
    /// was seen to be done.
    fn apply(
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
            let silent = trouble.and_then(|trouble| trouble.silent).map(cloud_name);
            let done = if how == Some(How::FailsBefore)
                || (silent.is_some() && silent.as_ref() == of_one_cloud)
            {
                Err(Failed)
            } else {
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
            Action::AddFinalizer => self.live().finalizer = true,
            Action::Create { cloud, request } => {
                let created = self.cloud(cloud).create(cloud, request)?;
                return Ok(Outcome::Found(Box::new(created)));
            }
            Action::Update {
                cloud, id, request, ..
            } => {
                let found = self.cloud(cloud).find(id).ok_or(Failed)?;
                found.spec = request.spec.clone();
                return Ok(Outcome::Found(Box::new(found.clone())));
            }
            Action::Publish { clouds } => {
                let publication = seen.publication(clouds);
                let service = self.live();
                service.record = publication.record;
                service.published = publication.ingress;
            }
            Action::AwaitServing { clouds } => {
                if !seen.serves_on(clouds) {
                    return Err(Failed);
                }
            }
            Action::Delete { cloud, id } => self.cloud(cloud).delete(id),
            Action::ConfirmGone { cloud, id } => {
                if self.cloud(cloud).find(id).is_some() {
                    return Err(Failed);
                }
            }
            Action::RemoveFinalizer { clear_status } => self.remove_finalizer(*clear_status),
        }
        Ok(Outcome::Done)
    }

    fn remove_finalizer(&mut self, clear_status: bool) {
        let service = self.live();
        service.finalizer = false;
        service.record = Default::default();
        if clear_status {
            service.published.clear();
        }
        // Ours was the last one.
        if service.deleting {
            self.service = None;
        }
    }

    fn live(&mut self) -> &mut ServiceView {
        self.service.as_mut().expect("a live Service")
    }

    fn cloud(&mut self, name: &CloudName) -> &mut Cloud {
        self.clouds.get_mut(name).expect("a cloud")
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

    /// What was under way at the clouds is done.
    pub fn time_goes_by(&mut self) {
        for cloud in self.clouds.values_mut() {
            cloud
                .ours
                .retain(|load_balancer| load_balancer.state != State::Deleting);
            for load_balancer in &mut cloud.ours {
                if load_balancer.state == State::Provisioning {
                    load_balancer.state = State::Active;
                    load_balancer.addresses = address_of(&load_balancer.id);
                }
            }
        }
    }
}

impl Cloud {
    fn create(
        &mut self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, Failed> {
        if self.name_taken && request.name == owner().load_balancer_name() {
            return Err(Failed);
        }
        if let Some(existing) = self.ours.iter().find(|ours| ours.name == request.name) {
            return Ok(existing.clone());
        }
        self.created += 1;
        let id = LoadBalancerId::new(format!("lb-new-{}-{name}", self.created));
        let (state, addresses) = if self.slow {
            (State::Provisioning, Addresses::default())
        } else {
            (State::Active, address_of(&id))
        };
        let created = LoadBalancer {
            id,
            name: request.name.clone(),
            owner: Some(request.owner.clone()),
            spec: request.spec.clone(),
            addresses,
            state,
        };
        self.ours.push(created.clone());
        Ok(created)
    }

    fn delete(&mut self, id: &LoadBalancerId) {
        if !self.slow {
            self.ours.retain(|ours| ours.id != *id);
        } else if let Some(ours) = self.find(id) {
            ours.state = State::Deleting;
        }
    }

    fn find(&mut self, id: &LoadBalancerId) -> Option<&mut LoadBalancer> {
        self.ours.iter_mut().find(|ours| ours.id == *id)
    }
}

/// One address for each id.
fn address_of(id: &LoadBalancerId) -> Addresses {
    let sum = id.as_str().bytes().map(u16::from).sum::<u16>();
    let [high, low] = sum.to_be_bytes();
    Addresses {
        ips: vec![IpAddr::from([198, 18, high, low])],
        hostname: None,
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
