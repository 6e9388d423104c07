//! The annotations that this program knows, each declared once. Parsers, messages, the
//! search for the most similar name and the tables of both READMEs all follow from this
//! file (`make annotations`); the Chinese texts stand in `xtask/src/annotations/chinese.rs`.
//!
//! To add one: an entry here, its place in [`ALL`], the field of the spec, and a test.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{About, Annotation, DeletionPolicy, Needs, Switch, WhenAbsent, WhenChanged, grammar};
use crate::plan::capabilities::Feature;
use crate::plan::health_check::ProbeProtocol;
use crate::plan::load_balancer::{Algorithm, IdleTimeout};
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::node_choice::NodeAddressType;
use crate::plan::node_selector::NodeSelector;
use crate::plan::proxy_protocol::ProxyProtocol;
use crate::plan::tags::Tags;

/// Every annotation, in the order of the README.
pub const ALL: [&About; 25] = [
    &ENABLE.about,
    &PROVIDER.about,
    &EXISTING_LB.about,
    &PAUSED.about,
    &DELETION_POLICY.about,
    &LB_SPEC.about,
    &LB_BANDWIDTH.about,
    &ALGORITHM.about,
    &INTERNAL.about,
    &ADDRESS.about,
    &PROXY_PROTOCOL.about,
    &IDLE_TIMEOUT.about,
    &TAGS.about,
    &HEALTH_CHECK_PROTOCOL.about,
    &HEALTH_CHECK_PORT.about,
    &HEALTH_CHECK_PATH.about,
    &HEALTH_CHECK_INTERVAL.about,
    &HEALTH_CHECK_TIMEOUT.about,
    &HEALTH_CHECK_HEALTHY_THRESHOLD.about,
    &HEALTH_CHECK_UNHEALTHY_THRESHOLD.about,
    &SOURCE_RANGES.about,
    &NODE_SELECTOR.about,
    &NODE_ADDRESS_TYPE.about,
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
        per_port: false,
        needs: Needs::Nothing,
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
        per_port: false,
        needs: Needs::Nothing,
    },
    parse: grammar::clouds,
};

pub const EXISTING_LB: Annotation<LoadBalancerId> = Annotation {
    about: About {
        name: "existing-lb",
        help: "a load balancer that others made, in place of one of its own: only listeners of \
               this Service are put on it and taken off, and its back ends are set; its `lb-spec` \
               and `lb-bandwidth` stay, and it is never deleted",
        rule: "the id of a load balancer on the only cloud of `provider` that \
               `existingLoadBalancers` of the configuration offers to the namespace, of 1 to 253 \
               visible ASCII characters and no comma",
        example: "lb-1a2b",
        when_absent: WhenAbsent::Means("one is created"),
        when_changed: WhenChanged::Refused,
        per_port: false,
        needs: Needs::Feature(Feature::Attach),
    },
    parse: grammar::load_balancer_id,
};

pub const PAUSED: Annotation<Switch> = Annotation {
    about: About {
        name: "paused",
        help: "stops every change at the clouds and of the addresses in the status; a Service that \
               is deleted or no longer managed is cleaned up all the same",
        rule: "exactly `true`, or a plain no (`false`, `f`, `0`, `no`, `off`)",
        example: "true",
        when_absent: WhenAbsent::Means("not paused"),
        when_changed: WhenChanged::Pauses,
        per_port: false,
        needs: Needs::Nothing,
    },
    parse: Switch::parse,
};

pub const DELETION_POLICY: Annotation<DeletionPolicy> = Annotation {
    about: About {
        name: "deletion-policy",
        help: "what becomes of the load balancers when the Service is deleted or no longer managed; \
               a retained one stays at its cloud without an owner",
        rule: "`delete` or `retain`",
        example: "retain",
        when_absent: WhenAbsent::Value("delete"),
        when_changed: WhenChanged::CountsAtTheEnd,
        per_port: false,
        needs: Needs::Value,
    },
    parse: DeletionPolicy::parse,
};

