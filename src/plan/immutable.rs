//! What a load balancer keeps from its creation to its end. A change of it is refused: what
//! exists stays as it is, because a replacement would have another address.

use std::net::IpAddr;

use super::annotation::INTERNAL;
use super::desired::{Desired, Invalid};
use super::existing;
use super::load_balancer::{Addresses, LoadBalancer, LoadBalancerSpec, State};
use super::naming::CloudName;
use super::observed::{CloudView, Observed};
use super::problem::{Problem, ProblemKind, Subject};
use super::wanted::Wanted;

impl Desired {
    /// What is desired in view of the load balancers that exist: a Service that asks for a
    /// change which none of them can make is invalid. `None` if that changes nothing.
    pub fn refused(&self, observed: &Observed) -> Option<Self> {
        let Self::Managed(wanted) = self else {
            return None;
        };
        let mut problems: Vec<Problem> = wanted
            .clouds
            .iter()
            .filter(|cloud| wanted.wait_for_answer(cloud).is_none())
            .filter_map(|cloud| Some((cloud, found_on(cloud, observed)?)))
            .flat_map(|(cloud, found)| problems(wanted, cloud, found))
            .collect();
        problems.extend(existing::problems(wanted, observed));
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
             until the Service has the old value again, names another cloud or is created anew",
            found.id,
            if is_internal { "is" } else { "is not" },
        ),
        example: format!("\"{is_internal}\""),
    });
    let address = wanted.asks_for_address().and_then(|(subject, value)| {
        let other = other_address(wanted.addresses(), found)?;
        Some(Problem {
            kind: ProblemKind::Invalid,
            subject: subject.clone(),
            value: Some(value.clone()),
            rule: format!(
                "load balancer {} on {cloud} has the address {other}, which cannot be changed; it \
                 stays as it is until the Service asks for that, names another cloud or is \
                 created anew",
                found.id
            ),
            example: format!("\"{other}\""),
        })
    });
    internal.into_iter().chain(address).collect()
}

/// The address that a load balancer has, if it lacks one that is asked for.
fn other_address(asked: &[IpAddr], found: &LoadBalancer) -> Option<IpAddr> {
    let has = |ip: &IpAddr| found.addresses.ips.contains(ip);
    let lacking = asked.iter().find(|ip| !has(ip))?;
    let of_family = |ip: &&IpAddr| ip.is_ipv4() == lacking.is_ipv4();
    let mut shown = found.addresses.ips.iter();
    shown.clone().find(of_family).or(shown.next()).copied()
}

impl LoadBalancer {
    /// A load balancer as the answer to its creation shows it: without its addresses if it is
    /// not what was asked for in a way that cannot be mended. They are not published then.
    pub(super) fn unless_refused(mut self, asked: &LoadBalancerSpec) -> Self {
        let is_internal = self.spec.internal.unwrap_or_default();
        let refused = match (asked.internal, other_address(&asked.addresses, &self)) {
            (Some(internal), _) if internal != is_internal => {
                let is = if is_internal { "is" } else { "is not" };
                format!("it {is} internal, other than requested")
            }
            (_, Some(other)) => format!("its address {other} is not the requested one"),
            (_, None) => return self,
        };
        self.addresses = Addresses {
            refused: Some(refused),
            ..Addresses::default()
        };
        self
    }
}
