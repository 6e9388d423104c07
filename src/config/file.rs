//! The file of `--config`: the settings that are the same for every replica.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::cloud::{self, CloudConfig};
use super::document::{self, Node};
use super::mistake::{Mistakes, Place, quote};
use super::rules;
use super::section::Section;
use super::{NodeAddressType, Orphans};
use crate::plan::naming::ClusterId;

const FIELDS: [&str; 8] = [
    "clusterId",
    "annotationPrefix",
    "nodeAddressType",
    "orphans",
    "orphanGracePeriod",
    "sweepInterval",
    "driftInterval",
    "clouds",
];
const PERIOD_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(7 * 24 * 3600);
const ADDRESS_TYPES: [(&str, NodeAddressType); 2] = [
    ("internal", NodeAddressType::Internal),
    ("external", NodeAddressType::External),
];
const ORPHANS: [(&str, Orphans); 2] = [("delete", Orphans::Delete), ("report", Orphans::Report)];

/// What the file holds, defaults filled in.
#[derive(Clone, Debug)]
pub struct FileSettings {
    pub cluster_id: Option<ClusterId>,
    pub annotation_prefix: String,
    pub node_address_type: NodeAddressType,
    pub orphans: Orphans,
    pub orphan_grace_period: Duration,
    pub sweep_interval: Duration,
    pub drift_interval: Duration,
    pub clouds: Vec<CloudConfig>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            cluster_id: None,
            annotation_prefix: "mycloud.com".into(),
            node_address_type: NodeAddressType::Internal,
            orphans: Orphans::Delete,
            orphan_grace_period: Duration::from_secs(10 * 60),
            sweep_interval: Duration::from_secs(5 * 60),
            drift_interval: Duration::from_secs(10 * 60),
            clouds: cloud::defaults(),
        }
    }
}

/// Reads the file; mistakes are noted, and defaults stand in for what was wrong.
pub fn read(path: &Path, mistakes: &mut Mistakes) -> FileSettings {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let rule = format!("it must be a YAML file that can be read ({error})");
            mistakes.add(Place::File("--config".into()), quote(&file), rule);
            return FileSettings::default();
        }
    };
    match document::parse(&text) {
        Ok(document) => read_document(&file, &document, mistakes),
        Err(error) => {
            let place = Place::Field {
                file,
                line: error.line.unwrap_or(1),
                path: String::new(),
            };
            let rule = format!("it must be one YAML document ({})", error.message);
            mistakes.add(place, "no YAML", rule);
            FileSettings::default()
        }
    }
}

fn read_document(file: &str, document: &Node, mistakes: &mut Mistakes) -> FileSettings {
    let standard = FileSettings::default();
    let Some(section) = Section::open(file, "", document, &FIELDS, mistakes) else {
        return standard;
    };
    let period = |name: &str, standard: Duration, mistakes: &mut Mistakes| {
        section
            .read(name, rules::duration_in(PERIOD_RANGE), mistakes)
            .unwrap_or(standard)
    };
    FileSettings {
        orphan_grace_period: period("orphanGracePeriod", standard.orphan_grace_period, mistakes),
        sweep_interval: period("sweepInterval", standard.sweep_interval, mistakes),
        drift_interval: period("driftInterval", standard.drift_interval, mistakes),
        cluster_id: section
            .read_unless_empty("clusterId", rules::cluster_id, mistakes)
            .map(ClusterId::new),
        annotation_prefix: section
            .read("annotationPrefix", rules::annotation_prefix, mistakes)
            .unwrap_or(standard.annotation_prefix),
        node_address_type: section
            .read("nodeAddressType", rules::one_of(&ADDRESS_TYPES), mistakes)
            .unwrap_or(standard.node_address_type),
        orphans: section
            .read("orphans", rules::one_of(&ORPHANS), mistakes)
            .unwrap_or(standard.orphans),
        clouds: read_clouds(file, &section, mistakes).unwrap_or(standard.clouds),
    }
}

fn read_clouds(
    file: &str,
    section: &Section<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<CloudConfig>> {
    let nodes = section.list("clouds", mistakes)?;
    if nodes.is_empty() {
        mistakes.add(
            section.place("clouds"),
            "an empty list",
            "it must name at least one cloud",
        );
    }
    Some(cloud::read(file, nodes, mistakes))
}
