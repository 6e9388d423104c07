//! Load balancers that others made, and that a Service is attached to by `existing-lb`.
//!
//! The configuration offers each of them to some namespaces. We put an owner on it that proves
//! nothing else to be ours ([`Owner::on_existing`]), so it is never deleted. Our listeners are
//! told by their names ([`Owner::listener_mark`]); those of others, and all settings, stay as
//! they are. An update sends them along, so each one is made anew from what the cloud shows right
//! before it ([`renewed`]), and none is made that would take something away from them. The back
//! ends are those of the whole load balancer: the API of the clouds has one set of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::action::CreateRequest;
use super::annotation::{
    ADDRESS, ALGORITHM, About, EXISTING_LB, IDLE_TIMEOUT, INTERNAL, PROVIDER, SOURCE_RANGES, TAGS,
};
use super::backends::Backends;
use super::load_balancer::{Listener, LoadBalancer, LoadBalancerSpec, State};
use super::naming::{CloudName, LoadBalancerId, Owner};
use super::node_addresses::NodeAddresses;
use super::observed::{CloudView, Observed};
use super::problem::{Problem, ProblemKind, Subject};
use super::service::ServiceView;
use super::wanted::Wanted;

/// A load balancer of the configuration that others made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Offer {
    pub cloud: CloudName,
    pub id: LoadBalancerId,
}

/// The offers by namespace.
pub type Offers = BTreeMap<String, BTreeSet<Offer>>;

/// The annotations that say how a load balancer is, which one that others made is already.
const SETTINGS: [&About; 6] = [
    &ALGORITHM.about,
    &INTERNAL.about,
    &ADDRESS.about,
    &IDLE_TIMEOUT.about,
    &TAGS.about,
    &SOURCE_RANGES.about,
];

/// The load balancer that a Service on these clouds asks for.
///
/// # Errors
/// It is not one that the configuration offers to the Service.
pub(super) fn declared(
    service: &ServiceView,
    clouds: &BTreeSet<CloudName>,
) -> Result<Option<LoadBalancerId>, Problem> {
    let Some(id) = EXISTING_LB.optional(&service.annotations)? else {
        return Ok(None);
    };
    let problem = |rule: String, example: String| Problem {
        example,
        ..EXISTING_LB.contradiction(&service.annotations, "", &rule)
    };
    let mut named = clouds.iter();
    let (Some(cloud), None) = (named.next(), named.next()) else {
        // Without any, the annotation `provider` has a problem of its own.
        let rule = format!(
            "it is the id on one cloud, so {} must name one cloud only",
            PROVIDER.name()
        );
        let example = "no such annotation".to_owned();
        return (clouds.is_empty().then_some(None)).ok_or_else(|| problem(rule, example));
    };
    let offer = Offer {
        cloud: cloud.clone(),
        id,
    };
    if service.offers.contains(&offer) {
        return Ok(Some(offer.id));
    }
    let mut others = service.offers.iter();
    let other = others.find(|other| other.cloud == *cloud);
    let other = other.map(|other| format!("\"{}\"", other.id));
    Err(problem(
        format!(
            "existingLoadBalancers of the configuration does not offer this load balancer on \
             {cloud} to the namespace {}",
            service.key.namespace
        ),
        other.unwrap_or_else(|| "no such annotation".to_owned()),
    ))
}

/// What `existing-lb` names on a cloud, if the configuration offers it to the Service.
pub fn named(service: &ServiceView, cloud: &CloudName) -> Option<LoadBalancerId> {
    let id = EXISTING_LB.optional(&service.annotations).ok()??;
    let cloud = cloud.clone();
    let offer = Offer { cloud, id };
    service.offers.contains(&offer).then_some(offer.id)
}

/// What a Service with `existing-lb` asks for and no update of it changes.
pub(super) fn contradictions(service: &ServiceView) -> Vec<Problem> {
    let problem = |subject, value: &str| Problem {
        kind: ProblemKind::Invalid,
        subject,
        value: Some(value.to_owned()),
        rule: format!(
            "a load balancer that others made ({}) stays as they made it, but for its listeners \
             and back ends",
            EXISTING_LB.name()
        ),
        example: "no such setting".to_owned(),
    };
    let annotations = SETTINGS.iter().filter_map(|about| {
        let value = service.annotations.get(about.name)?;
        Some(problem(Subject::annotation(about.name), value))
    });
    let ranges = service.source_ranges.join(",");
    let fields = [
        (
            !service.source_ranges.is_empty(),
            "spec.loadBalancerSourceRanges",
            &*ranges,
        ),
        (
            service.client_affinity_seconds.is_some(),
            "spec.sessionAffinity",
            "ClientIP",
        ),
        (
            service.requested_ip.is_some(),
            "spec.loadBalancerIP",
            service.requested_ip.as_deref().unwrap_or_default(),
        ),
        (
            service.requires_dual_stack,
            "spec.ipFamilyPolicy",
            "RequireDualStack",
        ),
    ];
    let fields = fields.into_iter().filter(|(is_set, ..)| *is_set);
    let fields = fields.map(|(_, path, value)| problem(Subject::field(path), value));
    annotations.chain(fields).collect()
}

