//! Every expression of every board, evaluated by the Prometheus of the story.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::monitoring::boards::{self, BOARDS};
use testbed::monitoring::prometheus::{Prometheus, Series, Span};

use super::substitute::Variables;
use crate::boards::{list, panels, text};

const VARIABLES: Variables = Variables {
    cloud: ".+",
    rate_interval: "4s",
};

/// Returns the series of each panel, for the pictures, and the panels that cannot show them.
pub async fn check(prometheus: &Prometheus, span: Span) -> Result<(Vec<Value>, Vec<String>)> {
    let mut recorded = Vec::new();
    let mut wrong = Vec::new();
    for name in BOARDS {
        let board = boards::read(name)?;
        for panel in panels(&board) {
            let title = text(&panel["title"]);
            let mut queries = Vec::new();
            for target in list(&panel["targets"]) {
                let (expression, legend) = (text(&target["expr"]), text(&target["legendFormat"]));
                let series = evaluate(prometheus, expression, span).await?;
                if let Err(error) = check_panel(panel, legend, &series) {
                    wrong.push(format!("{name}, {title}: {expression}: {error:#}"));
                }
                queries.push(series.iter().map(|one| line(legend, one)).collect());
            }
            recorded.push(json!({"board": name, "title": title, "queries": Value::Array(queries)}));
        }
        for annotation in list(&board["annotations"]["list"]) {
            let series = evaluate(prometheus, text(&annotation["expr"]), span).await?;
            ensure!(!series.is_empty(), "{annotation}");
        }
    }
    Ok((recorded, wrong))
}

async fn evaluate(prometheus: &Prometheus, expression: &str, span: Span) -> Result<Vec<Series>> {
    prometheus
        .query_range(&VARIABLES.substitute(expression), span)
        .await
}

/// The panel must be able to show the series as it is configured.
fn check_panel(panel: &Value, legend: &str, series: &[Series]) -> Result<()> {
    ensure!(!series.is_empty(), "no series");
    for one in series {
        for label in placeholders(legend).chain(columns(panel)) {
            let metric = &one.metric;
            ensure!(metric.contains_key(label), "no label {label}: {metric:?}");
        }
    }
    let numbers = series.iter().flat_map(|one| &one.values);
    let mut numbers = numbers
        .map(|sample| sample.number())
        .filter(|number| number.is_finite());
    ensure!(numbers.clone().next().is_some(), "no number");
    let falls_below_zero = text(&panel["title"]).starts_with("Error budget");
    let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
    // A scrape has the timestamp of its start; a value that it collects may be a little younger.
    let least = if unit == "s" { -1.0 } else { 0.0 };
    ensure!(
        falls_below_zero || numbers.clone().all(|number| number >= least),
        "below zero"
    );
    if unit == "percentunit" {
        ensure!(numbers.clone().all(|number| number <= 1.0), "above one");
    }
    if panel["type"] == "state-timeline" {
        let states = &panel["fieldConfig"]["defaults"]["mappings"][0]["options"];
        let mapped = |number: f64| states[number.to_string()].is_object();
        ensure!(numbers.all(mapped), "a state without a name");
    }
    Ok(())
}

/// The labels that a table shows.
fn columns(panel: &Value) -> impl Iterator<Item = &str> {
    let order = panel["transformations"][0]["options"]["indexByName"].as_object();
    order.into_iter().flatten().map(|(label, _)| label.as_str())
}

/// The labels in a legend: `{{cloud}}`.
fn placeholders(legend: &str) -> impl Iterator<Item = &str> {
    legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next())
}

fn line(legend: &str, series: &Series) -> Value {
    let mut name = legend.to_owned();
    for (label, value) in &series.metric {
        name = name.replace(&format!("{{{{{label}}}}}"), value);
    }
    let values: Vec<_> = series
        .values
        .iter()
        .map(|sample| json!([sample.0, sample.1]))
        .collect();
    json!({"name": name, "metric": series.metric, "values": values})
}
