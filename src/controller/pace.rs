//! Step four of a reconcile: removes repairs of drift from the plan until their slot
//! comes. Uses no client.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attempt::ObservedService;
use super::memory::drift::Drift;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{Action, Plan, Waiting, is_edit};

/// The action on one cloud that repairs a change made outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The load balancer that was changed; `None` if it was deleted.
    pub changed: Option<LoadBalancerId>,
    /// Whether this is the first attempt at the repair.
    pub is_new: bool,
    /// The time until its slot; `None` once the slot has come.
    pub wait: Option<Duration>,
}

/// The repairs in a plan, by cloud.
pub type Repairs = BTreeMap<CloudName, Repair>;

/// A plan of which every action may be performed now.
pub struct PacedPlan {
    /// The plan without the repairs that wait for their slot.
    pub plan: Plan,
    /// All repairs, including those that wait.
    pub repairs: Repairs,
}

impl PacedPlan {
    /// Whether there is no action to perform, now or later.
    pub fn is_empty(&self) -> bool {
        self.plan.actions.is_empty() && self.repairs.is_empty()
    }
}

/// Removes the repairs that have to wait from a plan.
pub fn pace(plan: Plan, service: &ObservedService, drift: &Drift) -> PacedPlan {
    let repairs = drift.schedule(&plan, service);
    let plan = without_waiting(plan, &repairs);
    PacedPlan { plan, repairs }
}

fn without_waiting(mut plan: Plan, repairs: &Repairs) -> Plan {
    let slots = repairs
        .iter()
        .filter_map(|(cloud, repair)| Some((cloud, repair.wait?)));
    let slots: BTreeMap<&CloudName, Duration> = slots.collect();
    if slots.is_empty() {
        return plan;
    }
    plan.actions.retain(|action| match action {
        Action::Create { cloud, .. } | Action::Update { cloud, .. } => !slots.contains_key(cloud),
        _ => true,
    });
    if !plan.actions.iter().any(needs_live_service) {
        plan.actions.retain(|action| *action != Action::ConfirmLive);
    }
    let waits = |(cloud, wait): (&CloudName, Duration)| Waiting::RepairSlot(cloud.clone(), wait);
    plan.waiting.extend(slots.into_iter().map(waits));
    plan
}

fn needs_live_service(action: &Action) -> bool {
    matches!(action, Action::Create { .. } | Action::Delete { .. }) || is_edit(action)
}