pub const LB_SPEC: Annotation<String> = Annotation {
    about: About {
        name: "lb-spec",
        help: "the cloud's size or class of load balancer",
        rule: "1 to 63 letters, digits, `.`, `_` or `-`",
        example: "standard",
        when_absent: WhenAbsent::Value("standard"),
        when_changed: WhenChanged::Updates,
        per_port: false,
        needs: Needs::Value,
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
        per_port: false,
        needs: Needs::Value,
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
        per_port: false,
        needs: Needs::Value,
    },
    parse: grammar::algorithm,
};

pub const INTERNAL: Annotation<bool> = Annotation {
    about: About {
        name: "internal",
        help: "whether a load balancer is for private networks only",
        rule: "`true` or `false`",
        example: "true",
        when_absent: WhenAbsent::Value("false"),
        when_changed: WhenChanged::Refused,
        per_port: false,
        needs: Needs::FeatureUnlessDefault(Feature::Internal),
    },
    parse: grammar::boolean,
};

pub const ADDRESS: Annotation<Vec<IpAddr>> = Annotation {
    about: About {
        name: "address",
        help: "the address that a load balancer must have, in place of `spec.loadBalancerIP`; \
               `provider` then names one cloud",
        rule: "an IP address, or one of each family, separated by a comma",
        example: "203.0.113.7",
        when_absent: WhenAbsent::Means("`spec.loadBalancerIP`, else the cloud decides"),
        when_changed: WhenChanged::Refused,
        per_port: false,
        needs: Needs::Feature(Feature::Address),
    },
    parse: grammar::addresses,
};

