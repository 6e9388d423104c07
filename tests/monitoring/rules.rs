//! The rules: promtool accepts them, each alert is tested, and the runbook explains each alert.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::expression::selectors;
use crate::families::Families;
use crate::promtool;
use crate::repository;
use crate::rule_file::{read, rules, test_files, windows_fit};

#[tokio::test]
async fn promtool_finds_nothing_in_the_rules() -> Result<()> {
    let arguments = ["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"];
    let (success, printed) = promtool::run(&directory(), &arguments).await?;
    ensure!(success, "{printed}");
    Ok(())
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_not_otherwise() -> Result<()> {
    let files = test_files()?;
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let (success, printed) = promtool::run(&directory(), &arguments).await?;
    ensure!(success, "{printed}");
    Ok(())
}

fn directory() -> std::path::PathBuf {
    repository().join("deploy/monitoring")
}

/// Each alert with `true` if a test expects it to fire, and with `false` if one expects it not to.
fn tested() -> Result<BTreeSet<(String, bool)>> {
    let mut tested = BTreeSet::new();
    for file in test_files()? {
        let file = read(&file)?;
        for test in file["tests"].as_array().context("tests")? {
            for check in test["alert_rule_test"].as_array().into_iter().flatten() {
                let fires = check["exp_alerts"]
                    .as_array()
                    .is_some_and(|it| !it.is_empty());
                let name = check["alertname"].as_str().context("a name")?;
                tested.insert((name.to_owned(), fires));
            }
        }
    }
    Ok(tested)
}

#[test]
fn every_alert_is_explained_and_tested_both_ways() -> Result<()> {
    let runbook = std::fs::read_to_string(repository().join("docs/runbook.md"))?;
    let mut addresses = BTreeSet::new();
    let tested = tested()?;
    let mut names = BTreeSet::new();
    for rule in rules(&read("rules.yaml")?)
        .iter()
        .filter(|rule| rule.is_alert())
    {
        let name = rule.name();
        names.insert(name.to_owned());
        let severity = rule.body["labels"]["severity"].as_str().unwrap_or_default();
        ensure!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        for annotation in ["summary", "description"] {
            let text = rule.body["annotations"][annotation].as_str();
            ensure!(
                text.is_some_and(|text| text.ends_with('.')),
                "{name}: {annotation}"
            );
        }
        let link = rule.body["annotations"]["runbook_url"].as_str();
        let (address, anchor) = link.and_then(|it| it.split_once('#')).context("a link")?;
        addresses.insert(address.to_owned());
        ensure!(anchor == name.to_lowercase(), "{name} links to {anchor}");
        ensure!(
            runbook.contains(&format!("\n### {name}\n")),
            "the runbook has no {name}"
        );
        for fires in [true, false] {
            ensure!(
                tested.contains(&(name.to_owned(), fires)),
                "{name}: no test expects that it fires: {fires}"
            );
        }
    }
    ensure!(addresses.len() == 1, "{addresses:?}");
    let entries = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### MyCloudLB"));
    let entries = entries.map(|rest| format!("MyCloudLB{rest}")).collect();
    ensure!(names == entries, "{names:?} and {entries:?}");
    ensure!(
        tested.iter().all(|(name, _)| names.contains(name)),
        "{tested:?}"
    );
    Ok(())
}

#[test]
fn rules_select_metrics_and_labels_that_exist() -> Result<()> {
    let families = Families::read()?;
    let rules = rules(&read("rules.yaml")?);
    let recorded: BTreeSet<_> = rules
        .iter()
        .filter(|rule| !rule.is_alert())
        .map(|rule| rule.name())
        .collect();
    for rule in &rules {
        for selector in selectors(rule.expression())? {
            let name = &selector.name;
            if recorded.contains(name.as_str()) {
                continue;
            }
            let growth = families.grows(name).context(rule.name().to_owned())?;
            let call = selector.call.as_deref();
            let rate = matches!(call, Some("rate" | "increase"));
            ensure!(rate == growth, "{}: {name} under {call:?}", rule.name());
            for matcher in &selector.matchers {
                let label = &matcher.name;
                ensure!(
                    families.has_label(name, label)?,
                    "{}: {name} has no {label}",
                    rule.name()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn windows_are_those_in_names_and_labels() -> Result<()> {
    for rule in rules(&read("rules.yaml")?) {
        ensure!(
            windows_fit(&rule.body)?,
            "{}: {}",
            rule.name(),
            rule.expression()
        );
    }
    Ok(())
}

#[test]
fn the_operators_rule_has_the_same_groups() -> Result<()> {
    let rule = read("prometheus-rule.yaml")?;
    ensure!(rule["spec"]["groups"] == read("rules.yaml")?["groups"]);
    ensure!(rule["kind"] == "PrometheusRule");
    Ok(())
}
