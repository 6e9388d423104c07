//! A board as it is written in `dashboards/source/*.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

const SOURCE: &str = "dashboards/source";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The identity in links and bookmarks.
    pub uid: String,
    pub title: String,
    pub description: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// Panels under a heading.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub title: String,
    /// Grafana repeats the row for each value of this variable.
    #[serde(default)]
    pub repeat: Option<String>,
    /// From left to right; a panel for which the row has no room starts a new line.
    pub panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    /// The meaning of the values, and their limits.
    pub description: String,
    #[serde(default)]
    pub kind: Kind,
    /// Of the 24 columns of a board.
    pub width: u32,
    /// In Grafana's rows of 30 pixels.
    #[serde(default = "usual_height")]
    pub height: u32,
    /// One of Grafana's names of units.
    pub unit: String,
    /// Digits after the point; Grafana chooses if absent.
    #[serde(default)]
    pub decimals: Option<u32>,
    /// Lower end of the axis.
    #[serde(default)]
    pub min: Option<f64>,
    /// Upper end of the axis.
    #[serde(default)]
    pub max: Option<f64>,
    /// The lowest colour, then `VALUE COLOUR` for each value at which the colour changes.
    #[serde(default)]
    pub thresholds: Vec<String>,
    /// `TEXT COLOUR` for each value of a state.
    #[serde(default)]
    pub states: BTreeMap<String, String>,
    /// Shows the series as areas on top of each other.
    #[serde(default)]
    pub stacked: bool,
    /// Shows the exemplars of histograms, which link to traces.
    #[serde(default)]
    pub exemplars: bool,
    /// The labels that a table shows.
    #[serde(default)]
    pub columns: Vec<String>,
    pub queries: Vec<Query>,
}

fn usual_height() -> u32 {
    8
}

/// How a panel shows its queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Lines over time.
    #[default]
    Timeseries,
    /// The latest value, large.
    Stat,
    /// Bars that change their colour with the value.
    StateTimeline,
    /// The labels of the latest values.
    Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// PromQL. `{REPLICAS}`, `{CLOUDS}` and `{RECORDED}` stand for the matchers of the
    /// variables; see [`Query::expression`].
    pub expr: String,
    /// The name of a series, with `{{label}}` for the value of a label.
    #[serde(default)]
    pub legend: String,
}

impl Query {
    /// The expression with the matchers for the variables of a board.
    pub fn expression(&self) -> String {
        let replicas = r#"job=~"$job", instance=~"$instance""#;
        self.expr
            .replace("CLOUDS", &format!(r#"{replicas}, cloud=~"$cloud""#))
            .replace("REPLICAS", replicas)
            // Recording rules aggregate over the replicas.
            .replace("RECORDED", r#"job=~"$job", cloud=~"$cloud""#)
    }
}

/// The names of the files in `dashboards/source`, in order.
pub fn names(repository: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(repository.join(SOURCE))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        names.push(name.with_context(|| path.display().to_string())?.to_owned());
    }
    names.sort();
    Ok(names)
}

impl Board {
    /// Reads `dashboards/source/NAME.yaml`.
    pub fn read(repository: &Path, name: &str) -> Result<Self> {
        let path = repository.join(format!("{SOURCE}/{name}.yaml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
    }
}