/// What a Service declares for a load balancer that others made: its listeners, by names that
/// tell them from those of others. The settings are left out.
pub(super) fn template(declared: LoadBalancerSpec, owner: &Owner) -> LoadBalancerSpec {
    let mark = owner.clone().on_existing().listener_mark();
    let marked = |listener: Listener| Listener {
        name: match &*listener.name {
            "" => mark.clone(),
            name => format!("{mark}-{name}"),
        },
        ..listener
    };
    LoadBalancerSpec {
        listeners: declared.listeners.into_iter().map(marked).collect(),
        address_families: declared.address_families,
        ..LoadBalancerSpec::default()
    }
}

/// The spec of a load balancer that others made, with these listeners and back ends of a
/// Service in place of those that it has of this Service.
pub(super) fn beside_others(
    found: &LoadBalancer,
    own: LoadBalancerSpec,
    owner: &Owner,
) -> LoadBalancerSpec {
    let mut listeners = others(&found.spec, owner);
    listeners.extend(own.listeners);
    LoadBalancerSpec {
        nodes: own.nodes,
        listeners,
        ..found.spec.clone()
    }
}

/// The spec without the listeners of the Service that is attached; `None` if it has none, or if
/// they are taken off already. A load balancer cannot be without any listener: if all are ours,
/// they lose their back ends, whose node ports another Service may get.
pub(super) fn without_ours(found: &LoadBalancer, attached: &Owner) -> Option<LoadBalancerSpec> {
    // An update would take away what is not known here.
    if !found.is_whole() {
        return None;
    }
    let others = others(&found.spec, attached);
    let spec = match others.is_empty() {
        false => LoadBalancerSpec {
            listeners: others,
            ..found.spec.clone()
        },
        true => found.spec_with_nodes(&NodeAddresses::default()),
    };
    (spec != found.spec).then_some(spec)
}

/// The same request, made of what the cloud shows right before it is sent: with the listeners
/// that others have by now. `before` is what the request was made of first. `None` if another
/// plan is needed.
pub fn renewed(
    request: &CreateRequest,
    before: &LoadBalancer,
    live: &LoadBalancer,
) -> Option<CreateRequest> {
    let CreateRequest { name, owner, spec } = request;
    let is_attached = |found: &LoadBalancer| {
        let shown = found.existing_owner();
        shown.is_some_and(|shown| shown.is_same_service(owner))
    };
    // The back ends of others were judged by the plan.
    let is_same = is_attached(live)
        || (live.is_nobodys() && before.is_nobodys() && live.spec.nodes == before.spec.nodes);
    let mut listeners = others(&live.spec, owner);
    // What becomes of our listeners depends on that.
    let is_alone = listeners.is_empty();
    let is_as_planned = is_alone == others(spec, owner).is_empty();
    let (own, shown) = (self::own(spec, owner), self::own(&live.spec, owner));
    let has = |all: &[Listener], own: &Listener| all.iter().any(|one| one.is_same_port(own));
    let is_taken = |own: &Listener| has(&listeners, own) && !has(&shown, own);
    let fits = is_same
        && is_as_planned
        && live.state != State::Deleting
        && live.is_whole()
        && !own.iter().any(is_taken);
    listeners.extend(own);
    fits.then(|| CreateRequest {
        name: name.clone(),
        owner: owner.clone(),
        spec: LoadBalancerSpec {
            nodes: spec.nodes.clone(),
            listeners,
            ..live.spec.clone()
        },
    })
}

/// What of a spec of this load balancer is ours: all of it, or only back ends and listeners if
/// others made it.
pub(super) fn own_part(spec: &LoadBalancerSpec, of: &LoadBalancer) -> LoadBalancerSpec {
    let Some(owner) = of.existing_owner() else {
        return spec.clone();
    };
    LoadBalancerSpec {
        nodes: spec.nodes.clone(),
        listeners: own(spec, owner),
        ..LoadBalancerSpec::default()
    }
}

/// The spec of a load balancer with this in place of its [`own_part`].
pub(super) fn with_own_part(of: &LoadBalancer, part: LoadBalancerSpec) -> LoadBalancerSpec {
    match of.existing_owner() {
        Some(owner) => beside_others(of, part, owner),
        None => part,
    }
}

