//! The rules of Grafana's dashboard-linter: their names are in the comments or names of the
//! functions here. `dashboards/.lint` has the exceptions that the linter itself needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::monitoring::boards::{self, BOARDS};

use super::{Target, each_selector, list, panels, targets, text};
use crate::expression::{Selector, selectors};
use crate::families::Families;
use crate::repository;
use crate::rule_file::{read, rules};

/// The units of Grafana that the boards use. Look up the name of another one before you add it.
const UNITS: [&str; 11] = [
    "bytes",
    "cps",
    "none",
    "opm",
    "ops",
    "percent",
    "percentunit",
    "reqps",
    "s",
    "short",
    "ms",
];

#[test]
fn uneditable_dashboard_and_other_fields_of_a_board() -> Result<()> {
    let mut uids = BTreeSet::new();
    for name in BOARDS {
        let board = boards::read(name)?;
        ensure!(board["editable"] == false, "{name}");
        ensure!(board["schemaVersion"] == 39, "{name}");
        ensure!(board["refresh"] == "30s", "{name}");
        ensure!(!text(&board["title"]).is_empty() && !text(&board["description"]).is_empty());
        ensure!(uids.insert(text(&board["uid"]).to_owned()), "{name}: uid");
    }
    Ok(())
}

/// template-datasource-rule, template-job-rule, template-instance-rule,
/// template-label-promql-rule, template-on-time-change-reload-rule.
#[test]
fn template_rules() -> Result<()> {
    let families = Families::read()?;
    for name in BOARDS {
        let board = boards::read(name)?;
        let variables = list(&board["templating"]["list"]);
        let named: Vec<_> = variables
            .iter()
            .map(|variable| text(&variable["name"]))
            .collect();
        ensure!(
            named == ["datasource", "job", "instance", "cloud"],
            "{named:?}"
        );
        ensure!(variables[0]["type"] == "datasource" && variables[0]["query"] == "prometheus");
        ensure!(variables[0]["label"] == "Data source");
        for (variable, label) in variables[1..].iter().zip(["Job", "Instance", "Cloud"]) {
            ensure!(
                variable["type"] == "query" && variable["label"] == label,
                "{variable}"
            );
            ensure!(
                variable["datasource"]["uid"] == "${datasource}",
                "{variable}"
            );
            ensure!(
                variable["multi"] == true && variable["allValue"] == ".+",
                "{variable}"
            );
            ensure!(
                variable["refresh"] == 2,
                "not refreshed when the time range changes: {variable}"
            );
            let query = text(&variable["query"]["query"]);
            let inside = query
                .strip_prefix("label_values(")
                .and_then(|it| it.strip_suffix(')'));
            let (metric, of) = inside
                .and_then(|it| it.rsplit_once(", "))
                .context("label_values")?;
            for selector in selectors(metric)? {
                ensure!(families.has_label(&selector.name, of)?, "{query}");
            }
        }
    }
    Ok(())
}

/// panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule.
#[test]
fn panel_rules() -> Result<()> {
    for name in BOARDS {
        let board = boards::read(name)?;
        let mut titles = BTreeSet::new();
        for panel in panels(&board) {
            let title = text(&panel["title"]);
            let place = format!("{name}, {title}");
            ensure!(titles.insert(title) && !title.is_empty(), "{place}: twice");
            ensure!(
                text(&panel["description"]).ends_with('.'),
                "{place}: description"
            );
            ensure!(
                panel["datasource"]["uid"] == "${datasource}",
                "{place}: data source"
            );
            ensure!(!list(&panel["targets"]).is_empty(), "{place}: no targets");
            let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
            ensure!(UNITS.contains(&unit), "{place}: unit {unit}");
        }
    }
    Ok(())
}

/// target-job-rule, target-instance-rule, and the same for the label `cloud` of metrics that have
/// it. Recorded series have no `instance`.
#[test]
fn target_matcher_rules() -> Result<()> {
    let families = Families::read()?;
    let of = |label: &str| format!("{label}=~\"${label}\"");
    each_selector(|selector| {
        let written: Vec<_> = selector.matchers.iter().map(ToString::to_string).collect();
        let matches = |label: &str| written.contains(&of(label));
        ensure!(matches("job"), "job");
        if selector.name.contains(':') {
            ensure!(matches("cloud") && !matches("instance"), "cloud");
            return Ok(());
        }
        ensure!(matches("instance"), "instance");
        ensure!(
            families.has_label(&selector.name, "cloud")? == matches("cloud"),
            "cloud"
        );
        Ok(())
    })
}

/// target-counter-agg-rule, target-rate-interval-rule; and no rate of a gauge.
#[test]
fn target_rate_rules() -> Result<()> {
    let families = Families::read()?;
    let recorded = rules(&read("rules.yaml")?);
    each_selector(|selector| {
        if selector.name.contains(':') {
            let known = recorded.iter().any(|rule| rule.name() == selector.name);
            ensure!(known, "no rule records it");
            return Ok(());
        }
        let call = selector.call.as_deref();
        let rate = matches!(call, Some("rate" | "irate" | "increase"));
        ensure!(rate == families.grows(&selector.name)?, "under {call:?}");
        ensure!(rate == selector.range.is_some(), "{:?}", selector.range);
        Ok(())
    })?;
    for target in targets()? {
        let ranges = target.expression.matches('[').count();
        let right = target.expression.matches("[$__rate_interval]").count();
        let Target { board, panel, .. } = &target;
        ensure!(ranges == right, "{board}, {panel}: {}", target.expression);
    }
    Ok(())
}

/// The linter rejects a selector without `instance` unless its file of exceptions names the panel.
#[test]
fn the_linter_has_an_exception_for_each_panel_of_recorded_series() -> Result<()> {
    let file = std::fs::read_to_string(repository().join("dashboards/.lint"))?;
    let file: Value = serde_saphyr::from_str(&file)?;
    let exceptions = list(&file["exclusions"]["target-instance-rule"]["entries"]).iter();
    let exceptions: BTreeSet<_> = exceptions
        .map(|entry| {
            (
                text(&entry["dashboard"]).to_owned(),
                text(&entry["panel"]).to_owned(),
            )
        })
        .collect();
    let mut expected = BTreeSet::new();
    for target in targets()? {
        let recorded = |selector: &Selector| selector.name.contains(':');
        if target.selectors()?.iter().any(recorded) {
            let board = boards::read(target.board)?;
            expected.insert((text(&board["title"]).to_owned(), target.panel));
        }
    }
    ensure!(exceptions == expected, "{exceptions:?}");
    Ok(())
}
