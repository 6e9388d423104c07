//! The text for all Services: a line for each that is not as it should be.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::losses::{Loss, losses};
use super::text::{describe_loss, line};
use super::verdict::Verdict;
use super::{Planned, Preview, Report};

impl Report {
    /// What each Service would lose, for those that would lose anything.
    pub fn losses(&self) -> Vec<(&Preview, Vec<Loss>)> {
        let losses = self.previews.iter().map(|preview| match preview {
            Preview::Unreadable { .. } => (preview, Vec::new()),
            Preview::Planned(planned) => (preview, losses(&planned.observed, &planned.plan)),
        });
        losses.filter(|(_, losses)| !losses.is_empty()).collect()
    }

    /// The losses first, then a line for each Service that is neither in sync nor without
    /// interest to this controller, then the numbers.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, text: &mut String) -> fmt::Result {
        let losses = self.losses();
        for (preview, losses) in &losses {
            for loss in losses {
                writeln!(text, "LOSS  {}: {}", preview.key(), describe_loss(loss))?;
            }
        }
        let mut counts = BTreeMap::new();
        for preview in &self.previews {
            let (verdict, message) = preview.verdict();
            *counts.entry(verdict).or_insert(0_usize) += 1;
            let message = match (verdict, preview) {
                (Verdict::InSync | Verdict::NotManaged, _) => continue,
                (Verdict::Changes, Preview::Planned(planned)) => planned.summary(),
                _ => message,
            };
            writeln!(text, "{}: {message}", preview.key())?;
        }
        let count = |verdict| counts.get(&verdict).copied().unwrap_or_default();
        writeln!(
            text,
            "{} Services: {} would be changed ({} would lose something), {} in sync, {} waiting, {} invalid, {} paused, {} unreadable, {} not managed",
            self.previews.len(),
            count(Verdict::Changes),
            losses.len(),
            count(Verdict::InSync),
            count(Verdict::Waiting),
            count(Verdict::Invalid),
            count(Verdict::Paused),
            count(Verdict::Unreadable),
            count(Verdict::NotManaged),
        )
    }
}

impl Planned {
    /// The actions at clouds and the fields that they change, on one line; those on the
    /// Service alone if there are no others.
    fn summary(&self) -> String {
        let actions = self.plan.actions.iter();
        let on_clouds = actions.clone().filter(|action| action.cloud().is_some());
        let mut parts: Vec<String> = on_clouds.map(|action| self.describe(action)).collect();
        if parts.is_empty() {
            parts.extend(actions.map(|action| self.describe(action)));
        }
        let differences = self.differences();
        let fields = differences.iter().flat_map(|found| &found.fields);
        let fields: Vec<String> = fields.map(line).collect();
        match fields.is_empty() {
            true => parts.join("; "),
            false => format!("{} ({})", parts.join("; "), fields.join("; ")),
        }
    }
}
