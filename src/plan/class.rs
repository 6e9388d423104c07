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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::annotation::{INTERNAL, LB_BANDWIDTH, LB_SPEC, PROVIDER};

    /// Each value that a class may fix, with another one that a Service could have.
    const VALUES: [(&About, &str, &str); 4] = [
        (&PROVIDER.about, "cloud1", "cloud2"),
        (&LB_SPEC.about, "gold", "large"),
        (&LB_BANDWIDTH.about, "50M", "80M"),
        (&INTERNAL.about, "true", "false"),
    ];

    fn applied(class: &LoadBalancerClass, own: Option<(&About, &str)>) -> (String, Vec<String>) {
        let own = own.map(|(about, value)| (about.name.to_owned(), value.to_owned()));
        let mut annotations = own.into_iter().collect();
        let refused = class.apply("example.com/gold", &mut annotations);
        let refused = refused
            .iter()
            .map(|one| one.problem().describe("mycloud.com"));
        let values = VALUES
            .map(|(about, ..)| annotations[about.name].as_str())
            .join(" ");
        (values, refused.collect())
    }

    #[test]
    fn a_class_gives_its_values_and_a_service_overrides_what_is_left_to_it() {
        let mut fixed = LoadBalancerClass::default();
        for (about, value, _) in VALUES {
            fixed.set(about, value);
        }
        let of_class = "cloud1 gold 50M true";
        assert_eq!(applied(&fixed, None), (of_class.to_owned(), Vec::new()));
        for (about, value, other) in VALUES {
            let name = about.name;
            let same = applied(&fixed, Some((about, value)));
            assert_eq!(
                same,
                (of_class.to_owned(), Vec::new()),
                "{name}: the same value"
            );

            let (_, refused) = applied(&fixed, Some((about, other)));
            let says = format!(
                "annotation mycloud.com/{name} is {other:?}: the load balancer class example.com/gold fixes it to {value:?}"
            );
            assert!(
                matches!(&*refused, [one] if one.starts_with(&says)),
                "{says}: {refused:?}"
            );

            let mut left = fixed.clone();
            left.leave_to_services(about);
            let overridden = of_class.replace(value, other);
            assert_eq!(
                applied(&left, Some((about, other))),
                (overridden, Vec::new())
            );
            for (another, _, other) in VALUES.iter().filter(|(another, ..)| another.name != name) {
                let (_, refused) = applied(&left, Some((another, other)));
                assert_eq!(
                    refused.len(),
                    1,
                    "{name} is left to Services, not {}",
                    another.name
                );
            }
        }
    }
}
