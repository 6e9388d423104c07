//! A board as people write it: `dashboards/source/*.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The boards, in the order in which they are read.
pub const BOARDS: [&str; 3] = ["overview", "clouds", "internals"];

/// One board.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What links and bookmarks name.
    pub uid: String,
    /// Shown above it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// Panels under a heading.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The heading.
    pub title: String,
    /// Once for each value of this variable.
    #[serde(default)]
    pub repeat: Option<String>,
    /// From left to right, as many beside each other as there is room for.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// What that means, and what it does not.
    pub description: String,
    /// How it is shown.
    #[serde(default)]
    pub kind: Kind,
    /// Of the 24 columns of a board.
    pub width: u32,
    /// In Grafana's rows of 30 pixels.
    #[serde(default = "usual_height")]
    pub height: u32,
    /// One of Grafana's names of units.
    pub unit: String,
    /// Digits after the point; as many as it takes if none is said.
    #[serde(default)]
    pub decimals: Option<u32>,
    /// Lower end of the axis.
    #[serde(default)]
    pub min: Option<f64>,
    /// Upper end of the axis.
    #[serde(default)]
    pub max: Option<f64>,
    /// Colours: one, then `VALUE COLOUR` from which on another begins.
    #[serde(default)]
    pub thresholds: Vec<String>,
    /// `TEXT COLOUR` for each value of a state.
    #[serde(default)]
    pub states: BTreeMap<String, String>,
    /// Areas on top of each other.
    #[serde(default)]
    pub stacked: bool,
    /// Shows the traces that Prometheus keeps beside histograms.
    #[serde(default)]
    pub exemplars: bool,
    /// Labels to show, of a table.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What is asked of Prometheus.
    pub queries: Vec<Query>,
}

fn usual_height() -> u32 {
    8
}

/// How a panel shows what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Lines over time.
    #[default]
    Timeseries,
    /// The latest value, large.
    Stat,
    /// Bars that change their colour.
    StateTimeline,
    /// The latest labels.
    Table,
}

/// One expression.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// PromQL. `{REPLICAS}`, `{CLOUDS}` and `{RECORDED}` stand for the matchers of the
    /// variables; see [`Query::expression`].
    pub expr: String,
    /// What a line is called.
    #[serde(default)]
    pub legend: String,
}

impl Query {
    /// The expression with the matchers that go with the board's variables.
    #[must_use]
    pub fn expression(&self) -> String {
        let replicas = r#"job=~"$job", instance=~"$instance""#;
        self.expr
            .replace("CLOUDS", &format!(r#"{replicas}, cloud=~"$cloud""#))
            .replace("REPLICAS", replicas)
            // Rules add the replicas up.
            .replace("RECORDED", r#"job=~"$job", cloud=~"$cloud""#)
    }
}

impl Board {
    /// Reads `dashboards/source/NAME.yaml` of this repository.
    ///
    /// # Errors
    /// It is not there, or says something that means nothing.
    pub fn read(repository: &Path, name: &str) -> Result<Self> {
        let path = repository.join(format!("dashboards/source/{name}.yaml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
    }

    /// All panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}
