//! The load balancer classes of the configuration: values that a class gives to its
//! Services.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::annotation::{About, ENABLE};
use super::problem::{Problem, ProblemKind, Subject};

/// The classes by `spec.loadBalancerClass`.
pub type Classes = BTreeMap<String, LoadBalancerClass>;

/// A load balancer class. A Service of it needs no annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancerClass {
    /// The values of annotations, by name.
    values: BTreeMap<&'static str, String>,
    /// The annotations whose values a Service may override.
    may_override: BTreeSet<&'static str>,
}

/// A value that a Service has and its class does not leave to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Refused {
    annotation: &'static str,
    value: String,
    class: String,
    fixed: String,
}

impl LoadBalancerClass {
    /// Gives Services of the class this value.
    pub fn set(&mut self, annotation: &About, value: &str) {
        self.values.insert(annotation.name, value.to_owned());
    }

    /// Leaves a value to the Services of the class.
    pub fn leave_to_services(&mut self, annotation: &About) {
        self.may_override.insert(annotation.name);
    }

    /// Adds the values of this class to the annotations of a Service, and gives those that
    /// the Service must not override. A Service is enabled by its class.
    pub fn apply(&self, name: &str, annotations: &mut BTreeMap<String, String>) -> Vec<Refused> {
        let enable = annotations.entry(ENABLE.name().to_owned());
        enable.or_insert_with(|| "true".to_owned());
        let mut refused = Vec::new();
        for (&annotation, fixed) in &self.values {
            match annotations.get(annotation) {
                Some(value) if value.trim() == fixed => {}
                Some(_) if self.may_override.contains(annotation) => {}
                Some(value) => refused.push(Refused {
                    annotation,
                    value: value.clone(),
                    class: name.to_owned(),
                    fixed: fixed.clone(),
                }),
                None => {
                    annotations.insert(annotation.to_owned(), fixed.clone());
                }
            }
        }
        refused
    }
}

impl Refused {
    pub(super) fn problem(&self) -> Problem {
        let Self {
            annotation,
            value,
            class,
            fixed,
        } = self;
        Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::annotation(annotation),
            value: Some(value.clone()),
            rule: format!("the load balancer class {class} fixes it to {fixed:?}"),
            example: "no such annotation".to_owned(),
        }
    }
}

/// The problem of a Service that is ours by a class which left the configuration: it is more
/// likely a mistake than a wish to delete its load balancers.
pub(super) fn gone(class: &str) -> Problem {
    Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::field("spec.loadBalancerClass"),
        value: Some(class.to_owned()),
        rule: "the configuration of this controller has no such class any more, and until it has \
               again, or the Service is deleted, its load balancers stay as they are"
            .to_owned(),
        example: "a name of loadBalancerClasses".to_owned(),
    }
}
