//! Would the rules' tests notice? Each rule is broken in every way of
//! `mutate.rs`, one at a time, and promtool must find that a test fails.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use serde_json::Value;

use crate::MACHINE;
use crate::expression::with_ranges;
use crate::mutate::{Mutant, mutants};
use crate::promtool;
use crate::rule_file::{Rule, read, rules, test_files, windows_fit};

/// As many run at a time.
const AT_ONCE: usize = 2;

/// Changes that change nothing: the alert, how the change begins, and the reason.
const HARMLESS: [(&str, &str, &str); 10] = [
    (
        "MyCloudLBNoLeader",
        "sum is max",
        "the sum of none is 0, and so is the greatest",
    ),
    ("MyCloudLBReconcileStuck", "max is min", "one series each"),
    ("MyCloudLBQueueBacklog", "max is min", "one series each"),
    (
        "MyCloudLBCloudUnavailable",
        "0 is 1",
        "one failure extrapolates to more than 1",
    ),
    (
        "MyCloudLBNodeSyncSlow",
        "> is >=",
        "no quantile is exactly that",
    ),
    (
        "MyCloudLBNodeSyncErrors",
        "sum is max",
        "some at one replica are some at all",
    ),
    (
        "MyCloudLBNoEligibleNodes",
        "sum is max",
        "some on one cloud are some on all",
    ),
    ("MyCloudLBWatchStale", "max is min", "one series each"),
    (
        "MyCloudLBHealthcheckFailing",
        "min is max",
        "one series each",
    ),
    (
        "MyCloudLBTraceExportFailing",
        "0 is 1",
        "one lost span extrapolates to more than 1",
    ),
];

/// What can notice a change of one rule: only its tests, with only the rules
/// that they ask about, because evaluating the others takes most of the time.
struct Suite {
    rules: BTreeSet<String>,
    tests: Vec<(String, Value)>,
}

impl Suite {
    fn of(rule: &Rule, all: &[Rule]) -> Result<Self> {
        // What is recorded shows in the alerts that use it.
        let mut asked = BTreeSet::from([rule.name().to_owned()]);
        let users = all.iter().filter(|other| uses(other, rule));
        asked.extend(users.map(|rule| rule.name().to_owned()));
        let mut tests = Vec::new();
        for path in test_files()? {
            let mut file = read(&path)?;
            let list = file["tests"].as_array_mut().context("tests")?;
            list.retain(|test| {
                let text = test.to_string();
                asked.iter().any(|name| text.contains(name))
            });
            if !list.is_empty() {
                tests.push((path, file));
            }
        }
        ensure!(!tests.is_empty(), "no test of {}", rule.name());
        // The quick ones first.
        tests.sort_by_key(|(path, _)| path.contains("days"));
        let mut rules = asked;
        for (_, file) in &tests {
            let text = file.to_string();
            let named = all.iter().filter(|rule| text.contains(rule.name()));
            rules.extend(named.map(|rule| rule.name().to_owned()));
        }
        let used: Vec<_> = all
            .iter()
            .filter(|rule| {
                all.iter()
                    .any(|user| rules.contains(user.name()) && uses(user, rule))
            })
            .map(|rule| rule.name().to_owned())
            .collect();
        rules.extend(used);
        Ok(Self { rules, tests })
    }

    /// Whether a test fails with these groups.
    async fn notices(&self, mut file: Value) -> Result<bool> {
        for group in file["groups"].as_array_mut().into_iter().flatten() {
            if let Some(rules) = group["rules"].as_array_mut() {
                rules.retain(|rule| {
                    let name = rule["alert"].as_str().or(rule["record"].as_str());
                    name.is_some_and(|name| self.rules.contains(name))
                });
            }
        }
        let directory = tempfile::tempdir()?;
        write(&directory.path().join("rules.yaml"), &file)?;
        std::fs::create_dir(directory.path().join("tests"))?;
        for (path, tests) in &self.tests {
            write(&directory.path().join(path), tests)?;
            let arguments = ["test", "rules", path.as_str()];
            let (content, said) = promtool::run(directory.path(), &arguments).await?;
            if !content {
                // It must be the tests that fail, not the mutant that cannot be read.
                ensure!(said.contains("exp:") || said.contains("got:"), "{said}");
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn uses(user: &Rule, rule: &Rule) -> bool {
    !rule.is_alert() && user.expression().contains(rule.name())
}

/// JSON is YAML too.
fn write(path: &Path, content: &Value) -> Result<()> {
    Ok(std::fs::write(path, content.to_string())?)
}

/// Rules that differ only in their windows stand for each other: the first of
/// them is broken in every way, the others only in the windows.
fn worth_a_try(rule: &Rule, shapes: &mut BTreeSet<String>) -> Result<Vec<Mutant>> {
    let shape = with_ranges(rule.expression(), |_| Duration::from_secs(60))?;
    let mut all = mutants(&rule.body)?;
    if !shapes.insert(shape) {
        all.retain(|mutant| mutant.what.starts_with('['));
    }
    Ok(all)
}

#[tokio::test]
async fn the_tests_notice_every_broken_rule() -> Result<()> {
    let _machine = MACHINE.lock().await;
    let file = read("rules.yaml")?;
    let all = rules(&file);
    let mut shapes = BTreeSet::new();
    let mut tried = Vec::new();
    for rule in &all {
        let suite = Arc::new(Suite::of(rule, &all)?);
        let sound = suite.notices(file.clone()).await?;
        ensure!(!sound, "{}: its tests fail as it is", rule.name());
        for Mutant { what, body } in worth_a_try(rule, &mut shapes)? {
            let (name, change) = (rule.name(), what.as_str());
            let harmless = |it: &(&str, &str, &str)| it.0 == name && change.starts_with(it.1);
            // `rules.rs` looks at the windows.
            if HARMLESS.iter().any(harmless) || !windows_fit(&body)? {
                continue;
            }
            let mut broken = file.clone();
            broken["groups"][rule.group]["rules"][rule.index] = body;
            tried.push((
                suite.clone(),
                format!("{name}{}: {what}", label(rule)),
                broken,
            ));
        }
    }
    let count = tried.len();
    let mut outcomes = stream::iter(tried)
        .map(async |(suite, what, broken)| (suite.notices(broken).await, what))
        .buffer_unordered(AT_ONCE);
    let mut survivors = Vec::new();
    while let Some((noticed, what)) = outcomes.next().await {
        match noticed {
            Ok(true) => {}
            Ok(false) => survivors.push(what),
            Err(error) => survivors.push(format!("{what}: {error:#}")),
        }
    }
    println!("{count} broken rules, {} not noticed", survivors.len());
    ensure!(survivors.is_empty(), "not noticed: {survivors:#?}");
    Ok(())
}

/// Tells alerts of one name apart.
fn label(rule: &Rule) -> String {
    let long = rule.body["labels"]["long"].as_str();
    long.map(|long| format!(" {long}")).unwrap_or_default()
}
