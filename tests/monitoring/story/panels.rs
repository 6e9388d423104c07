//! Every expression of every board, asked of the Prometheus of the story.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::monitoring::generated::repository;
use testbed::monitoring::grafana;
use testbed::monitoring::prometheus::{Prometheus, Series, Span};
use testbed::monitoring::source::{BOARDS, Board, Kind, Panel, Query};
use testbed::monitoring::substitute::Variables;

const VARIABLES: Variables = Variables {
    cloud: ".+",
    rate_interval: "4s",
};

/// Asks all of them; gives what they answered, for pictures, and what is wrong with it.
pub async fn check(prometheus: &Prometheus, span: Span) -> Result<(Vec<Value>, Vec<String>)> {
    let mut recorded = Vec::new();
    let mut wrong = Vec::new();
    for name in BOARDS {
        let board = Board::read(&repository(), name)?;
        for panel in board.panels() {
            let mut answers = Vec::new();
            for query in &panel.queries {
                let place = format!("{name}, {}: {}", panel.title, query.expr);
                let series = answer(prometheus, query, span).await?;
                if let Err(error) = judge(panel, query, &series) {
                    wrong.push(format!("{place}: {error:#}"));
                }
                answers.push(series.iter().map(|one| line(query, one)).collect());
            }
            recorded.push(
                json!({"board": name, "title": panel.title, "queries": Value::Array(answers)}),
            );
        }
        annotations(prometheus, &board, span).await?;
    }
    Ok((recorded, wrong))
}

async fn answer(prometheus: &Prometheus, query: &Query, span: Span) -> Result<Vec<Series>> {
    let expression = VARIABLES.substitute(&query.expression());
    prometheus.query_range(&expression, span).await
}

/// Whether an answer can be shown as the panel wants to show it.
fn judge(panel: &Panel, query: &Query, series: &[Series]) -> Result<()> {
    ensure!(!series.is_empty(), "no series");
    for one in series {
        for label in placeholders(&query.legend).chain(panel.columns.iter().map(String::as_str)) {
            ensure!(
                one.metric.contains_key(label),
                "no label {label}: {:?}",
                one.metric
            );
        }
    }
    let values = || {
        series
            .iter()
            .flat_map(|one| &one.values)
            .map(|sample| sample.number())
    };
    let mut numbers = values().filter(|number| number.is_finite());
    ensure!(numbers.clone().next().is_some(), "no number");
    let falls_below_zero = panel.title.starts_with("Error budget");
    // A scrape is stamped with its begin; what it shows may be a little younger.
    let least = if panel.unit == "s" { -1.0 } else { 0.0 };
    ensure!(
        falls_below_zero || numbers.clone().all(|number| number >= least),
        "below zero"
    );
    if panel.unit == "percentunit" {
        ensure!(numbers.clone().all(|number| number <= 1.0), "more than all");
    }
    if panel.kind == Kind::StateTimeline {
        let known = |number: f64| panel.states.contains_key(&number.to_string());
        ensure!(numbers.all(known), "a state without a name");
    }
    Ok(())
}

/// `{{cloud}}` of a legend.
fn placeholders(legend: &str) -> impl Iterator<Item = &str> {
    legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next())
}

fn line(query: &Query, series: &Series) -> Value {
    let mut name = query.legend.clone();
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

async fn annotations(prometheus: &Prometheus, board: &Board, span: Span) -> Result<()> {
    let made = grafana::board(board);
    for annotation in made["annotations"]["list"]
        .as_array()
        .context("annotations")?
    {
        let expression = annotation["expr"].as_str().context("an expression")?;
        let series = prometheus
            .query_range(&VARIABLES.substitute(expression), span)
            .await?;
        ensure!(!series.is_empty(), "{annotation}");
    }
    Ok(())
}
