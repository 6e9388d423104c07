//! What is known of the clouds while some have not told yet what they can do.
//!
//! Until a cloud tells, it counts as what its profile says. That is not enough to tell a user
//! that the cloud does not support something, so such a Service waits instead.

use std::collections::{BTreeMap, BTreeSet};

use super::capabilities::{Capabilities, Clouds};
use super::desired::{Desired, Invalid, desired};
use super::naming::{CloudName, ClusterId};
use super::observed::Observed;
use super::problem::{self, Problem, ProblemKind};
use super::service::ServiceView;
use super::wanted::Wanted;

/// The configured clouds, what each can do, and which of them have not told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownClouds {
    /// Each is what it told last; before that, what its profile says.
    pub clouds: Clouds,
    pub untold: BTreeSet<CloudName>,
}

impl KnownClouds {
    /// Those of clouds that have not told anything yet.
    pub fn of_profiles(clouds: Clouds) -> Self {
        Self {
            untold: clouds.keys().cloned().collect(),
            clouds,
        }
    }

    /// Records what a cloud has told.
    pub fn learn(&mut self, cloud: CloudName, told: Capabilities) {
        self.untold.remove(&cloud);
        self.clouds.insert(cloud, told);
    }

    /// Derives the desired state from a Service. What only a cloud that has not told may
    /// lack keeps the Service from that cloud until it tells; if that is so of all of its
    /// clouds, the Service has a problem of the kind [`ProblemKind::Untold`].
    pub fn desired(&self, service: &ServiceView, cluster: &ClusterId) -> Desired {
        let known = desired(service, cluster, &self.clouds);
        let problems = problems(&known);
        let is_told = self.untold.is_empty() || problems.is_empty();
        if is_told || problem::kind(&problems) != ProblemKind::Unsupported {
            return known;
        }
        let if_able = |able: &BTreeSet<CloudName>| {
            let mut clouds = self.clouds.clone();
            for cloud in able {
                clouds.insert(cloud.clone(), Capabilities::unlimited());
            }
            desired(service, cluster, &clouds)
        };
        // What another cloud told is final.
        let Desired::Managed(best) = if_able(&self.untold) else {
            return known;
        };
        let lacks_of = |cloud: &CloudName| {
            let mut others = self.untold.clone();
            others.remove(cloud);
            let lacks = self::problems(&if_able(&others));
            let of_all = best.port_problems();
            lacks.into_iter().filter(move |lack| !of_all.contains(lack))
        };
        let untold = self
            .untold
            .iter()
            .filter(|cloud| best.clouds.contains(*cloud));
        let untold = untold.map(|cloud| (cloud.clone(), lacks_of(cloud).collect::<Vec<_>>()));
        let untold: BTreeMap<_, _> = untold.filter(|(_, lacks)| !lacks.is_empty()).collect();
        if untold.is_empty() {
            return known;
        }
        if untold.len() < best.clouds.len() {
            // One that has what it needs is asked for what its profile says.
            let lacking = untold.keys().cloned().collect();
            return match if_able(&lacking) {
                Desired::Managed(wanted) => Desired::Managed(Box::new(wanted.with_untold(untold))),
                other => other,
            };
        }
        let have = if untold.len() == 1 { "has" } else { "have" };
        let names: Vec<&str> = untold.keys().map(CloudName::as_str).collect();
        let rule = format!(
            "{} {have} not told yet whether this is supported; the Service waits for that",
            names.join(", ")
        );
        let upkeep = match known {
            Desired::Invalid(invalid) => invalid.upkeep,
            Desired::Managed(wanted) => wanted.upkeep(),
            other => return other,
        };
        Desired::Invalid(Box::new(Invalid {
            upkeep,
            problems: self::untold(&problems, &rule),
        }))
    }
}

impl Wanted {
    /// Whether it is known of each cloud which ports it lacks, beside those that the load
    /// balancer there has all the same.
    pub fn knows_lacking_ports(&self, observed: &Observed) -> bool {
        let mut clouds = self.clouds.iter();
        clouds.all(|cloud| observed.knows(cloud) && !self.is_untold(cloud))
    }
}

/// What a cloud lacks for a Service, as a whole or for one of its ports.
fn problems(desired: &Desired) -> Vec<Problem> {
    match desired {
        Desired::Invalid(invalid) => invalid.problems.clone(),
        Desired::Managed(wanted) => wanted.port_problems(),
        Desired::Unmanaged(_) | Desired::Released(..) | Desired::Paused => Vec::new(),
    }
}

/// Each value once, although several clouds may lack it.
fn untold(problems: &[Problem], rule: &str) -> Vec<Problem> {
    let mut untold: Vec<Problem> = Vec::new();
    for problem in problems {
        let waits = Problem {
            kind: ProblemKind::Untold,
            rule: rule.to_owned(),
            ..problem.clone()
        };
        if !untold.contains(&waits) {
            untold.push(waits);
        }
    }
    untold
}
