//! The last content that this replica wrote to each part of a Service. The same content
//! again, for the same input of the user, means that another writer undid it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::per_spec::PerSpec;
use crate::controller::attempt::SpecHash;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::condition::find;
use crate::kubernetes::port_errors;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::naming::ServiceUid;
use crate::plan::record::Publication;

/// A part of a Service that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub enum Part {
    #[strum(serialize = "the finalizer")]
    Finalizer,
    #[strum(serialize = "the record (annotations lb-id and lb-cloud)")]
    Record,
    #[strum(serialize = "the addresses in status.loadBalancer")]
    Addresses,
    #[strum(serialize = "the condition")]
    Condition,
    #[strum(serialize = "the errors of ports")]
    Ports,
}

/// The parts that a write changed, with a hash of their new content.
pub type Changed = BTreeMap<Part, u64>;

/// The parts that a patch changes in this state of a Service.
pub fn changed(before: &Service, patch: &ServicePatch<'_>, keys: &MetadataKeys) -> Changed {
    let mut changed = Changed::new();
    let Some(view) = view(before, keys) else {
        return changed;
    };
    if let Some(wanted) = patch.finalizer.filter(|wanted| *wanted != view.finalizer) {
        changed.insert(Part::Finalizer, hash(&wanted));
    }
    if let Some(publication) = patch.publication {
        if publication.record != view.record {
            changed.insert(Part::Record, hash(&publication.record));
        }
        let Publication {
            record: _,
            ingress,
            modes,
        } = publication;
        let is_shown = *ingress == view.published && modes.are_met_by(&view.published_modes);
        if !is_shown && !patch.keep_ingress {
            changed.insert(Part::Addresses, hash(&(ingress, modes)));
        }
    }
    if let Some(ports) = patch.ports
        && !port_errors::are_shown(before, ports, keys.prefix())
    {
        changed.insert(Part::Ports, hash(&ports.ports));
    }
    let condition = find(before, keys.condition());
    match patch.readiness {
        Some(readiness) if !condition.is_some_and(|before| readiness.matches(before)) => {
            let reason = <&str>::from(readiness.reason);
            changed.insert(Part::Condition, hash(&(reason, &readiness.message)));
        }
        None if patch.remove_condition && condition.is_some() => {
            changed.insert(Part::Condition, 0);
        }
        _ => {}
    }
    changed
}

fn hash(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// The last content of each part of each Service.
#[derive(Default)]
pub struct OwnWrites(PerSpec<Changed>);

impl OwnWrites {
    /// Records a write that succeeded. Returns the parts whose content was written before,
    /// with nothing else in between: another writer has undone it.
    pub fn record(
        &self,
        uid: &ServiceUid,
        spec_hash: SpecHash,
        changed: Changed,
    ) -> BTreeSet<Part> {
        self.0.change(uid, spec_hash, |written| {
            let is_repeated = |(part, content): (Part, u64)| {
                let before = written.insert(part, content);
                (before == Some(content)).then_some(part)
            };
            changed.into_iter().filter_map(is_repeated).collect()
        })
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::condition::{ConditionReason, Readiness};
    use crate::plan::record::Record;

    #[test]
    fn the_same_content_again_is_the_repair_of_what_another_writer_did() {
        let writes = OwnWrites::default();
        let (uid, spec) = (ServiceUid::new("u"), SpecHash::for_test(1));
        let record = |part, content| writes.record(&uid, spec, Changed::from([(part, content)]));
        assert!(record(Part::Record, 1).is_empty(), "the first");
        assert!(record(Part::Condition, 1).is_empty(), "another part");
        assert!(record(Part::Record, 2).is_empty(), "another content");
        assert!(record(Part::Record, 1).is_empty(), "the cloud went back");
        assert_eq!(record(Part::Record, 1), [Part::Record].into());
        let edited = SpecHash::for_test(2);
        let after = writes.record(&uid, edited, Changed::from([(Part::Record, 1)]));
        assert!(after.is_empty(), "a user edited the Service");
    }

    #[test]
    fn only_the_parts_that_differ_are_written() {
        let keys = MetadataKeys::new("mycloud.com");
        let readiness = Readiness::new(ConditionReason::Ready, "m");
        let publication = Publication {
            record: Record::parse(Some("lb-1"), Some("cloud1")),
            ..Publication::default()
        };
        let patch = ServicePatch {
            finalizer: Some(true),
            publication: Some(&publication),
            readiness: Some(&readiness),
            ..ServicePatch::default()
        };
        let service = |json| serde_json::from_value::<Service>(json).expect("a Service");
        let bare = service(json!({"metadata": {"namespace": "n", "name": "web", "uid": "u"}}));
        let parts: Vec<Part> = changed(&bare, &patch, &keys).into_keys().collect();
        assert_eq!(parts, [Part::Finalizer, Part::Record, Part::Condition]);
        let whole = service(json!({
            "metadata": {
                "namespace": "n", "name": "web", "uid": "u",
                "finalizers": ["mycloud.com/load-balancer"],
                "annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"},
            },
            "status": {"conditions": [{
                "type": "mycloud.com/LoadBalancerReady", "status": "True", "reason": "Ready", "message": "m",
            }]},
        }));
        assert!(changed(&whole, &patch, &keys).is_empty());
    }
}
