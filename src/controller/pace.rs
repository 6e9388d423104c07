//! Removes repairs of drift from the plan until their slot comes. Uses no client.

use std::collections::BTreeSet;

use super::attempt::{ObservedService, Repairs};
use super::memory::drift::Drift;
use crate::plan::naming::CloudName;
use crate::plan::{Action, Plan, Waiting, is_edit};

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
    let queued = repairs.iter().filter(|(_, repair)| repair.wait.is_some());
    let queued: BTreeSet<&CloudName> = queued.map(|(cloud, _)| cloud).collect();
    if queued.is_empty() {
        return plan;
    }
    plan.actions.retain(|action| match action {
        Action::Create { cloud, .. } | Action::Update { cloud, .. } => !queued.contains(cloud),
        _ => true,
    });
    if !plan.actions.iter().any(needs_live_service) {
        plan.actions.retain(|action| *action != Action::ConfirmLive);
    }
    let queued = queued.into_iter().cloned();
    plan.waiting.extend(queued.map(Waiting::RepairSlot));
    plan
}

fn needs_live_service(action: &Action) -> bool {
    matches!(
        action,
        Action::Create { .. } | Action::Delete { .. } | Action::Release { .. }
    ) || is_edit(action)
}
