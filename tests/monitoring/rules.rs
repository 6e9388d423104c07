//! The rules: as promtool likes them, each alert tested, each explained.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::monitoring::generated::{self, repository};
use testbed::monitoring::runbook;

use crate::expression::selectors;
use crate::families::Families;
use crate::promtool;
use crate::rule_file::{read, rules, test_files, windows_fit};

#[tokio::test]
async fn promtool_finds_nothing_in_the_rules() -> Result<()> {
    let arguments = ["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"];
    let (content, said) = promtool::run(&directory(), &arguments).await?;
    ensure!(content, "{said}");
    Ok(())
}

#[tokio::test]
async fn alerts_go_when_they_should_and_not_in_the_calm() -> Result<()> {
    let files = test_files()?;
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let (content, said) = promtool::run(&directory(), &arguments).await?;
    ensure!(content, "{said}");
    Ok(())
}

fn directory() -> std::path::PathBuf {
    repository().join("deploy/monitoring")
}

/// For each alert, whether the tests have it go (`true`) and not go (`false`).
fn tested() -> Result<BTreeSet<(String, bool)>> {
    let mut tested = BTreeSet::new();
    for file in test_files()? {
        let file = read(&file)?;
        for test in file["tests"].as_array().context("tests")? {
            for check in test["alert_rule_test"].as_array().into_iter().flatten() {
                let goes = check["exp_alerts"]
                    .as_array()
                    .is_some_and(|it| !it.is_empty());
                let name = check["alertname"].as_str().context("a name")?;
                tested.insert((name.to_owned(), goes));
            }
        }
    }
    Ok(tested)
}

#[test]
fn every_alert_is_explained_and_tested_both_ways() -> Result<()> {
    let runbook = std::fs::read_to_string(repository().join("docs/runbook.md"))?;
    let address = runbook::address(&repository())?;
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
        let anchor = name.to_lowercase();
        ensure!(
            rule.body["annotations"]["runbook_url"] == format!("{address}#{anchor}"),
            "{name}"
        );
        ensure!(
            runbook.contains(&format!("\n### {name}\n")),
            "{name} is not in the runbook"
        );
        for goes in [true, false] {
            ensure!(
                tested.contains(&(name.to_owned(), goes)),
                "{name}: no test that says {goes}"
            );
        }
    }
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
fn rules_ask_for_metrics_and_labels_that_there_are() -> Result<()> {
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
fn windows_are_those_that_names_and_labels_say() -> Result<()> {
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

#[test]
fn every_replica_is_scraped_at_its_port() -> Result<()> {
    let monitor = read("pod-monitor.yaml")?;
    let text = std::fs::read_to_string(repository().join("deploy/ccm-deployment.yaml"))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let deployment = documents
        .iter()
        .find(|document| document["kind"] == "Deployment");
    let deployment = deployment.context("a Deployment")?;
    let pod = &deployment["spec"]["template"];
    let (selected, endpoint) = (
        &monitor["spec"]["selector"],
        &monitor["spec"]["podMetricsEndpoints"],
    );
    ensure!(
        selected["matchLabels"] == pod["metadata"]["labels"],
        "{selected}"
    );
    ensure!(monitor["metadata"]["namespace"] == deployment["metadata"]["namespace"]);
    let ports = &pod["spec"]["containers"][0]["ports"];
    ensure!(endpoint[0]["port"] == ports[0]["name"], "{endpoint}");
    ensure!(endpoint[0]["path"] == json!("/metrics"));
    Ok(())
}

/// As the runbook says: else who follows it is told that nobody is there.
#[test]
fn secure_metrics_are_scraped_at_the_port_that_serves_them() -> Result<()> {
    let runbook = std::fs::read_to_string(repository().join("docs/runbook.md"))?;
    let stanza = runbook
        .split("```yaml\n")
        .find_map(|block| {
            let text = block.trim_start();
            text.starts_with("podMetricsEndpoints:")
                .then(|| block.split("```").next())?
        })
        .context("podMetricsEndpoints in the runbook")?;
    let secure: Value = serde_saphyr::from_str(stanza)?;
    let secure = &secure["podMetricsEndpoints"][0];
    let port = secure["port"].as_str().context("a port")?;
    let opened = format!("\"value\": {{\"name\": \"{port}\", \"containerPort\": 8443}}");
    ensure!(runbook.contains(&opened), "{port} is not opened");
    let plain = &read("pod-monitor.yaml")?["spec"]["podMetricsEndpoints"][0];
    for same in ["path", "interval", "relabelings"] {
        ensure!(secure[same] == plain[same], "{same}: {}", secure[same]);
    }
    ensure!(secure["scheme"] == "https", "{secure}");
    ensure!(secure["tlsConfig"]["ca"].is_object(), "{secure}");
    ensure!(
        secure["authorization"]["credentials"].is_object(),
        "{secure}"
    );
    Ok(())
}

#[test]
fn what_is_generated_is_as_its_source_says() -> Result<()> {
    for (path, content) in generated::files(&repository())? {
        let written = std::fs::read_to_string(repository().join(&path)).context(path.clone())?;
        ensure!(
            written == content,
            "{path} is not as its source says: make boards"
        );
    }
    Ok(())
}
