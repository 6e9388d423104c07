//! What a load balancer keeps from its creation to its end. A change of it is refused: what
//! exists stays as it is, because a replacement would have another address.

use super::annotation::INTERNAL;
use super::desired::{Desired, Invalid, Wanted};
use super::load_balancer::{LoadBalancer, State};
use super::naming::CloudName;
use super::observed::{CloudView, Observed};
use super::problem::{Problem, ProblemKind, Subject};

impl Desired {
    /// What is desired in view of the load balancers that exist: a Service that asks for a
    /// change which none of them can make is invalid. `None` if that changes nothing.
    pub fn refused(&self, observed: &Observed) -> Option<Self> {
        let Self::Managed(wanted) = self else {
            return None;
        };
        let problems: Vec<Problem> = wanted
            .clouds
            .iter()
            .filter_map(|cloud| Some((cloud, found_on(cloud, observed)?)))
            .flat_map(|(cloud, found)| problems(wanted, cloud, found))
            .collect();
        (!problems.is_empty()).then(|| {
            Self::Invalid(Box::new(Invalid {
                owner: wanted.owner.clone(),
                problems,
            }))
        })
    }
}

/// One that is being deleted is replaced by a new one.
fn found_on<'a>(cloud: &CloudName, observed: &'a Observed) -> Option<&'a LoadBalancer> {
    match observed.clouds.get(cloud) {
        Some(CloudView::Present(found)) if found.state != State::Deleting => Some(found),
        _ => None,
    }
}

fn problems(wanted: &Wanted, cloud: &CloudName, found: &LoadBalancer) -> Vec<Problem> {
    let Some(asked) = wanted.template(cloud) else {
        return Vec::new();
    };
    let is_internal = found.spec.internal.unwrap_or_default();
    let internal = asked.internal.filter(|asked| *asked != is_internal);
    let internal = internal.map(|asked| Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::annotation(INTERNAL.name()),
        value: Some(asked.to_string()),
        rule: format!(
            "load balancer {} on {cloud} {} internal, which cannot be changed; it stays as it is \
             until the Service has the old value again, names another cloud or is created anew",
            found.id,
            if is_internal { "is" } else { "is not" },
        ),
        example: format!("\"{is_internal}\""),
    });
    internal.into_iter().collect()
}
