//! The configuration file: the settings that are the same for every replica.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::class;
use super::cloud;
use super::error::{ConfigErrors, Location, quote};
use super::existing;
use super::fields::Fields;
use super::validation;
use super::yaml::{self, Node};
use crate::cloud::RestSettings;
use crate::controller::orphans::OrphanPolicy;
use crate::kubernetes::node::NodeAddressType;
use crate::plan::annotation::{DEFAULT_PREFIX, TAGS};
use crate::plan::class::Classes;
use crate::plan::existing::Offers;
use crate::plan::health_check::ClusterCheck;
use crate::plan::naming::ClusterId;
use crate::plan::tags::Tags;

pub(super) const FIELDS: [&str; 17] = [
    "clusterId",
    "annotationPrefix",
    "nodeAddressType",
    "allowLoopbackNodes",
    "noNodesGracePeriod",
    "emptyWithoutAddresses",
    "orphans",
    "orphanGracePeriod",
    "sweepInterval",
    "driftInterval",
    "serviceCidrs",
    "watchTimeout",
    "clouds",
    "loadBalancerClasses",
    "defaultTags",
    "clusterServiceHealthCheck",
    "existingLoadBalancers",
];
const PERIOD_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(7 * 24 * 3600);
const WATCH_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);
const ADDRESS_TYPES: [(&str, NodeAddressType); 2] = [
    ("internal", NodeAddressType::Internal),
    ("external", NodeAddressType::External),
];
const SWITCH: [(&str, bool); 2] = [("true", true), ("false", false)];
const ORPHANS: [(&str, OrphanPolicy); 2] = [
    ("delete", OrphanPolicy::Delete),
    ("report", OrphanPolicy::Report),
];
const CLUSTER_CHECKS: [(&str, ClusterCheck); 2] = [
    ("nodePort", ClusterCheck::NodePort),
    ("kubeProxy", ClusterCheck::KubeProxy),
];

/// The settings of the file, with defaults filled in.
#[derive(Clone, Debug)]
pub struct FileSettings {
    pub cluster_id: Option<ClusterId>,
    pub annotation_prefix: String,
    pub node_address_type: NodeAddressType,
    pub allow_loopback_nodes: bool,
    pub no_nodes_grace_period: Duration,
    pub empty_without_addresses: bool,
    pub orphans: OrphanPolicy,
    pub orphan_grace_period: Duration,
    pub sweep_interval: Duration,
    pub drift_interval: Duration,
    pub watch_timeout: Duration,
    pub clouds: Vec<RestSettings>,
    pub classes: Classes,
    pub default_tags: Tags,
    pub cluster_check: ClusterCheck,
    pub offers: Offers,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            cluster_id: None,
            annotation_prefix: DEFAULT_PREFIX.into(),
            node_address_type: NodeAddressType::Internal,
            allow_loopback_nodes: false,
            no_nodes_grace_period: Duration::from_secs(5 * 60),
            empty_without_addresses: false,
            orphans: OrphanPolicy::Delete,
            orphan_grace_period: Duration::from_secs(10 * 60),
            sweep_interval: Duration::from_secs(5 * 60),
            drift_interval: Duration::from_secs(10 * 60),
            watch_timeout: Duration::from_secs(20),
            clouds: cloud::defaults(&[]),
            classes: Classes::new(),
            default_tags: Tags::default(),
            cluster_check: ClusterCheck::default(),
            offers: Offers::new(),
        }
    }
}

/// Reads the file. Errors are added to `errors`, and defaults replace invalid values.
pub fn read(path: &Path, errors: &mut ConfigErrors) -> FileSettings {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let rule = format!("it must be a YAML file that can be read ({error})");
            errors.add(Location::File("--config".into()), quote(&file), rule);
            return FileSettings::default();
        }
    };
    match yaml::parse(&text) {
        Ok(document) => read_document(&file, &document, errors),
        Err(error) => {
            let place = Location::Field {
                file,
                line: error.line.unwrap_or(1),
                path: String::new(),
            };
            let rule = format!("it must be one YAML document ({})", error.message);
            errors.add(place, "invalid YAML", rule);
            FileSettings::default()
        }
    }
}

fn read_document(file: &str, document: &Node, errors: &mut ConfigErrors) -> FileSettings {
    let standard = FileSettings::default();
    let Some(section) = Fields::open(file, "", document, &FIELDS, errors) else {
        return standard;
    };
    let period = |name: &str, standard: Duration, errors: &mut ConfigErrors| {
        section
            .read(name, validation::duration_in(PERIOD_RANGE), errors)
            .unwrap_or(standard)
    };
    let service_ranges = section.read_list("serviceCidrs", validation::range, errors);
    let clouds = read_clouds(file, &section, &service_ranges, errors);
    let clouds = clouds.unwrap_or_else(|| cloud::defaults(&service_ranges));
    let classes = section.list("loadBalancerClasses", errors);
    let classes = class::read(file, classes.unwrap_or_default(), &clouds, errors);
    let offers = section.list("existingLoadBalancers", errors);
    let offers = existing::read(file, &section, offers.unwrap_or_default(), &clouds, errors);
    let switch = |name: &str, standard: bool, errors: &mut ConfigErrors| {
        section
            .read(name, validation::one_of(&SWITCH), errors)
            .unwrap_or(standard)
    };
    FileSettings {
        allow_loopback_nodes: switch("allowLoopbackNodes", standard.allow_loopback_nodes, errors),
        no_nodes_grace_period: period("noNodesGracePeriod", standard.no_nodes_grace_period, errors),
        empty_without_addresses: switch(
            "emptyWithoutAddresses",
            standard.empty_without_addresses,
            errors,
        ),
        orphan_grace_period: period("orphanGracePeriod", standard.orphan_grace_period, errors),
        sweep_interval: period("sweepInterval", standard.sweep_interval, errors),
        drift_interval: period("driftInterval", standard.drift_interval, errors),
        watch_timeout: section
            .read(
                "watchTimeout",
                validation::duration_in(WATCH_TIMEOUT_RANGE),
                errors,
            )
            .unwrap_or(standard.watch_timeout),
        cluster_id: section
            .read_unless_empty("clusterId", validation::cluster_id, errors)
            .map(ClusterId::new),
        annotation_prefix: section
            .read("annotationPrefix", validation::annotation_prefix, errors)
            .unwrap_or(standard.annotation_prefix),
        node_address_type: section
            .read(
                "nodeAddressType",
                validation::one_of(&ADDRESS_TYPES),
                errors,
            )
            .unwrap_or(standard.node_address_type),
        orphans: section
            .read("orphans", validation::one_of(&ORPHANS), errors)
            .unwrap_or(standard.orphans),
        clouds,
        classes,
        default_tags: section
            .read("defaultTags", validation::value_of(&TAGS), errors)
            .unwrap_or_default(),
        cluster_check: section
            .read(
                "clusterServiceHealthCheck",
                validation::one_of(&CLUSTER_CHECKS),
                errors,
            )
            .unwrap_or(standard.cluster_check),
        offers,
    }
}

fn read_clouds(
    file: &str,
    section: &Fields<'_>,
    service_ranges: &[IpNet],
    errors: &mut ConfigErrors,
) -> Option<Vec<RestSettings>> {
    let nodes = section.list("clouds", errors)?;
    if nodes.is_empty() {
        errors.add(
            section.place("clouds"),
            "an empty list",
            "it must name at least one cloud",
        );
    }
    Some(cloud::read(file, nodes, service_ranges, errors))
}
