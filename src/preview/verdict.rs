//! What a plan means for the reader, in the sentences of the condition.

use strum::IntoStaticStr;

use super::{Planned, Preview};
use crate::controller::error::Unfinished;
use crate::controller::report::condition::{explain, lack_of_nodes, paused, readiness};
use crate::plan::annotation::ENABLE;
use crate::plan::node_choice::NodeChoice;
use crate::plan::problem::{Problem, describe_problems};
use crate::plan::{Desired, Disposal, NotOurs, Release, Waiting};

/// The result for one Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum Verdict {
    /// There are actions to perform.
    Changes,
    /// There is nothing to do before something else happens.
    Waiting,
    /// The configuration of the Service is invalid.
    Invalid,
    /// The user has paused the Service.
    Paused,
    /// A field of the Service cannot be read, so nothing is decided about it.
    Unreadable,
    /// Every load balancer is as requested and serves.
    InSync,
    /// The Service belongs to another controller, or to none.
    NotManaged,
}

impl Preview {
    /// The verdict, and a sentence with its reason.
    pub fn verdict(&self) -> (Verdict, String) {
        match self {
            Self::Planned(planned) => planned.verdict(),
            Self::Unreadable { fields, .. } => {
                let fields = fields.join(", ");
                let message = format!(
                    "Its fields {fields} cannot be read, so its load balancers stay as they are"
                );
                (Verdict::Unreadable, message)
            }
        }
    }
}

impl Planned {
    /// The verdict, and a sentence with its reason.
    pub fn verdict(&self) -> (Verdict, String) {
        let actions = self.plan.actions.len();
        match &self.desired {
            Desired::Unmanaged(reason) => (Verdict::NotManaged, self.not_ours(*reason)),
            Desired::Invalid(invalid) => {
                let problems = describe_problems(&invalid.problems, &self.prefix);
                (Verdict::Invalid, problems)
            }
            Desired::Released(release, disposal) if actions > 0 => {
                (Verdict::Changes, self.released(*release, disposal))
            }
            Desired::Managed(_) if actions > 0 => {
                let steps = if actions == 1 { "action" } else { "actions" };
                (Verdict::Changes, format!("{actions} {steps} to perform"))
            }
            Desired::Released(..) | Desired::Managed(_) => self.nothing_to_do(),
            Desired::Paused => (Verdict::Paused, self.nothing_to_do().1),
        }
    }

    fn nothing_to_do(&self) -> (Verdict, String) {
        let waits = Unfinished::all(&[], &self.plan.waiting);
        let condition = readiness(&self.desired, &self.observed, waits, &self.prefix);
        match condition {
            Some(ready) if ready.is_ready() => (Verdict::InSync, ready.message),
            Some(waiting) => (Verdict::Waiting, waiting.message),
            None => {
                let waits = self.plan.waiting.iter();
                let waits: Vec<String> = waits.map(|waiting| self.sentence(waiting)).collect();
                (Verdict::Waiting, waits.join("; "))
            }
        }
    }

    fn released(&self, release: Release, disposal: &Disposal) -> String {
        let end = match disposal {
            Disposal::Retain { .. } => "retained",
            Disposal::Delete | Disposal::Unclear(_) => "deleted",
        };
        match release {
            Release::Deleted => {
                format!("The Service is being deleted: its load balancers are {end} first")
            }
            Release::Stays(reason) => format!(
                "The Service is not managed any more, so its load balancers are {end}: {}",
                self.not_ours(reason)
            ),
        }
    }

    /// A wait in the sentence of the condition.
    pub fn sentence(&self, waiting: &Waiting) -> String {
        match waiting {
            Waiting::NotOurs(reason) => self.not_ours(*reason),
            Waiting::Invalid(problems) => describe_problems(problems, &self.prefix),
            Waiting::NoEligibleNodes => {
                let choice = match &self.desired {
                    Desired::Managed(wanted) => wanted.nodes.clone(),
                    _ => NodeChoice::default(),
                };
                let lack = lack_of_nodes(&choice, &self.observed.backends);
                format!("{lack}; load balancers keep the back ends that they have")
            }
            Waiting::Paused => paused(&self.prefix).message,
            Waiting::StillDeleting(cloud, id) => {
                format!("The load balancer {id} on {cloud} is still being deleted")
            }
            waiting => {
                let unfinished = Unfinished::Waiting(waiting);
                let reason = unfinished.reason().as_str();
                explain(unfinished).map_or_else(|| reason.to_owned(), |found| found.message)
            }
        }
    }

    fn not_ours(&self, reason: NotOurs) -> String {
        let (view, prefix) = (&self.view, &self.prefix);
        let name = ENABLE.name();
        match reason {
            NotOurs::NotLoadBalancer => {
                "spec.type is not LoadBalancer, so no load balancer is made for it".into()
            }
            NotOurs::NotEnabled if !view.annotations.contains_key(name) => format!(
                "annotation {prefix}/{name} is missing: set it to \"true\" if the Service is to have a load balancer"
            ),
            NotOurs::NotEnabled => format!(
                "annotation {prefix}/{name} says no: set it to \"true\" if the Service is to have a load balancer"
            ),
            NotOurs::SwitchUnclear => {
                let problem = ENABLE.optional(&view.annotations).err();
                let problem = problem.as_ref().map(|problem| Problem::describe(problem, prefix));
                problem.unwrap_or_default()
            }
            NotOurs::ForeignClass => format!(
                "spec.loadBalancerClass is {}: it belongs to the controller of that class",
                crate::plan::excerpt::quoted(view.class.as_deref().unwrap_or_default())
            ),
            NotOurs::Deleting => {
                "The Service is being deleted and does not have the finalizer, so nothing of it is at a cloud".into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
