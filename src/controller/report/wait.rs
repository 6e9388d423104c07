//! The condition of a Service that waits for a place at a cloud.

use std::sync::Arc;

use super::events::emit_condition_change;
use super::write_condition;
use crate::controller::Context;
use crate::controller::observe::observe_service;
use crate::controller::workqueue::CloudSet;
use crate::election::Leadership;
use crate::kubernetes::condition::{Condition, ConditionReason, Readiness, find};
use crate::kubernetes::service_object::Service;
use crate::plan::Desired;
use crate::plan::problem::{self, ProblemKind};

/// Explains in the condition what a Service waits for, unless its load balancer serves
/// or has failed. What is invalid needs no turn to be explained.
pub async fn explain_wait(
    watched: Arc<Service>,
    clouds: &CloudSet,
    leadership: &Leadership,
    context: &Context,
) {
    let Ok(service) = observe_service(watched, context) else {
        return;
    };
    // A failure stays: it would not be reported a second time.
    let condition = find(&service.object, context.metadata_keys.condition());
    let explains_less = |condition: &Condition| condition.is_for(ConditionReason::Provisioning);
    let readiness = match &service.desired {
        Desired::Managed(_) if condition.is_none_or(explains_less) => turn(clouds),
        // The first answers of the clouds are about to come, or are not waited for any longer.
        Desired::Invalid(found)
            if problem::kind(&found.problems) == ProblemKind::Untold
                && !context.queue.are_listed(clouds) =>
        {
            return;
        }
        Desired::Invalid(found) => {
            let prefix = context.metadata_keys.prefix();
            let readiness = super::condition::invalid(&found.problems, prefix);
            // What the last attempt added is not known here.
            if condition.is_some_and(|condition| readiness.begins(condition)) {
                return;
            }
            emit_condition_change(&service, &readiness, context);
            readiness
        }
        _ => return,
    };
    // A failure is logged there, and costs only the explanation.
    let _ = write_condition(
        &service,
        &service.object,
        &readiness,
        None,
        leadership,
        context,
    )
    .await;
}

fn turn(clouds: &CloudSet) -> Readiness {
    let clouds: Vec<&str> = clouds.iter().map(|cloud| cloud.as_str()).collect();
    Readiness::new(
        ConditionReason::Provisioning,
        format!(
            "Waiting for a turn at {}: as many load balancers as its limit of concurrent calls allows are being changed",
            clouds.join(", ")
        ),
    )
}
