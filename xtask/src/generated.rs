//! The generated files, and what each is generated from.

use std::path::Path;

use anyhow::{Context, Result};
use my_cloud_controller_manager::config::DEFAULT_LEASE;
use my_cloud_controller_manager::telemetry::Metrics;
use serde_json::Value;

use crate::annotations::Language;
use crate::board::{self, Board};
use crate::{annotations, grafana, metrics_reference, prometheus_rule};

/// Path from the root of the repository, and content.
pub type File = (String, String);

/// A board for Grafana from each file of `dashboards/source`, and the PrometheusRule. The chart has
/// both too: helm reads no file outside of a chart.
pub fn boards_and_rule(repository: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in board::names(repository)? {
        let board = grafana::board(&Board::read(repository, &name)?);
        let text = serde_json::to_string_pretty(&sorted(board))? + "\n";
        for directory in ["dashboards", "deploy/chart/files/dashboards"] {
            files.push((format!("{directory}/{name}.json"), text.clone()));
        }
    }
    files.push((
        "deploy/monitoring/prometheus-rule.yaml".into(),
        prometheus_rule::text(repository)?,
    ));
    files.push((
        "deploy/chart/files/rules.yaml".into(),
        prometheus_rule::groups(repository)?,
    ));
    Ok(files)
}

/// The reference of the metrics, from the program's registry.
pub fn metrics_reference() -> Result<File> {
    let metrics = Metrics::new(&[], DEFAULT_LEASE)?;
    let text = metrics_reference::text(metrics.described());
    Ok(("docs/metrics.md".into(), text))
}

/// Each README with the table of the annotations in its language.
pub fn annotations(repository: &Path) -> Result<Vec<File>> {
    let file = |language: Language| -> Result<File> {
        let path = language.readme();
        let readme = std::fs::read_to_string(repository.join(path)).context(path)?;
        let written = annotations::in_readme(&readme, language).context(path)?;
        Ok((path.into(), written))
    };
    Language::ALL.into_iter().map(file).collect()
}

/// Writes the files; returns the paths of those that were different.
pub fn write(repository: &Path, files: Vec<File>) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (path, content) in files {
        let target = repository.join(&path);
        if std::fs::read_to_string(&target).ok().as_ref() != Some(&content) {
            std::fs::write(&target, content).with_context(|| path.clone())?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// With the keys in order, whichever features serde_json was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            let fields = fields
                .into_iter()
                .map(|(name, field)| (name, sorted(field)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        simple => simple,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[track_caller]
    fn assert_current((path, content): &File, command: &str) {
        let written = std::fs::read_to_string(repository().join(path)).unwrap();
        assert!(
            written == *content,
            "{path} differs from what its source gives: run {command}"
        );
    }

    #[test]
    fn boards_and_rule_are_what_their_sources_give() {
        let files = boards_and_rule(&repository()).unwrap();
        assert!(files.len() > 1);
        for file in &files {
            assert_current(file, "make boards");
        }
    }

    #[test]
    fn the_annotations_of_both_readmes_are_those_declared() {
        for file in &annotations(&repository()).unwrap() {
            assert_current(file, "make annotations");
        }
    }

    #[test]
    fn the_metrics_reference_is_what_the_program_registers() {
        assert_current(&metrics_reference().unwrap(), "make metrics-reference");
    }
}
