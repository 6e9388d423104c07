//! A world that plans change: a Service and some clouds, seen as
//! `controller::observe` sees them.

use std::collections::BTreeMap;

use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::service::ServiceView;
use my_cloud_controller_manager::plan::{
    Backends, CloudView, Clouds, Desired, Observed, Plan, clouds_to_ask, desired, plan,
};

use crate::cloud::Cloud;
use crate::executor::Trouble;
use crate::expected::{cloud_name, cluster};
use crate::scene::{self, Scene};

/// A Service and the clouds.
#[derive(Clone, Debug)]
pub struct World {
    /// `None` once it is gone.
    pub service: Option<ServiceView>,
    pub clouds: BTreeMap<CloudName, Cloud>,
    pub configured: Clouds,
    pub backends: Backends,
    /// Whether a finalizer guarded every load balancer from the start: a user
    /// may have torn it off.
    pub guarded: bool,
}

/// What a round came to.
pub struct Round {
    pub plan: Plan,
    /// The executor's account, if every action was seen to be done.
    pub account: Option<Observed>,
}

impl World {
    pub fn new(scene: &Scene) -> Self {
        let cloud = |(index, cloud): (usize, &scene::Cloud)| {
            let there = Cloud::new(scene.ours(index), cloud);
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
        let Some((desired, mut seen)) = self.observe(trouble.and_then(Trouble::silent).as_ref())
        else {
            return Ok(Round {
                plan: Plan::default(),
                account: None,
            });
        };
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

    /// What the controller would see: see `controller::observe`. `None` once
    /// the Service is gone.
    pub fn observe(&self, silent: Option<&CloudName>) -> Option<(Desired, Observed)> {
        let (service, desired) = (self.service.clone()?, self.desired()?);
        let mut observed = Observed::of_service(&service, self.backends.clone());
        if matches!(desired, Desired::Unmanaged(_) | Desired::Invalid(_)) {
            return Some((desired, observed));
        }
        let mut asked = clouds_to_ask(&service, &desired, &self.configured);
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
        Some((desired, observed))
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

    /// What was under way at the clouds is done.
    pub fn time_goes_by(&mut self) {
        self.clouds.values_mut().for_each(Cloud::time_goes_by);
    }
}