pub const PROXY_PROTOCOL: Annotation<ProxyProtocol> = Annotation {
    about: About {
        name: "proxy-protocol",
        help: "the header by which a load balancer tells a back end the address of the client, on \
               TCP ports",
        rule: "`v1`, `v2` or `none`",
        example: "v2",
        when_absent: WhenAbsent::Value("none"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::FeatureUnlessDefault(Feature::ProxyProtocol),
    },
    parse: grammar::proxy_protocol,
};

pub const IDLE_TIMEOUT: Annotation<IdleTimeout> = Annotation {
    about: About {
        name: "idle-timeout",
        help: "the time without traffic after which a load balancer closes a connection",
        rule: "whole seconds or minutes, from `1s` to `100m`",
        example: "350s",
        when_absent: WhenAbsent::Means("the cloud decides"),
        when_changed: WhenChanged::Updates,
        per_port: false,
        needs: Needs::Feature(Feature::IdleTimeout),
    },
    parse: grammar::idle_timeout,
};

pub const TAGS: Annotation<Tags> = Annotation {
    about: About {
        name: "tags",
        help: "the tags of a load balancer, in addition to `defaultTags` of the configuration, of \
               which they override those with the same key",
        rule: "at most 20 of `key=value`, separated by commas, each key once and of 1 to 63 \
               letters, digits, `.`, `_`, `-` or `/`, each value of at most 128 visible ASCII \
               characters",
        example: "team=web,stage=test",
        when_absent: WhenAbsent::Means("only `defaultTags`"),
        when_changed: WhenChanged::Updates,
        per_port: false,
        needs: Needs::Feature(Feature::Tags),
    },
    parse: Tags::parse,
};

pub const HEALTH_CHECK_PROTOCOL: Annotation<ProbeProtocol> = Annotation {
    about: About {
        name: "health-check-protocol",
        help: "how a load balancer asks a Node whether it serves",
        rule: "`tcp`, `http` or `none`",
        example: "http",
        when_absent: WhenAbsent::Means(
            "`http` with `externalTrafficPolicy: Local`, else `tcp`; for UDP the cloud decides; \
             without port and path, `clusterServiceHealthCheck` of the configuration may change this",
        ),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::probe_protocol,
};

pub const HEALTH_CHECK_PORT: Annotation<u16> = Annotation {
    about: About {
        name: "health-check-port",
        help: "the port of the Node that is asked",
        rule: "a port from 1 to 65535",
        example: "10256",
        when_absent: WhenAbsent::Means(
            "with `externalTrafficPolicy: Local` the `healthCheckNodePort`, else the node port",
        ),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::port,
};

pub const HEALTH_CHECK_PATH: Annotation<String> = Annotation {
    about: About {
        name: "health-check-path",
        help: "the path of a health check over HTTP",
        rule: "a path that begins with `/`, of at most 255 visible ASCII characters",
        example: "/healthz",
        when_absent: WhenAbsent::Means("`/healthz` on the `healthCheckNodePort`, else `/`"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::path,
};

pub const HEALTH_CHECK_INTERVAL: Annotation<u32> = Annotation {
    about: About {
        name: "health-check-interval",
        help: "the time from one question to the next",
        rule: "whole seconds or minutes, from `1s` to `300s`",
        example: "5s",
        when_absent: WhenAbsent::Value("5s"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::seconds,
};

pub const HEALTH_CHECK_TIMEOUT: Annotation<u32> = Annotation {
    about: About {
        name: "health-check-timeout",
        help: "the time in which a Node must answer; at most the interval",
        rule: "whole seconds or minutes, from `1s` to `300s`",
        example: "3s",
        when_absent: WhenAbsent::Value("3s"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::seconds,
};

pub const HEALTH_CHECK_HEALTHY_THRESHOLD: Annotation<u32> = Annotation {
    about: About {
        name: "health-check-healthy-threshold",
        help: "the answers in a row after which a Node counts as healthy",
        rule: "a whole number from 1 to 10",
        example: "2",
        when_absent: WhenAbsent::Value("2"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::threshold,
};

pub const HEALTH_CHECK_UNHEALTHY_THRESHOLD: Annotation<u32> = Annotation {
    about: About {
        name: "health-check-unhealthy-threshold",
        help: "the failures in a row after which a Node counts as unhealthy",
        rule: "a whole number from 1 to 10",
        example: "3",
        when_absent: WhenAbsent::Value("3"),
        when_changed: WhenChanged::Updates,
        per_port: true,
        needs: Needs::Feature(Feature::HealthChecks),
    },
    parse: grammar::threshold,
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
        per_port: false,
        needs: Needs::Feature(Feature::SourceRanges),
    },
    parse: grammar::source_ranges,
};

/// Which Nodes are back ends; its grammar is that of kubectl.
pub const NODE_SELECTOR: Annotation<NodeSelector> = Annotation {
    about: About {
        name: "node-selector",
        help: "the labels of the Nodes that are back ends",
        rule: "a label selector as in `kubectl get nodes --selector`, of at most 1024 bytes",
        example: "pool=edge,zone in (a,b),!spot",
        when_absent: WhenAbsent::Means("all Nodes"),
        when_changed: WhenChanged::Updates,
        per_port: false,
        needs: Needs::Nothing,
    },
    parse: NodeSelector::parse,
};

pub const NODE_ADDRESS_TYPE: Annotation<NodeAddressType> = Annotation {
    about: About {
        name: "node-address-type",
        help: "which addresses of the Nodes are back ends: `InternalIP` or `ExternalIP`",
        rule: "`internal` or `external`",
        example: "internal",
        when_absent: WhenAbsent::Means("`nodeAddressType` of the configuration"),
        when_changed: WhenChanged::Updates,
        per_port: false,
        needs: Needs::Nothing,
    },
    parse: grammar::node_address_type,
};

pub const LB_ID: About = About {
    name: "lb-id",
    help: "the ids of the load balancers",
    rule: "a list, separated by commas",
    example: "lb-1a2b,lb-3c4d",
    when_absent: WhenAbsent::Means(""),
    when_changed: WhenChanged::Restored,
    per_port: false,
    needs: Needs::Nothing,
};

pub const LB_CLOUD: About = About {
    name: "lb-cloud",
    help: "the cloud of each id, in the same order; a cloud without an id is one on which a load \
           balancer is about to be created, or may have been",
    rule: "a list, separated by commas",
    example: "cloud1,cloud2",
    when_absent: WhenAbsent::Means(""),
    when_changed: WhenChanged::Restored,
    per_port: false,
    needs: Needs::Nothing,
};
