//! The text of previews, for a person at night.

mod value;

use std::fmt::{self, Write};

use serde_json::Value;

use super::differences::json;
use super::losses::{Loss, losses};
use super::verdict::Verdict;
use super::{Planned, Preview, Report};
use crate::plan::excerpt;
use crate::plan::load_balancer::{LoadBalancer, State};
use crate::plan::{CloudView, Desired};
pub(super) use value::line;
use value::{joined, members_of, plain, short};

impl Report {
    /// The report as text, with a section for each Service.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        if let Some(state) = self.replica {
            match (state.leads, state.next_attempt) {
                (false, _) => writeln!(
                    text,
                    "This replica is a standby: it does nothing by itself."
                )?,
                (true, None) => writeln!(
                    text,
                    "This replica leads. A load balancer that serves is shown as the cloud showed it last."
                )?,
                (true, Some(delay)) => writeln!(
                    text,
                    "This replica leads; its next attempt, unless something changes, is in {delay:.1?}."
                )?,
            }
        }
        for (index, preview) in self.previews.iter().enumerate() {
            if index > 0 {
                writeln!(text)?;
            }
            let key = preview.key();
            let (verdict, message) = preview.verdict();
            writeln!(text, "Service {key}: {}", heading(verdict))?;
            writeln!(text, "  {message}")?;
            if let Preview::Planned(planned) = preview {
                planned.write(text)?;
            }
        }
        Ok(())
    }
}

/// The verdict in words.
pub(super) fn heading(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Changes => "there is something to do",
        Verdict::Waiting => "nothing to do now",
        Verdict::Invalid => "its configuration is invalid, so at most its back ends are changed",
        Verdict::Unreadable => "nothing to do: the Service cannot be read",
        Verdict::InSync => "nothing to do: it is in sync",
        Verdict::NotManaged => "nothing to do: the Service is not managed by this controller",
    }
}

impl Planned {
    fn write(&self, text: &mut String) -> fmt::Result {
        if let Desired::Managed(wanted) = &self.desired {
            let clouds: Vec<&str> = wanted.clouds.iter().map(|cloud| cloud.as_str()).collect();
            writeln!(text, "Desired, on {}", clouds.join(" and on "))?;
            write_fields(text, &json(&wanted.spec(&self.observed.backends.addresses)))?;
        }
        if !matches!(self.desired, Desired::Unmanaged(_)) {
            self.write_observed(text)?;
        }
        let differences = self.differences();
        if !differences.is_empty() {
            writeln!(text, "Differences")?;
        }
        for found in &differences {
            let subject = match &found.load_balancer {
                Some((cloud, id)) => format!("{id} on {cloud}"),
                None => "the Service".to_owned(),
            };
            for field in &found.fields {
                writeln!(text, "  {subject}: {}", line(field))?;
            }
        }
        let actions = self.plan.actions.iter().enumerate();
        let actions =
            actions.map(|(index, action)| format!("{}. {}", index + 1, self.describe(action)));
        write_list(text, "Actions, in this order", actions)?;
        let waits = self
            .plan
            .waiting
            .iter()
            .map(|waiting| self.sentence(waiting));
        write_list(text, "Waits", waits.map(bullet))?;
        let losses = losses(&self.observed, &self.plan);
        write_list(
            text,
            "Would be lost",
            losses.iter().map(describe_loss).map(bullet),
        )?;
        write_list(text, "Notes", self.notes().into_iter().map(bullet))
    }

    fn write_observed(&self, text: &mut String) -> fmt::Result {
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
        let addresses = addresses.map(|address| short(&address.to_string()));
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
        let (nodes, backends) = (self.nodes, &observed.backends.addresses);
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
                CloudView::NotConfigured => writeln!(text, "  {cloud}: not in the configuration")?,
                CloudView::Unreachable => {
                    let error = self.errors.get(cloud).map_or("", String::as_str);
                    writeln!(text, "  {cloud}: not known: {error}")?;
                }
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
    let addresses = &found.addresses;
    let ips = addresses.ips.iter().map(ToString::to_string);
    let hostname = addresses.hostname.as_deref().map(short);
    let addresses = joined(ips.chain(hostname));
    let (id, nodes) = (&found.id, found.spec.nodes.len());
    writeln!(
        text,
        "  {cloud}: load balancer {id}, {state}; addresses: {addresses}; back ends: {nodes}"
    )
}

fn write_list(
    text: &mut String,
    title: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    if lines.len() > 0 {
        writeln!(text, "{title}")?;
    }
    for line in lines {
        writeln!(text, "  {line}")?;
    }
    Ok(())
}

fn bullet(sentence: String) -> String {
    format!("- {sentence}")
}

/// A loss in words.
pub(super) fn describe_loss(loss: &Loss) -> String {
    match loss {
        Loss::LoadBalancer { cloud, id } => {
            format!("load balancer {id} on {cloud} would be deleted")
        }
        Loss::Address { address } => {
            format!("address {} would leave the Service", short(address))
        }
    }
}

fn write_fields(text: &mut String, spec: &Value) -> fmt::Result {
    for (name, value) in spec.as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(members) => members_of(members),
            value => plain(value),
        };
        writeln!(text, "  {name}: {value}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
