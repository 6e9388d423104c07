//! The text of previews, for a person at night.

mod observed;
mod value;

use std::fmt::{self, Write};

use serde_json::Value;

use super::differences::json;
use super::losses::{Loss, losses};
use super::verdict::Verdict;
use super::{Planned, Preview, Report};
use crate::plan::load_balancer::LoadBalancerSpec;
use crate::plan::{Desired, Wanted};
pub(super) use value::line;
use value::{members_of, plain, short};

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
        Verdict::Paused => "nothing to do: the Service is paused",
        Verdict::Unreadable => "nothing to do: the Service cannot be read",
        Verdict::InSync => "nothing to do: it is in sync",
        Verdict::NotManaged => "nothing to do: the Service is not managed by this controller",
    }
}

impl Planned {
    /// Each spec once, with the clouds that have it.
    fn write_desired(&self, text: &mut String, wanted: &Wanted) -> fmt::Result {
        let mut specs: Vec<(Vec<&str>, LoadBalancerSpec)> = Vec::new();
        for cloud in &wanted.clouds {
            let spec = self.desired_spec(wanted, cloud);
            match specs.iter_mut().find(|(_, other)| *other == spec) {
                Some((clouds, _)) => clouds.push(cloud.as_str()),
                None => specs.push((vec![cloud.as_str()], spec)),
            }
        }
        for (clouds, spec) in specs {
            writeln!(text, "Desired, on {}", clouds.join(" and on "))?;
            write_fields(text, &json(&spec))?;
        }
        Ok(())
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        if let Desired::Managed(wanted) = &self.desired {
            self.write_desired(text, wanted)?;
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
