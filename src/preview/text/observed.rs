//! The observed state in the text.

use std::fmt::{self, Write};

use super::value::{joined, short};
use crate::plan::CloudView;
use crate::plan::excerpt;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::record::ingress_of;
use crate::preview::Planned;

impl Planned {
    pub(super) fn write_observed(&self, text: &mut String) -> fmt::Result {
        let observed = &self.observed;
        let yes_no = |is: bool| if is { "yes" } else { "no" };
        let record = observed
            .record
            .clouds()
            .map(|cloud| match observed.record.get(cloud) {
                Some(id) => format!("{id} on {cloud}"),
                None => format!("a create on {cloud} is announced"),
            });
        let addresses = observed.ingress.iter();
        let addresses = addresses.map(|address| short(&observed.modes.describe(address)));
        writeln!(text, "Observed")?;
        writeln!(
            text,
            "  Service: finalizer {}; record: {}; addresses: {}",
            yes_no(observed.finalizer),
            joined(record),
            joined(addresses)
        )?;
        if let Some(condition) = &self.condition {
            let message = excerpt::message(&condition.message, excerpt::MESSAGE_LIMIT);
            writeln!(
                text,
                "  condition: {} ({}): {message}",
                short(&condition.reason),
                short(&condition.status)
            )?;
        }
        let (nodes, backends) = (self.nodes, observed.backends.addresses_for(true));
        writeln!(
            text,
            "  Nodes: {} eligible, {} excluded; back ends: {}",
            nodes.eligible,
            nodes.excluded,
            backends.len()
        )?;
        for (cloud, view) in &observed.clouds {
            match view {
                CloudView::Absent => writeln!(text, "  {cloud}: no load balancer of this Service")?,
                CloudView::NameTaken => writeln!(
                    text,
                    "  {cloud}: the name is taken by a load balancer of another owner"
                )?,
                CloudView::Offered(found) => writeln!(
                    text,
                    "  {cloud}: load balancer {}, which others made and nobody is attached to",
                    found.id
                )?,
                CloudView::NotConfigured => writeln!(text, "  {cloud}: not in the configuration")?,
                CloudView::Unreachable => {
                    let error = self.errors.get(cloud).map_or("", String::as_str);
                    writeln!(text, "  {cloud}: not known: {error}")?;
                }
                CloudView::Unanswered => writeln!(text, "  {cloud}: has not answered yet")?,
                CloudView::Present(found) => write_load_balancer(text, cloud.as_str(), found)?,
            }
        }
        Ok(())
    }
}

fn write_load_balancer(text: &mut String, cloud: &str, found: &LoadBalancer) -> fmt::Result {
    let state = match &found.state {
        State::Provisioning => "provisioning".to_owned(),
        State::Active => "active".to_owned(),
        State::Deleting => "deleting".to_owned(),
        State::Error(message) => format!("failed: {}", short(message)),
    };
    let modes = found.ip_modes();
    let addresses = ingress_of(&found.addresses);
    let addresses = addresses.iter();
    let addresses = joined(addresses.map(|address| short(&modes.describe(address))));
    let (id, nodes) = (&found.id, found.spec.nodes.len());
    let made = match found.existing_owner() {
        Some(_) => " (others made it)",
        None => "",
    };
    writeln!(
        text,
        "  {cloud}: load balancer {id}{made}, {state}; addresses: {addresses}; back ends: {nodes}"
    )
}
