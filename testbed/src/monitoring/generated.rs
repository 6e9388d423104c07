//! Files of this repository that are written by a program, and from what.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::grafana;
use super::source::{BOARDS, Board};

const RULE_HEAD: &str = "\
# Written by `make boards` from rules.yaml: for the Prometheus operator. Not to be edited.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: my-cloud-controller-manager
  namespace: kube-system
  labels:
    app: my-ccm
spec:
";

/// The root of this repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Path from the root, and content, of every such file.
///
/// # Errors
/// What they are written from is not there, or makes no sense.
pub fn files(repository: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for name in BOARDS {
        let board = grafana::board(&Board::read(repository, name)?);
        let text = serde_json::to_string_pretty(&sorted(board))?;
        files.push((format!("dashboards/{name}.json"), text + "\n"));
    }
    files.push((
        "deploy/monitoring/prometheus-rule.yaml".into(),
        prometheus_rule(repository)?,
    ));
    Ok(files)
}

/// Writes them; gives the paths of those that were different.
///
/// # Errors
/// As [`files`], or a file cannot be written.
pub fn write(repository: &Path) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (path, content) in files(repository)? {
        let target = repository.join(&path);
        if std::fs::read_to_string(&target).ok().as_ref() != Some(&content) {
            std::fs::write(&target, content).with_context(|| path.clone())?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Keys in order, whichever features serde_json was built with.
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

/// The groups as they are written, two blanks further in.
fn prometheus_rule(repository: &Path) -> Result<String> {
    let rules = repository.join("deploy/monitoring/rules.yaml");
    let text = std::fs::read_to_string(&rules).with_context(|| rules.display().to_string())?;
    let start = text.find("groups:").context("no groups")?;
    let mut rule = RULE_HEAD.to_owned();
    for line in text[start..].lines() {
        if !line.is_empty() {
            rule += &format!("  {line}");
        }
        rule += "\n";
    }
    Ok(rule)
}
