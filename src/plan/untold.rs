//! What is known of the clouds while some have not told yet what they can do.
//!
//! Until a cloud tells, it counts as what its profile says. That is not enough to tell a user
//! that the cloud does not support something, so such a Service waits instead.

use std::collections::BTreeSet;

use super::capabilities::{Capabilities, Clouds};
use super::desired::{Desired, Invalid, desired};
use super::naming::{CloudName, ClusterId};
use super::problem::{self, Problem, ProblemKind};
use super::service::ServiceView;

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
    /// lack is a problem of the kind [`ProblemKind::Untold`].
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
        let best = if_able(&self.untold);
        let is_final =
            matches!(best, Desired::Invalid(_)) || self::problems(&best).len() == problems.len();
        if is_final {
            // What another cloud told is final.
            return known;
        }
        let matters = |cloud: &&CloudName| {
            let able = if_able(&BTreeSet::from([(*cloud).clone()]));
            self::problems(&able).len() < problems.len()
        };
        let waits: Vec<&str> = self
            .untold
            .iter()
            .filter(matters)
            .map(CloudName::as_str)
            .collect();
        let have = if waits.len() == 1 { "has" } else { "have" };
        let rule = format!(
            "{} {have} not told yet whether this is supported; the Service waits for that",
            waits.join(", ")
        );
        Desired::Invalid(Box::new(Invalid {
            owner: service.owner(cluster),
            problems: untold(&problems, &rule),
        }))
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
