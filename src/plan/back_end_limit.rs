//! The number of back ends that a load balancer can have.
//!
//! A create beyond it is not sent, because the cloud could only refuse it. The back ends of a load
//! balancer that exists follow the Nodes beyond it, too: the cloud decides, and if it refuses, the
//! fallbacks of the update still take out the Nodes that are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::annotation::{LB_SPEC, NODE_SELECTOR};
use super::capabilities::{Clouds, Need};
use super::demand::who_can;
use super::naming::CloudName;
use super::observed::{CloudView, Observed};
use super::problem::{Problem, ProblemKind, Subject};
use super::wanted::Wanted;

/// The most back ends of a load balancer of this spec on each cloud that has the spec; `None`
/// for any number. Empty if none of the chosen clouds limits them.
pub(super) fn most_back_ends(
    spec: &str,
    chosen: &BTreeSet<CloudName>,
    clouds: &Clouds,
) -> BTreeMap<CloudName, Option<usize>> {
    let able = clouds
        .iter()
        .filter(|(_, can)| Need::Spec(spec).is_met_by(can));
    let most: BTreeMap<_, _> = able
        .map(|(cloud, can)| (cloud.clone(), can.most_back_ends(spec)))
        .collect();
    let mut limits = chosen
        .iter()
        .map(|cloud| most.get(cloud).copied().flatten());
    match limits.any(|most| most.is_some()) {
        true => most,
        false => BTreeMap::new(),
    }
}

/// Why the load balancer that is to be made on a cloud cannot have the back ends that it should.
pub(super) fn problem(wanted: &Wanted, cloud: &CloudName, observed: &Observed) -> Option<Problem> {
    let Some(CloudView::Absent) = observed.clouds.get(cloud) else {
        return None;
    };
    let most = (*wanted.most_back_ends.get(cloud)?)?;
    let backends = &observed.backends;
    let number = backends.addresses_for(wanted.is_dual(cloud)).len();
    if number <= most {
        return None;
    }
    let others = wanted.most_back_ends.iter();
    let others = others.filter(|(_, most)| most.is_none_or(|most| number <= most));
    let others: Vec<&str> = others.map(|(cloud, _)| cloud.as_str()).collect();
    let others = who_can(&others);
    let spec = &wanted.template.spec;
    let selector = NODE_SELECTOR.about;
    Some(Problem {
        kind: ProblemKind::Unsupported,
        subject: Subject::annotation(LB_SPEC.name()),
        value: Some(spec.clone()),
        rule: format!(
            "{cloud} does not support {number} back ends on a load balancer of the spec {spec}, but \
             {most}{others}; choose another spec, or fewer Nodes with {}",
            selector.name
        ),
        example: format!("{}: {:?}", selector.name, selector.example),
    })
}