/// Whether an update puts our listeners on a load balancer that others made, rather than takes
/// them off, or the back ends if it cannot be without a listener.
pub fn puts_ours(request: &CreateRequest) -> bool {
    let CreateRequest { owner, spec, .. } = request;
    let is_emptied = || spec.nodes.is_empty() && others(spec, owner).is_empty();
    owner.is_on_existing() && !own(spec, owner).is_empty() && !is_emptied()
}

/// The listeners that are not of this owner, as they are.
fn others(spec: &LoadBalancerSpec, owner: &Owner) -> Vec<Listener> {
    listeners(spec, owner, false)
}

/// The listeners of this owner.
fn own(spec: &LoadBalancerSpec, owner: &Owner) -> Vec<Listener> {
    listeners(spec, owner, true)
}

fn listeners(spec: &LoadBalancerSpec, owner: &Owner, are_own: bool) -> Vec<Listener> {
    let owner = owner.clone().on_existing();
    let all = spec.listeners.iter();
    let chosen = all.filter(|listener| owner.has_listener(&listener.name) == are_own);
    chosen.cloned().collect()
}

/// Why a Service cannot have what it asks for, in view of what exists: the load balancer that
/// it names is not there or not fit, or it has another one that would be replaced.
pub(super) fn problems(wanted: &Wanted, observed: &Observed) -> Vec<Problem> {
    let asked = wanted.existing();
    let of_cloud = |cloud: &CloudName| {
        let view = observed.clouds.get(cloud)?;
        let rule = match (asked, view) {
            (_, CloudView::Present(found) | CloudView::Offered(found))
                if found.state == State::Deleting =>
            {
                None
            }
            (Some(id), CloudView::Absent) => Some(format!("{cloud} has no load balancer {id}")),
            (Some(id), CloudView::Present(found))
                if found.existing_owner().is_none() || found.id != *id =>
            {
                Some(replaced(cloud, found))
            }
            (None, CloudView::Present(found)) if found.existing_owner().is_some() => {
                Some(replaced(cloud, found))
            }
            (Some(_), CloudView::Present(found)) => unfit(wanted, cloud, found),
            (Some(_), CloudView::Offered(found)) => unfit(wanted, cloud, found)
                .or_else(|| other_back_ends(cloud, found, &observed.backends)),
            _ => None,
        };
        let example = match view {
            CloudView::Present(found) if found.existing_owner().is_some() => {
                format!("\"{}\"", found.id)
            }
            _ => "no such annotation".to_owned(),
        };
        Some(Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::annotation(EXISTING_LB.name()),
            value: asked.map(|id| id.as_str().to_owned()),
            rule: rule?,
            example,
        })
    };
    wanted.clouds.iter().filter_map(of_cloud).collect()
}

fn replaced(cloud: &CloudName, found: &LoadBalancer) -> String {
    let is = match found.existing_owner() {
        Some(_) => "is attached to",
        None => "has",
    };
    format!(
        "this Service {is} load balancer {} on {cloud}, which cannot be changed; it stays as it is \
         until the Service has the old value again, names another cloud or is created anew",
        found.id
    )
}

/// Why our listeners cannot be put beside those of others.
fn unfit(wanted: &Wanted, cloud: &CloudName, found: &LoadBalancer) -> Option<String> {
    let id = &found.id;
    if !found.is_understood {
        return Some(format!(
            "load balancer {id} on {cloud} has values that are not known here, and an update \
             would take them away"
        ));
    }
    if let Some((protocol, port)) = found.opaque_listener {
        return Some(format!(
            "load balancer {id} on {cloud} has a listener of others for {} {port} with fields that \
             are not known here, and an update would take them away",
            protocol.as_str()
        ));
    }
    let others = others(&found.spec, &wanted.owner);
    let is_taken = |own: &&Listener| others.iter().any(|other| other.is_same_port(own));
    let taken = wanted.listeners().iter().find(is_taken)?;
    Some(format!(
        "load balancer {id} on {cloud} has a listener of others for {} {}, which stays",
        taken.protocol.as_str(),
        taken.port
    ))
}

/// Why the Nodes cannot be its back ends: it has others, and has one set of them for all of its
/// listeners.
fn other_back_ends(cloud: &CloudName, found: &LoadBalancer, seen: &Backends) -> Option<String> {
    let nodes = seen.addresses_for(true);
    let mut kept = found.spec.nodes.iter();
    let other = kept.find(|node| !nodes.contains(node))?;
    Some(format!(
        "load balancer {} on {cloud} has the back end {other}, which is none of the Nodes; all of \
         its listeners have the same back ends, so this one would be taken away",
        found.id
    ))
}
