//! The boards as Grafana reads them, `dashboards/*.json`.

mod linter;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::monitoring::boards::{self, BOARDS};

use crate::expression::{Selector, selectors};
use crate::families::Families;
use crate::repository;

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    list(&board["panels"])
        .iter()
        .filter(|panel| panel["type"] != "row")
}

/// An expression of a panel.
struct Target {
    board: &'static str,
    panel: String,
    expression: String,
}

fn targets() -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for name in BOARDS {
        for panel in panels(&boards::read(name)?) {
            for target in list(&panel["targets"]) {
                targets.push(Target {
                    board: name,
                    panel: text(&panel["title"]).to_owned(),
                    expression: text(&target["expr"]).to_owned(),
                });
            }
        }
    }
    Ok(targets)
}

impl Target {
    fn selectors(&self) -> Result<Vec<Selector>> {
        selectors(&self.expression.replace("[$__rate_interval]", "[5m]"))
    }
}

/// Names the selector in the error of a check.
fn each_selector(check: impl Fn(&Selector) -> Result<()>) -> Result<()> {
    for target in targets()? {
        for selector in target.selectors()? {
            let Target { board, panel, .. } = &target;
            check(&selector).with_context(|| format!("{board}, {panel}: {}", selector.name))?;
        }
    }
    Ok(())
}

/// Grafana searches every directory below, and reads each JSON file as a board.
#[test]
fn a_grafana_that_is_given_the_directory_finds_only_boards() -> Result<()> {
    let mut directories = vec![boards::directory()?];
    let mut found = BTreeSet::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "json") {
                let name = path.file_stem().unwrap_or_default();
                found.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    ensure!(found == BOARDS.map(str::to_owned).into(), "{found:?}");
    Ok(())
}

#[test]
fn panels_do_not_overlap() -> Result<()> {
    for name in BOARDS {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in list(&boards::read(name)?["panels"]) {
            ensure!(ids.insert(panel["id"].as_u64()), "{name}: {panel}");
            let side = |field: &str| panel["gridPos"][field].as_u64().unwrap_or_default();
            ensure!(side("x") + side("w") <= 24, "{name}: {panel}");
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    ensure!(taken.insert((x, y)), "{name}: {panel} overlaps another");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_metric_is_on_a_board() -> Result<()> {
    let families = Families::read()?;
    let shown: String = targets()?
        .into_iter()
        .map(|target| target.expression)
        .collect();
    for name in families.names() {
        ensure!(shown.contains(name), "{name} is on no board");
    }
    Ok(())
}

#[test]
fn the_runbook_names_panels_that_exist() -> Result<()> {
    let runbook = std::fs::read_to_string(repository().join("docs/runbook.md"))?;
    let alerts = runbook.split("\n## Alerts\n").nth(1).context("alerts")?;
    let alerts = alerts.split("\n## ").next().unwrap_or_default();
    let alerts = alerts.replace('\n', " ");
    let titles: BTreeSet<_> = targets()?.into_iter().map(|target| target.panel).collect();
    let named = alerts.split('"').skip(1).step_by(2);
    // Other quotes are those of JSON and YAML.
    let mut named = named.filter(|quoted| quoted.starts_with(|first: char| first.is_uppercase()));
    ensure!(named.clone().next().is_some(), "no panel is named");
    let unknown = named.find(|title| !titles.contains(*title));
    ensure!(unknown.is_none(), "no panel has the title {unknown:?}");
    Ok(())
}
