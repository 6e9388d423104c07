//! The annotations that this program knows, each declared once. Parsers, messages, the
//! search for the most similar name and the tables of both READMEs all follow from this
//! file (`make annotations`).
//!
//! To add one: an entry here, its place in [`ALL`], the field of the spec, and a test.

use std::collections::BTreeSet;

use super::{About, Annotation, Switch, WhenAbsent, WhenChanged, grammar};
use crate::plan::load_balancer::Algorithm;
use crate::plan::naming::CloudName;

/// Every annotation, in the order of the README.
pub const ALL: [&About; 8] = [
    &ENABLE.about,
    &PROVIDER.about,
    &LB_SPEC.about,
    &LB_BANDWIDTH.about,
    &ALGORITHM.about,
    &SOURCE_RANGES.about,
    &LB_ID,
    &LB_CLOUD,
];

pub const ENABLE: Annotation<Switch> = Annotation {
    about: About {
        name: "enable",
        help: "puts the Service under the management of this controller",
        rule: "exactly `true`, or a plain no (`false`, `f`, `0`, `no`, `off`), and until it is, \
               nothing changes",
        example: "true",
        when_absent: WhenAbsent::Means("disabled"),
        when_changed: WhenChanged::Switches,
    },
    parse: Switch::parse,
};

pub const PROVIDER: Annotation<BTreeSet<CloudName>> = Annotation {
    about: About {
        name: "provider",
        help: "the clouds, with one load balancer on each",
        rule: "one or more configured clouds, separated by commas",
        example: "cloud1",
        when_absent: WhenAbsent::Invalid,
        when_changed: WhenChanged::Moves,
    },
    parse: grammar::clouds,
};

pub const LB_SPEC: Annotation<String> = Annotation {
    about: About {
        name: "lb-spec",
        help: "the cloud's size or class of load balancer",
        rule: "1 to 63 letters, digits, `.`, `_` or `-`",
        example: "standard",
        when_absent: WhenAbsent::Value("standard"),
        when_changed: WhenChanged::Updates,
    },
    parse: grammar::name,
};

pub const LB_BANDWIDTH: Annotation<String> = Annotation {
    about: About {
        name: "lb-bandwidth",
        help: "the bandwidth in bits per second",
        rule: "a positive whole number of at most 9 digits, followed by `K`, `M` or `G`",
        example: "10M",
        when_absent: WhenAbsent::Value("5M"),
        when_changed: WhenChanged::Updates,
    },
    parse: grammar::bandwidth,
};

pub const ALGORITHM: Annotation<Algorithm> = Annotation {
    about: About {
        name: "algorithm",
        help: "how a load balancer picks a back end",
        rule: "`round-robin`, `least-connections` or `source-hash`",
        example: "round-robin",
        when_absent: WhenAbsent::Value("round-robin"),
        when_changed: WhenChanged::Updates,
    },
    parse: grammar::algorithm,
};

/// The annotation of other controllers, which upstream's helper (k8s.io/cloud-provider,
/// `GetLoadBalancerSourceRanges`) reads where `spec.loadBalancerSourceRanges` is empty.
pub const SOURCE_RANGES: Annotation<Vec<String>> = Annotation {
    about: About {
        name: "service.beta.kubernetes.io/load-balancer-source-ranges",
        help: "the allowed client addresses, where `spec.loadBalancerSourceRanges` is empty; \
               the name is that of other controllers, without this prefix",
        rule: "a list of CIDRs, separated by commas",
        example: "192.0.2.0/24,198.51.100.0/24",
        when_absent: WhenAbsent::Means("all"),
        when_changed: WhenChanged::Updates,
    },
    parse: grammar::source_ranges,
};

pub const LB_ID: About = About {
    name: "lb-id",
    help: "the ids of the load balancers",
    rule: "a list, separated by commas",
    example: "lb-1a2b,lb-3c4d",
    when_absent: WhenAbsent::Means(""),
    when_changed: WhenChanged::Restored,
};

pub const LB_CLOUD: About = About {
    name: "lb-cloud",
    help: "the cloud of each id, in the same order; a cloud without an id is one on which a load \
           balancer is about to be created, or may have been",
    rule: "a list, separated by commas",
    example: "cloud1,cloud2",
    when_absent: WhenAbsent::Means(""),
    when_changed: WhenChanged::Restored,
};
