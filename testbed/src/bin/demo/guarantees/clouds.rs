//! Guarantees that the clouds' logs and inventories show.

use std::collections::BTreeSet;

use kube::ResourceExt;
use testbed::cloud::{Effect, Event, Verb};

use super::{Evidence, Verdict};
use crate::inventory::owner_uid;

/// Each term writes after the one before has ended: fencing tokens never go down.
pub fn one_writer(evidence: &Evidence<'_>) -> Verdict {
    let tokens: Vec<Option<u64>> = evidence
        .writes
        .iter()
        .map(|write| write.fencing_token)
        .collect();
    let terms: BTreeSet<&Option<u64>> = tokens.iter().collect();
    Verdict {
        guarantee: "one-writer",
        held: tokens.is_sorted() && tokens.iter().all(Option::is_some),
        because: format!(
            "{} cloud writes in {} terms of leadership, one term after the other",
            tokens.len(),
            terms.len()
        ),
    }
}

/// One load balancer for each Service and cloud, now and at any time.
pub fn no_duplicate(evidence: &Evidence<'_>) -> Verdict {
    let created = evidence
        .writes
        .iter()
        .filter(|write| write.effect == Some(Effect::Created));
    let made: Vec<Option<&str>> = created.map(|write| write.name.as_deref()).collect();
    let names: BTreeSet<_> = made.iter().collect();
    let owned = || {
        let entries = evidence.load_balancers.iter();
        entries.filter_map(|(cloud, entry)| Some((cloud.as_str(), owner_uid(entry)?)))
    };
    let owners: BTreeSet<_> = owned().collect();
    let asked = evidence.services.len() - unmanaged(evidence) + deleted(evidence);
    Verdict {
        guarantee: "no-duplicate",
        held: names.len() == made.len() && owners.len() == owned().count() && made.len() == asked,
        because: format!(
            "{} load balancers made for {asked} Services, through two failovers",
            made.len()
        ),
    }
}

/// Every load balancer of this cluster has its Service.
pub fn no_leak(evidence: &Evidence<'_>) -> Verdict {
    let alive: BTreeSet<String> = evidence
        .services
        .iter()
        .filter_map(ResourceExt::uid)
        .collect();
    let owners = || {
        evidence
            .load_balancers
            .iter()
            .filter_map(|(_, entry)| owner_uid(entry))
    };
    let orphans = owners().filter(|uid| !alive.contains(*uid)).count();
    Verdict {
        guarantee: "no-leak",
        held: orphans == 0,
        because: format!(
            "{} load balancers left, {orphans} without their Service; {} Service deleted",
            owners().count(),
            deleted(evidence)
        ),
    }
}

/// What others have is as it was, and nobody asked to change it.
pub fn no_hijack(evidence: &Evidence<'_>) -> Verdict {
    let foreign = &evidence.facts.foreign;
    let as_it_was = |found: &&_| {
        evidence
            .load_balancers
            .iter()
            .any(|(_, entry)| &entry == found)
    };
    let same = foreign.iter().filter(as_it_was).count();
    let tries = evidence.writes.iter().filter(|write| {
        let about = [write.id.as_deref(), write.name.as_deref()];
        foreign
            .iter()
            .any(|other| about.contains(&Some(&other.id)) || about.contains(&Some(&other.name)))
    });
    let tries = tries.count();
    Verdict {
        guarantee: "no-hijack",
        held: same == foreign.len() && tries == 0,
        because: format!(
            "{same} of {} foreign load balancers as they were, {tries} writes to them",
            foreign.len()
        ),
    }
}

/// No write left a load balancer without back ends.
pub fn never_empty(evidence: &Evidence<'_>) -> Verdict {
    let settings = evidence
        .writes
        .iter()
        .filter(|write| matches!(write.verb, Verb::Create | Verb::Update));
    let counts: Vec<usize> = settings.map(back_ends).collect();
    let fewest = counts.iter().min().copied().unwrap_or_default();
    Verdict {
        guarantee: "never-empty",
        held: fewest > 0,
        because: format!(
            "{} creates and updates, none with fewer than {fewest} back ends",
            counts.len()
        ),
    }
}

fn back_ends(write: &Event) -> usize {
    write.request["nodes"].as_array().map_or(0, Vec::len)
}

/// Services that do not ask for a load balancer.
fn unmanaged(evidence: &Evidence<'_>) -> usize {
    evidence
        .services
        .iter()
        .filter(|service| !super::kubernetes::asks(service))
        .count()
}

/// Services that asked for one and are gone.
fn deleted(evidence: &Evidence<'_>) -> usize {
    let alive: BTreeSet<String> = evidence
        .services
        .iter()
        .filter_map(ResourceExt::uid)
        .collect();
    let gone = evidence
        .facts
        .applied
        .iter()
        .filter(|service| super::kubernetes::asks(service));
    gone.filter_map(ResourceExt::uid)
        .filter(|uid| !alive.contains(uid))
        .count()
}
