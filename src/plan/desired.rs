//! The desired state of a Service's load balancers, as the Service declares it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::annotation::{self, DeletionPolicy, Switch};
use super::back_end_limit::most_back_ends;
use super::capabilities::{Clouds, Feature};
use super::class::{self, Refused};
use super::declared::{Problems, chosen_clouds, template};
use super::demand::unsupported;
use super::existing;
use super::naming::{CloudName, ClusterId};
use super::node_choice::NodeChoice;
use super::problem::Problem;
use super::requested_address;
use super::service::ServiceView;
use super::service_size::TooLarge;
use super::upkeep::{self, Upkeep};
use super::wanted::Wanted;

/// The desired state of a Service's load balancers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Desired {
    /// The Service is not managed and does not have our finalizer: no cloud is called
    /// for it.
    Unmanaged(NotOurs),
    /// The Service is no longer managed: its load balancers are deleted or retained, then our
    /// finalizer, record and condition are removed.
    Released(Release, Disposal),
    /// The Service is managed and its configuration is invalid: until a user edits it,
    /// its load balancers are only kept up.
    Invalid(Box<Invalid>),
    /// The Service is managed and its user has paused it: nothing of it changes at the clouds,
    /// and what is published stays.
    Paused,
    Managed(Box<Wanted>),
}

/// The reason for which a Service is not managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NotOurs {
    /// `spec.type` is not `LoadBalancer`.
    NotLoadBalancer,
    /// The annotation `enable` is missing or says no.
    NotEnabled,
    /// The annotation `enable` says neither yes nor no.
    SwitchUnclear,
    /// `spec.loadBalancerClass` names another controller.
    ForeignClass,
    /// The Service is being deleted and does not have our finalizer.
    Deleting,
}

/// The reason for which a Service is no longer managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Release {
    /// The Service is being deleted.
    Deleted,
    /// The Service object stays; it no longer asks for our load balancers.
    Stays(NotOurs),
}

/// What becomes of the load balancers of a released Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Disposal {
    Delete,
    /// They stay at their clouds, and our owner is taken off, where a cloud is able to do that.
    Retain {
        able: BTreeSet<CloudName>,
    },
    /// The Service says neither. What is deleted does not come back, so nothing is done.
    Unclear(Problem),
}

/// A managed Service whose configuration is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Invalid {
    pub upkeep: Upkeep,
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl Desired {
    /// The desired state of a Service with one more problem, if it is managed.
    pub fn with_problem(self, problem: Problem) -> Self {
        let (upkeep, mut problems) = match self {
            Self::Managed(wanted) => (wanted.upkeep(), Vec::new()),
            Self::Invalid(invalid) => (invalid.upkeep, invalid.problems),
            other @ (Self::Unmanaged(_) | Self::Released(..) | Self::Paused) => return other,
        };
        problems.push(problem);
        Self::Invalid(Box::new(Invalid { upkeep, problems }))
    }
}

/// Derives the desired state from a Service.
///
/// A pause holds up what a managed Service asks for, whatever else is wrong with it. It does not
/// hold up the end of the management: nobody would look after a load balancer whose Service has
/// given it up, and its node ports may belong to another Service by then.
pub fn desired(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    match unpaused(service, cluster, clouds) {
        Desired::Managed(_) | Desired::Invalid(_) if is_paused(service) => Desired::Paused,
        desired => desired,
    }
}

/// Whether its annotation says so. A value that is neither a yes nor a no is invalid instead.
fn is_paused(service: &ServiceView) -> bool {
    annotation::PAUSED.optional(&service.annotations) == Ok(Some(Switch::On))
}

/// The desired state as if the Service was not paused.
fn unpaused(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    // Another writer may have removed the finalizer alone.
    let is_marked = service.finalizer || !service.record.is_empty();
    let switch = annotation::ENABLE.optional(&service.annotations);
    let not_ours = if !service.is_load_balancer {
        Some(NotOurs::NotLoadBalancer)
    } else if service.class.is_some() {
        Some(NotOurs::ForeignClass)
    } else {
        match &switch {
            Ok(Some(Switch::On)) => None,
            Ok(Some(Switch::Off) | None) => Some(NotOurs::NotEnabled),
            Err(_) => Some(NotOurs::SwitchUnclear),
        }
    };
    let released = |release| Desired::Released(release, disposal(service, clouds));
    match (service.finalizer, service.deleting, not_ours) {
        (true, true, _) => released(Release::Deleted),
        // A typing error in the switch must not delete a load balancer.
        (_, false, Some(NotOurs::SwitchUnclear)) if is_marked => {
            Desired::Invalid(Box::new(Invalid {
                upkeep: Upkeep::declared(service, cluster, clouds),
                problems: switch.err().into_iter().collect(),
            }))
        }
        // Only a class of the configuration made it ours.
        (true, false, Some(NotOurs::ForeignClass))
            if switch == Ok(None) && !service.record.is_empty() =>
        {
            let class = service.class.as_deref().unwrap_or_default();
            Desired::Invalid(Box::new(Invalid {
                upkeep: Upkeep::declared(service, cluster, clouds),
                problems: vec![class::gone(class)],
            }))
        }
        (true, false, Some(reason)) => released(Release::Stays(reason)),
        (false, _, Some(reason)) => Desired::Unmanaged(reason),
        (false, true, None) => Desired::Unmanaged(NotOurs::Deleting),
        (_, false, None) => wanted(service, cluster, clouds),
    }
}

