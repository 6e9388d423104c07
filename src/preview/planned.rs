//! What follows from a plan: its differences, its notes, and its actions in words.

use super::differences::{Difference, compare, differences, json};
use super::{Differences, Origin, Planned, manifest};
use crate::plan::ip_mode::IpModes;
use crate::plan::load_balancer::LoadBalancerSpec;
use crate::plan::naming::CloudName;
use crate::plan::record::Ingress;
use crate::plan::{Action, Desired, Wanted, annotation};

impl Planned {
    /// The spec that a cloud should have; with what others put on a load balancer that they
    /// made.
    pub(super) fn desired_spec(&self, wanted: &Wanted, cloud: &CloudName) -> LoadBalancerSpec {
        let found = self.observed.to_update(cloud);
        let found = found.filter(|_| wanted.existing().is_some());
        let is_dual = |found| wanted.is_dual_for(found, cloud);
        let is_dual = found.map_or_else(|| wanted.is_dual(cloud), is_dual);
        let nodes = self.observed.backends.addresses_for(is_dual);
        match found {
            Some(found) => wanted.spec_beside(found, cloud, nodes),
            None => wanted.spec(cloud, nodes),
        }
    }

    /// The differences that the actions would remove.
    pub fn differences(&self) -> Vec<Differences> {
        let updates = self.plan.actions.iter().filter_map(|action| match action {
            Action::Update {
                cloud, id, request, ..
            } => {
                let found = self.observed.to_update(cloud)?;
                let read = self.observed.as_requested(cloud, found);
                let mut fields = differences(&read.spec, &request.spec);
                if !read.is_understood {
                    fields.push(Difference::unknown_values());
                }
                let load_balancer = Some((cloud.clone(), id.clone()));
                Some(Differences {
                    load_balancer,
                    fields,
                })
            }
            _ => None,
        });
        updates.chain(self.publication()).collect()
    }

    /// The change of the record and of the addresses, where it does not depend on a
    /// response of a cloud.
    fn publication(&self) -> Option<Differences> {
        let Some(Action::Publish { clouds, withheld }) = self.plan.actions.iter().find(|action| {
            matches!(
                action,
                Action::Create { .. } | Action::Update { .. } | Action::Publish { .. }
            )
        }) else {
            return None;
        };
        let after = self.observed.publication_without(clouds, withheld);
        let texts = |ingress: &[Ingress], modes: &IpModes| {
            let texts = ingress.iter().map(|address| modes.describe(address));
            texts.collect::<Vec<_>>()
        };
        let mut fields = Vec::new();
        let (before, now) = (&self.observed.record, &after.record);
        compare("record", &json(before), &json(now), &mut fields);
        let before = texts(&self.observed.ingress, &self.observed.modes);
        // As the API server will show it, which may have no modes at all.
        let modes = match after.modes.are_met_by(&self.observed.modes) {
            true => &self.observed.modes,
            false => &after.modes,
        };
        let now = texts(&after.ingress, modes);
        compare("addresses", &json(&before), &json(&now), &mut fields);
        let load_balancer = None;
        (!fields.is_empty()).then_some(Differences {
            load_balancer,
            fields,
        })
    }

    /// What the reader should know beside the plan.
    pub fn notes(&self) -> Vec<String> {
        let names = self.view.annotations.keys();
        let ports = self.view.ports.iter().map(|port| &*port.name);
        let unknown = annotation::describe_unknown(names, ports, &self.prefix);
        let disowned = self.disowned.iter().map(|(cloud, id)| {
            format!("The record names load balancer {id} on {cloud}, which belongs to another owner: it is left alone")
        });
        let allocated = self.lacks_node_ports().then(|| {
            "The API server allocates the missing node ports when the manifest is applied"
                .to_owned()
        });
        unknown
            .into_iter()
            .chain(disowned)
            .chain(allocated)
            .chain(self.unchecked())
            .collect()
    }

    /// The clouds that decide themselves which Nodes serve.
    fn unchecked(&self) -> Vec<String> {
        let Desired::Managed(wanted) = &self.desired else {
            return Vec::new();
        };
        let clouds = wanted.clouds.iter();
        let unchecked =
            clouds.filter_map(|cloud| wanted.unchecked(cloud, self.observed.to_update(cloud)));
        unchecked.collect()
    }

    fn lacks_node_ports(&self) -> bool {
        let mut ports = self.view.ports.iter();
        ports.any(|port| port.node_port == Some(manifest::NOT_ALLOCATED))
    }

    /// Whether it is known how the Service's load balancers will be called.
    pub fn has_uid(&self) -> bool {
        !matches!(self.origin, Origin::Manifest { exists: false, .. })
    }

    /// An action as a line of text.
    pub fn describe(&self, action: &Action) -> String {
        match action {
            Action::Create { cloud, request } if !self.has_uid() => {
                let nodes = request.spec.nodes.len();
                format!("create a load balancer on {cloud} (back ends: {nodes})")
            }
            action => action.to_string(),
        }
    }
}
