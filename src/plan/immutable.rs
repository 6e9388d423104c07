//! What a load balancer keeps from its creation to its end. A change of it is refused: what
//! exists stays as it is, because a replacement would have another address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::annotation::INTERNAL;
use super::back_end_limit;
use super::desired::{Desired, Invalid};
use super::existing;
use super::load_balancer::{Addresses, LoadBalancer, LoadBalancerSpec, State};
use super::naming::CloudName;
use super::observed::{CloudView, Observed};
use super::problem::{Problem, ProblemKind, Subject};
use super::wanted::Wanted;

impl Desired {
    /// What is desired in view of the load balancers that exist: one that cannot become what
    /// the Service asks for stays as it is, one that cannot be made so is not made, and the
    /// Service is invalid if all are so. `None` if that changes nothing.
    pub fn refused(&self, observed: &Observed) -> Option<Self> {
        let Self::Managed(wanted) = self else {
            return None;
        };
        let refused: BTreeMap<CloudName, Vec<Problem>> = wanted
            .clouds
            .iter()
            .filter(|cloud| !wanted.is_untold(cloud))
            .map(|cloud| {
                let found = found_on(cloud, observed).into_iter();
                let problems = found.flat_map(|found| problems(wanted, cloud, found));
                let of_new = back_end_limit::problem(wanted, cloud, observed);
                (cloud.clone(), problems.chain(of_new).collect::<Vec<_>>())
            })
            .filter(|(_, problems)| !problems.is_empty())
            .collect();
        let of_existing = existing::problems(wanted, observed);
        if refused.is_empty() && of_existing.is_empty() {
            return None;
        }
        if of_existing.is_empty() && refused.len() < wanted.clouds.len() {
            let wanted = Wanted::clone(wanted).with_refused(refused);
            return Some(Self::Managed(Box::new(wanted)));
        }
        Some(Self::Invalid(Box::new(Invalid {
            upkeep: wanted.upkeep(),
            problems: refused.into_values().flatten().chain(of_existing).collect(),
        })))
    }
}

impl Wanted {
    /// The clouds whose addresses are not published: the load balancer there is not what the
    /// Service asks for, and the Service does not have all of its addresses already.
    pub(super) fn withheld_clouds(&self, observed: &Observed) -> BTreeSet<CloudName> {
        let is_withheld = |cloud: &CloudName| {
            found_on(cloud, observed).is_some_and(|found| {
                let is_other = lacking_address(self.addresses(), found).is_some();
                let is_published = observed.publishes_address_of(cloud);
                (self.is_refused(cloud) || is_other) && !is_published
            })
        };
        let clouds = self.clouds.iter();
        clouds.filter(|cloud| is_withheld(cloud)).cloned().collect()
    }
}

/// One that is being deleted is replaced by a new one.
fn found_on<'a>(cloud: &CloudName, observed: &'a Observed) -> Option<&'a LoadBalancer> {
    match observed.clouds.get(cloud) {
        // One that others made is no replacement.
        Some(CloudView::Present(found))
            if found.state != State::Deleting && found.existing_owner().is_none() =>
        {
            Some(found)
        }
        _ => None,
    }
}

fn problems(wanted: &Wanted, cloud: &CloudName, found: &LoadBalancer) -> Vec<Problem> {
    let is_internal = found.spec.internal.unwrap_or_default();
    let internal = wanted.internal(cloud);
    let internal = internal.filter(|asked| *asked != is_internal);
    let internal = internal.map(|asked| Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::annotation(INTERNAL.name()),
        value: Some(asked.to_string()),
        rule: format!(
            "load balancer {} on {cloud} {} internal, which cannot be changed; it stays as it is \
             until the Service has the old value again or none, names another cloud or is created \
             anew",
            found.id,
            if is_internal { "is" } else { "is not" },
        ),
        example: format!("\"{is_internal}\""),
    });
    let address = wanted.asks_for_address().and_then(|(subject, value)| {
        // The others may follow.
        let is_complete = found.state != State::Provisioning;
        let lacking = lacking_address(wanted.addresses(), found).filter(|_| is_complete)?;
        let has = list(&found.addresses.ips);
        Some(Problem {
            kind: ProblemKind::Invalid,
            subject: subject.clone(),
            value: Some(value.clone()),
            rule: format!(
                "load balancer {} on {cloud} lacks the address {lacking} and has {has}, which cannot \
                 be changed; it stays as it is until the Service asks for what it has, names \
                 another cloud or is created anew",
                found.id
            ),
            example: format!("\"{has}\""),
        })
    });
    internal.into_iter().chain(address).collect()
}

/// The first address that is asked for and that a load balancer with addresses lacks.
fn lacking_address(asked: &[IpAddr], found: &LoadBalancer) -> Option<IpAddr> {
    let shown = &found.addresses.ips;
    let mut asked = asked.iter().filter(|_| !shown.is_empty());
    asked.find(|ip| !shown.contains(ip)).copied()
}

fn list<'a>(ips: impl IntoIterator<Item = &'a IpAddr>) -> String {
    let ips: Vec<String> = ips.into_iter().map(IpAddr::to_string).collect();
    ips.join(",")
}

impl LoadBalancer {
    /// A load balancer as the answer to its creation shows it: without its addresses if it is
    /// not what was asked for in a way that cannot be mended. They are not published then.
    pub(super) fn unless_refused(mut self, asked: &LoadBalancerSpec) -> Self {
        let is_internal = self.spec.internal.unwrap_or_default();
        let refused = match (asked.internal, lacking_address(&asked.addresses, &self)) {
            (Some(internal), _) if internal != is_internal => {
                let is = if is_internal { "is" } else { "is not" };
                Some(format!("it {is} internal, other than requested"))
            }
            // The others may follow.
            (_, Some(_)) if self.state == State::Provisioning => None,
            (_, Some(lacking)) => Some(format!(
                "it lacks the requested address {lacking} and has {}",
                list(&self.addresses.ips)
            )),
            (_, None) => return self,
        };
        self.addresses = Addresses {
            refused,
            ..Addresses::default()
        };
        self
    }
}