/// What the Service says about the end of its load balancers.
pub fn disposal(service: &ServiceView, clouds: &Clouds) -> Disposal {
    match annotation::DELETION_POLICY.value(&service.annotations) {
        Ok(DeletionPolicy::Delete) => Disposal::Delete,
        Ok(DeletionPolicy::Retain) => {
            let able = clouds.iter().filter(|(_, can)| can.has(Feature::Release));
            Disposal::Retain {
                able: able.map(|(cloud, _)| cloud.clone()).collect(),
            }
        }
        Err(problem) => Disposal::Unclear(problem),
    }
}

/// The clouds to query for a Service, in addition to those whose inventory has a
/// load balancer of its name.
///
/// The record has every cloud on which a create was sent, so no other cloud holds up a
/// release. The annotation names further ones if the record is empty, because it was
/// removed or was written by an earlier version; if the annotation is invalid too, every
/// cloud is queried. A cloud that cannot list its load balancers is queried as long as
/// the annotation names it, because nothing else would show what a forged record hides.
pub fn clouds_to_query(
    service: &ServiceView,
    desired: &Desired,
    clouds: &Clouds,
) -> BTreeSet<CloudName> {
    let mut queried: BTreeSet<CloudName> = service.record.clouds().cloned().collect();
    match desired {
        Desired::Unmanaged(_) | Desired::Paused => return BTreeSet::new(),
        // Only what exists is of interest.
        Desired::Invalid(_) => {}
        Desired::Managed(wanted) => queried.extend(wanted.clouds.iter().cloned()),
        Desired::Released(..) => {
            let has_record = !queried.is_empty();
            let lists =
                |cloud: &CloudName| clouds.get(cloud).is_some_and(|can| can.has(Feature::List));
            match chosen_clouds(service, clouds) {
                Ok(named) => {
                    let named = named.into_iter();
                    queried.extend(named.filter(|cloud| !has_record || !lists(cloud)));
                }
                Err(_) if !has_record => queried.extend(clouds.keys().cloned()),
                Err(_) => {}
            }
        }
    }
    queried
}

fn wanted(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    // Other problems may be due to what is missing.
    if !service.too_large.is_empty() {
        let problems = service.too_large.iter().copied();
        return Desired::Invalid(Box::new(Invalid {
            upkeep: Upkeep::declared(service, cluster, clouds),
            problems: problems.map(TooLarge::problem).collect(),
        }));
    }
    let mut problems = Problems::default();
    let chosen = problems.keep(chosen_clouds(service, clouds));
    let existing = problems.keep(existing::declared(service, &chosen));
    let mut template = template(service, &mut problems);
    let asked = &template.addresses;
    problems.keep(requested_address::on_one_cloud(service, asked, &chosen));
    let nodes = NodeChoice {
        selector: problems.keep(annotation::NODE_SELECTOR.value(&service.annotations)),
        address_type: problems.keep(annotation::NODE_ADDRESS_TYPE.optional(&service.annotations)),
    };
    problems.keep(annotation::PAUSED.optional(&service.annotations));
    problems.keep(annotation::DELETION_POLICY.optional(&service.annotations));
    let Problems(mut problems) = problems;
    if existing.is_some() {
        problems.extend(existing::contradictions(service));
        template = existing::template(template, &service.owner(cluster));
    }
    problems.extend(service.refused.iter().map(Refused::problem));
    let mut lacks = BTreeMap::new();
    if problems.is_empty() {
        (problems, lacks) = unsupported(&chosen, &template, service, clouds);
    }
    if !problems.is_empty() {
        return Desired::Invalid(Box::new(Invalid {
            upkeep: Upkeep::of(service, cluster, clouds, || template.listeners),
            problems,
        }));
    }
    let asks_for_address =
        (!template.addresses.is_empty()).then(|| requested_address::stated(service));
    // One that others made has a limit of its own, which only its cloud knows.
    let most_back_ends = match existing {
        Some(_) => BTreeMap::new(),
        None => most_back_ends(&template.spec, &chosen, clouds),
    };
    Desired::Managed(Box::new(Wanted {
        owner: service.owner(cluster),
        template,
        checking: upkeep::checking(clouds),
        lacks,
        untold: BTreeMap::new(),
        refused: BTreeMap::new(),
        existing,
        most_back_ends,
        asks_for_address,
        clouds: chosen,
        nodes,
    }))
}
