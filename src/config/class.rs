//! The load balancer classes of the configuration file.

use super::error::{ConfigErrors, Violation, quote};
use super::fields::Fields;
use super::validation;
use super::yaml::Node;
use crate::cloud::RestSettings;
use crate::plan::annotation::{
    About, Annotation, INTERNAL, LB_BANDWIDTH, LB_SPEC, PROVIDER, rule_of_clouds,
};
use crate::plan::class::{Classes, LoadBalancerClass};

pub(super) const FIELDS: [&str; 6] = [
    "name",
    "cloud",
    "spec",
    "bandwidth",
    "internal",
    "mayOverride",
];

/// The fields whose values a class may leave to its Services.
const OVERRIDABLE: [(&str, &About); 4] = [
    ("cloud", &PROVIDER.about),
    ("spec", &LB_SPEC.about),
    ("bandwidth", &LB_BANDWIDTH.about),
    ("internal", &INTERNAL.about),
];

/// Reads the classes of the list. One without a valid name is left out; errors are added to
/// `errors`.
pub(super) fn read(
    file: &str,
    nodes: &[Node],
    clouds: &[RestSettings],
    errors: &mut ConfigErrors,
) -> Classes {
    let mut classes = Classes::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("loadBalancerClasses[{index}]");
        let Some(section) = Fields::open(file, &path, node, &FIELDS, errors) else {
            continue;
        };
        let before = errors.len();
        let name = section.read("name", validation::class_name, errors);
        if name.is_none() && errors.len() == before {
            errors.add(section.place("name"), "nothing", "every class needs a name");
        }
        let class = read_one(&section, clouds, errors);
        let Some(name) = name else {
            continue;
        };
        if classes.contains_key(&name) {
            let rule = "another class has this name";
            errors.add(section.place("name"), quote(&name), rule);
        }
        classes.insert(name, class);
    }
    classes
}

fn read_one(
    section: &Fields<'_>,
    clouds: &[RestSettings],
    errors: &mut ConfigErrors,
) -> LoadBalancerClass {
    let mut class = LoadBalancerClass::default();
    let values = [
        section.read("cloud", configured(clouds), errors),
        section.read("spec", valid(&LB_SPEC), errors),
        section.read("bandwidth", valid(&LB_BANDWIDTH), errors),
        section.read("internal", valid(&INTERNAL), errors),
    ];
    for ((_, about), value) in OVERRIDABLE.iter().zip(values) {
        if let Some(value) = value {
            class.set(about, &value);
        }
    }
    for about in section.read_list("mayOverride", validation::one_of(&OVERRIDABLE), errors) {
        class.leave_to_services(about);
    }
    class
}

/// The names of configured clouds, separated by commas.
fn configured(clouds: &[RestSettings]) -> impl Fn(&str) -> Result<String, Violation> {
    move |text| {
        let names: Vec<&str> = clouds.iter().map(|cloud| cloud.name.as_str()).collect();
        if text.split(',').all(|name| names.contains(&name.trim())) {
            return Ok(text.to_owned());
        }
        Err(Violation::new(rule_of_clouds(&names)))
    }
}

/// The text of a value by the rule of its annotation.
fn valid<T>(annotation: &Annotation<T>) -> impl Fn(&str) -> Result<String, Violation> {
    let rule = validation::value_of(annotation);
    move |text| rule(text).map(|_| text.to_owned())
}
