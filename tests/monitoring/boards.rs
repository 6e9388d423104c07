//! The boards as Grafana reads them: the rules of Grafana's dashboard-linter
//! (its names for them are the functions' below), and some that it lacks.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::monitoring::generated::repository;
use testbed::monitoring::source::BOARDS;

use crate::expression::{Selector, selectors};
use crate::families::Families;
use crate::rule_file::{read, rules};

/// Those of Grafana's that a board here may need; one that is not among them is looked up first.
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

fn board(name: &str) -> Result<Value> {
    let path = repository().join(format!("dashboards/{name}.json"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// It looks into every directory below, and takes each JSON for a board.
#[test]
fn a_grafana_that_is_given_the_directory_finds_only_boards() -> Result<()> {
    let mut directories = vec![repository().join("dashboards")];
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

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    list(&board["panels"])
        .iter()
        .filter(|panel| panel["type"] != "row")
}

/// Every expression of every board, with its board, panel and index.
fn targets() -> Result<Vec<(String, String, usize, String)>> {
    let mut targets = Vec::new();
    for name in BOARDS {
        for panel in panels(&board(name)?) {
            for (index, target) in list(&panel["targets"]).iter().enumerate() {
                let place = (name.to_owned(), text(&panel["title"]).to_owned(), index);
                targets.push((place.0, place.1, place.2, text(&target["expr"]).to_owned()));
            }
        }
    }
    Ok(targets)
}

/// Where a selector is, for a message.
fn each_selector(check: impl Fn(&Selector, &str) -> Result<()>) -> Result<()> {
    for (board, panel, index, expression) in targets()? {
        let place = format!("{board}, {panel}, {index}");
        let read = expression.replace("[$__rate_interval]", "[5m]");
        for selector in selectors(&read).context(place.clone())? {
            check(&selector, &place).with_context(|| format!("{place}: {}", selector.name))?;
        }
    }
    Ok(())
}

#[test]
fn uneditable_dashboard_and_what_else_a_board_says_of_itself() -> Result<()> {
    let mut uids = BTreeSet::new();
    for name in BOARDS {
        let board = board(name)?;
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
        let board = board(name)?;
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
                "again when the time range changes: {variable}"
            );
            let asked = text(&variable["query"]["query"]);
            let inside = asked
                .strip_prefix("label_values(")
                .and_then(|it| it.strip_suffix(')'));
            let (metric, of) = inside
                .and_then(|it| it.rsplit_once(", "))
                .context("label_values")?;
            for selector in selectors(metric)? {
                ensure!(families.has_label(&selector.name, of)?, "{asked}");
            }
        }
    }
    Ok(())
}

/// panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule.
#[test]
fn panel_rules() -> Result<()> {
    for name in BOARDS {
        let board = board(name)?;
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

#[test]
fn panels_lie_beside_each_other() -> Result<()> {
    for name in BOARDS {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in list(&board(name)?["panels"]) {
            ensure!(ids.insert(panel["id"].as_u64()), "{name}: {panel}");
            let side = |field: &str| panel["gridPos"][field].as_u64().unwrap_or_default();
            ensure!(side("x") + side("w") <= 24, "{name}: {panel}");
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    ensure!(taken.insert((x, y)), "{name}: {panel} lies on another");
                }
            }
        }
    }
    Ok(())
}

/// target-job-rule, target-instance-rule; `cloud` alike where there is one. What rules record
/// has no instance: `dashboards/.lint` says so to the linter.
#[test]
fn target_matcher_rules() -> Result<()> {
    let families = Families::read()?;
    let of = |label: &str| format!("{label}=~\"${label}\"");
    each_selector(|selector, _| {
        let written: Vec<_> = selector.matchers.iter().map(ToString::to_string).collect();
        let asked = |label: &str| written.contains(&of(label));
        ensure!(asked("job"), "job");
        if selector.name.contains(':') {
            ensure!(asked("cloud") && !asked("instance"), "cloud");
            return Ok(());
        }
        ensure!(asked("instance"), "instance");
        ensure!(
            families.has_label(&selector.name, "cloud")? == asked("cloud"),
            "cloud"
        );
        Ok(())
    })
}

/// target-counter-agg-rule, target-rate-interval-rule; and no rate of what can fall.
#[test]
fn target_rate_rules() -> Result<()> {
    let families = Families::read()?;
    let recorded = rules(&read("rules.yaml")?);
    each_selector(|selector, _| {
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
    for (board, panel, _, expression) in targets()? {
        let ranges = expression.matches('[').count();
        let right = expression.matches("[$__rate_interval]").count();
        ensure!(ranges == right, "{board}, {panel}: {expression}");
    }
    Ok(())
}

/// The linter takes a selector without instance for a mistake, unless told why.
#[test]
fn the_linter_is_told_of_what_rules_record() -> Result<()> {
    let told = std::fs::read_to_string(repository().join("dashboards/.lint"))?;
    let told: Value = serde_saphyr::from_str(&told)?;
    let mut entries: Vec<_> = list(&told["exclusions"]["target-instance-rule"]["entries"])
        .iter()
        .map(|entry| {
            (
                text(&entry["dashboard"]).to_owned(),
                text(&entry["panel"]).to_owned(),
            )
        })
        .collect();
    entries.sort();
    let mut expected = BTreeSet::new();
    for (name, panel, _, expression) in targets()? {
        if selectors(&expression.replace("[$__rate_interval]", "[5m]"))?
            .iter()
            .any(|selector| selector.name.contains(':'))
        {
            expected.insert((text(&board(&name)?["title"]).to_owned(), panel));
        }
    }
    ensure!(entries == Vec::from_iter(expected), "{entries:?}");
    Ok(())
}

#[test]
fn every_metric_is_on_a_board() -> Result<()> {
    let families = Families::read()?;
    let shown: String = targets()?
        .into_iter()
        .map(|(.., expression)| expression)
        .collect();
    for name in families.names() {
        ensure!(shown.contains(name), "{name} is on no board");
    }
    Ok(())
}
