//! The rules with a faster clock: an hour becomes a minute.
//!
//! `for`, the intervals of the groups, every range and the limits in seconds are divided; nothing
//! else changes. The objective of 60 s stays, because it is a bucket of the program.

use anyhow::{Context, Result, anyhow, ensure};
use promql_parser::util::{display_duration, parse_duration};
use serde_json::{Value, json};

use crate::expression::with_ranges;

/// The factor.
pub const TIMES: f64 = 60.0;

/// The limits in seconds, and their faster values. The duration of a Node sync depends on the machine
/// too, so its limit is divided less. The silence of a watch depends on the API server and stays.
const LIMITS: [(&str, &str, &str); 8] = [
    ("MyCloudLBReconcileStuck", "> 300", "> 5"),
    ("MyCloudLBCloudUnavailable", "> 600", "> 10"),
    ("MyCloudLBEditOverdue", "> 300", "> 5"),
    ("MyCloudLBMoveOverdue", "> 600", "> 10"),
    ("MyCloudLBRepairOverdue", "> 900", "> 15"),
    ("MyCloudLBDeletionOverdue", "> 1800", "> 30"),
    ("MyCloudLBOrphanScanStale", "> 1800", "> 30"),
    ("MyCloudLBNodeSyncSlow", "> 60", "> 8"),
];

/// The same rules for the faster clock.
pub fn faster(mut file: Value) -> Result<Value> {
    let mut limits = 0;
    for group in file["groups"].as_array_mut().context("groups")? {
        shorten(&mut group["interval"])?;
        for rule in group["rules"].as_array_mut().context("rules")? {
            shorten(&mut rule["for"])?;
            let expression = rule["expr"].as_str().context("expr")?;
            let mut expression = with_ranges(expression, |range| range.div_f64(TIMES))?;
            let of = |limit: &&(&str, &str, &str)| rule["alert"] == limit.0;
            if let Some((name, slow, quick)) = LIMITS.iter().find(of) {
                ensure!(
                    expression.matches(slow).count() == 1,
                    "{name}: {expression}"
                );
                expression = expression.replace(slow, quick);
                limits += 1;
            }
            rule["expr"] = json!(expression);
        }
        // A duration that was absent is null now.
        for rule in group["rules"].as_array_mut().context("rules")? {
            without_null(rule);
        }
        without_null(group);
    }
    ensure!(limits == LIMITS.len(), "{limits} limits");
    Ok(file)
}

fn without_null(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
}

fn shorten(duration: &mut Value) -> Result<()> {
    if let Some(text) = duration.as_str() {
        *duration = json!(shorter(text)?);
    }
    Ok(())
}

fn shorter(duration: &str) -> Result<String> {
    let duration = parse_duration(duration).map_err(|error| anyhow!(error))?;
    Ok(display_duration(&duration.div_f64(TIMES)))
}

#[test]
fn time_runs_faster_and_nothing_else_changes() -> Result<()> {
    let rule = json!({"alert": "A", "for": "5m", "expr": "rate(a{le=\"60\"}[1h]) > 60"});
    let same = json!({"record": "b", "expr": "a > 0.1"});
    let mut rules = vec![rule, same];
    for (name, slow, _) in LIMITS {
        rules.push(json!({"alert": name, "expr": format!("a {slow}")}));
    }
    let changed = faster(json!({"groups": [{"name": "g", "interval": "30s", "rules": rules}]}))?;
    let group = &changed["groups"][0];
    assert_eq!(group["interval"], "500ms");
    let expected = json!({"alert": "A", "for": "5s", "expr": "rate(a{le=\"60\"}[1m]) > 60"});
    assert_eq!(group["rules"][0], expected);
    assert_eq!(group["rules"][1], json!({"record": "b", "expr": "a > 0.1"}));
    assert_eq!(group["rules"][2]["expr"], "a > 5");
    Ok(())
}
