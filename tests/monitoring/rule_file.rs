//! The files of `deploy/monitoring` as data.

use anyhow::{Context, Result, anyhow};
use promql_parser::util::parse_duration;
use serde_json::Value;

use crate::expression::selectors;
use crate::repository;

/// A rule, and its place among the groups.
#[derive(Clone, Debug)]
pub struct Rule {
    pub group: usize,
    pub index: usize,
    pub body: Value,
}

/// Reads a file of `deploy/monitoring`.
pub fn read(name: &str) -> Result<Value> {
    let path = repository().join("deploy/monitoring").join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

/// The files with tests of rules.
pub fn test_files() -> Result<Vec<String>> {
    let directory = repository().join("deploy/monitoring/tests");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory)? {
        let name = entry?.file_name().into_string();
        names.push(format!("tests/{}", name.ok().context("a name")?));
    }
    names.sort();
    Ok(names)
}

/// Every rule of a file with groups.
pub fn rules(file: &Value) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (group, body) in file["groups"].as_array().into_iter().flatten().enumerate() {
        for (index, rule) in body["rules"].as_array().into_iter().flatten().enumerate() {
            let body = rule.clone();
            rules.push(Rule { group, index, body });
        }
    }
    rules
}

impl Rule {
    /// The name of the alert or of the recorded series.
    pub fn name(&self) -> &str {
        let name = self.body["alert"].as_str().or(self.body["record"].as_str());
        name.unwrap_or_default()
    }

    pub fn is_alert(&self) -> bool {
        self.body["alert"].is_string()
    }

    pub fn expression(&self) -> &str {
        self.body["expr"].as_str().unwrap_or_default()
    }
}

/// Whether the ranges of a rule are the window in its name (`…:increase10m`) or in its labels
/// (`long`, `short`).
pub fn windows_fit(rule: &Value) -> Result<bool> {
    let expression = rule["expr"].as_str().unwrap_or_default();
    let label = |name: &str| rule["labels"][name].as_str();
    let window = match (rule["record"].as_str(), label("long")) {
        (Some(name), _) => name.rsplit('e').next(),
        (None, long) => long,
    };
    let Some(window) = window else {
        return Ok(true);
    };
    let window = parse_duration(window).map_err(|error| anyhow!(error))?;
    let selectors = selectors(expression)?;
    let ranges: Vec<_> = selectors.iter().filter_map(|it| it.range).collect();
    let fits = !ranges.is_empty() && ranges.iter().all(|range| *range == window);
    let used = [label("long"), label("short")];
    let used = used.into_iter().flatten();
    Ok(fits
        && used
            .map(|it| format!("rate{it} "))
            .all(|it| expression.contains(&it)))
}
