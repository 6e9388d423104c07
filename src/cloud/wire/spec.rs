//! The spec of a load balancer in a response.

use std::collections::BTreeSet;

use super::SessionAffinityBody;
use super::field::{self, BackEnds, Shown};
use super::listener::Listeners;
use super::object::Object;
use super::response::LoadBalancerBody;
use crate::plan::canonical;
use crate::plan::capabilities::Feature;
use crate::plan::health_check::HealthCheck;
use crate::plan::load_balancer::{Algorithm, IdleTimeout, Listener, LoadBalancerSpec, Protocol};
use crate::plan::node_addresses::IpFamily;
use crate::plan::tags::Tags;

/// The spec in a response.
pub(super) struct ReadSpec {
    pub(super) spec: LoadBalancerSpec,
    /// Whether every field of it is known that the cloud has.
    pub(super) is_understood: bool,
    /// Whether it lacks back ends because they cannot be read.
    pub(super) has_other_back_ends: bool,
}

impl LoadBalancerBody<'_> {
    /// Reads the spec. `requested` has the fields that the response lacks, `features` what the
    /// cloud can do.
    pub(super) fn into_spec(
        self,
        requested: Option<&LoadBalancerSpec>,
        features: &BTreeSet<Feature>,
    ) -> ReadSpec {
        let listeners = self.listeners(requested, features);
        let nodes = Shown::<BackEnds>::from(self.nodes);
        let algorithm = field::word(self.algorithm, &Algorithm::ALL, Algorithm::as_str);
        let affinity = Shown::<Object<SessionAffinityBody>>::from(self.session_affinity)
            .map(|Object(affinity)| affinity.client_seconds());
        let ranges = Shown::<Vec<String>>::from(self.source_ranges).map(canonical::ranges);
        let internal = Shown::<bool>::from(self.internal).map(Some);
        let idle_timeout = Shown::<u32>::from(self.idle_timeout_seconds)
            .map(|seconds| Some(IdleTimeout::Seconds(seconds)));
        let tags = Shown::<Object<Tags>>::from(self.tags).map(|Object(tags)| Some(tags));
        let families: Shown<BTreeSet<_>> =
            field::words(self.address_families, &IpFamily::ALL, IpFamily::as_str);
        let (spec, bandwidth) = (field::text(self.spec), field::text(self.bandwidth));
        let has_names = matches!(&nodes, Shown::Value(nodes) if nodes.has_others);
        let has_other_back_ends = has_names || nodes.is_unknown();
        let of_features = [
            (Feature::Affinity, affinity.is_unknown()),
            (Feature::SourceRanges, ranges.is_unknown()),
            (Feature::Internal, internal.is_unknown()),
            (Feature::IdleTimeout, idle_timeout.is_unknown()),
            (Feature::Tags, tags.is_unknown()),
            (Feature::DualStack, families.is_unknown()),
        ];
        let mut of_features = of_features.into_iter();
        let is_understood = !(has_other_back_ends
            || matches!(&listeners, Shown::Value(listeners) if listeners.has_unknown)
            || listeners.is_unknown()
            || algorithm.is_unknown()
            || spec.is_unknown()
            || bandwidth.is_unknown()
            || of_features.any(|(feature, is_unknown)| is_unknown && features.contains(&feature)));
        let nodes = nodes.map(|nodes| nodes.addresses.into());
        let listeners = listeners.map(|read| read.listeners);
        let assumed = requested.cloned().unwrap_or_default();
        let spec = LoadBalancerSpec {
            nodes: nodes.or_assumed(assumed.nodes),
            listeners: listeners.or_assumed(assumed.listeners),
            spec: spec.or_assumed(assumed.spec),
            bandwidth: bandwidth.or_assumed(assumed.bandwidth),
            algorithm: algorithm.or_assumed(assumed.algorithm),
            source_ranges: ranges.or_assumed(assumed.source_ranges),
            client_affinity_seconds: affinity.or_assumed(assumed.client_affinity_seconds),
            internal: internal.or_assumed(assumed.internal),
            idle_timeout: idle_timeout.or_assumed(assumed.idle_timeout),
            tags: tags.or_assumed(assumed.tags),
            addresses: Vec::new(),
            address_families: families.or_assumed(assumed.address_families),
        };
        ReadSpec {
            spec,
            is_understood,
            has_other_back_ends,
        }
    }

    /// The listeners; without a list of them, the one of `port` and `nodePort`, which may
    /// be the first of those that were requested.
    fn listeners(
        &self,
        requested: Option<&LoadBalancerSpec>,
        features: &BTreeSet<Feature>,
    ) -> Shown<Listeners> {
        if self.listeners.is_some() {
            return Listeners::read(self.listeners, features);
        }
        let ports = (Shown::from(self.port), Shown::from(self.node_port));
        let (port, node_port) = match ports {
            (Shown::Value(port), Shown::Value(node_port)) => (port, node_port),
            (Shown::Unknown, _) | (_, Shown::Unknown) => return Shown::Unknown,
            (Shown::Nothing, _) | (_, Shown::Nothing) => return Shown::Nothing,
        };
        let requested = requested.map(|spec| &spec.listeners);
        let is_first = |listeners: &&Vec<Listener>| {
            let first = listeners.first();
            first.is_some_and(|first| (first.port, first.node_port) == (port, node_port))
        };
        let listeners = requested.filter(is_first).cloned();
        Shown::Value(Listeners::known(listeners.unwrap_or_else(|| {
            vec![Listener {
                name: String::new(),
                protocol: Protocol::Tcp,
                port,
                node_port,
                health_check: HealthCheck::Unspecified,
                proxy_protocol: None,
                app_protocol: None,
            }]
        })))
    }
}
