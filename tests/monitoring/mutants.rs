//! Would the rules' tests notice? Each rule is broken in every way of
//! `mutate.rs`, one at a time, and promtool must find that a test fails.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::mutate::{Mutant, mutants};
use crate::promtool;
use crate::rule_file::{Rule, read, rules, test_files};

/// As many run at a time.
const AT_ONCE: usize = 2;

/// Changes that change nothing, each with the reason.
const HARMLESS: [(&str, &str, &str); 0] = [];

/// The tests that can notice a change of this rule: only those, because most of
/// the time goes into evaluating the others.
struct Suite {
    files: Vec<(String, Value)>,
}

impl Suite {
    fn of(rule: &Rule, all: &[Rule]) -> Result<Self> {
        // What is recorded shows in the alerts that use it.
        let mut names: BTreeSet<&str> = BTreeSet::from([rule.name()]);
        let users = all.iter().filter(|other| other.expression().contains(rule.name()));
        names.extend(users.map(Rule::name));
        let mut files = Vec::new();
        for path in test_files()? {
            let mut file = read(&path)?;
            let tests = file["tests"].as_array_mut().context("tests")?;
            tests.retain(|test| {
                let text = test.to_string();
                names.iter().any(|name| text.contains(name))
            });
            if !tests.is_empty() {
                files.push((path, file));
            }
        }
        ensure!(!files.is_empty(), "no test of {}", rule.name());
        // The quick ones first.
        files.sort_by_key(|(path, _)| path.contains("days"));
        Ok(Self { files })
    }

    /// Whether a test fails with the rule file changed so.
    async fn notices(&self, rules: &Value) -> Result<bool> {
        let directory = tempfile::tempdir()?;
        write(&directory.path().join("rules.yaml"), rules)?;
        std::fs::create_dir(directory.path().join("tests"))?;
        for (path, tests) in &self.files {
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

/// JSON is YAML too.
fn write(path: &Path, content: &Value) -> Result<()> {
    Ok(std::fs::write(path, content.to_string())?)
}

#[tokio::test]
async fn the_tests_notice_every_broken_rule() -> Result<()> {
    let file = read("rules.yaml")?;
    let all = rules(&file);
    let mut tried = Vec::new();
    for rule in &all {
        let suite = std::sync::Arc::new(Suite::of(rule, &all)?);
        ensure!(!suite.notices(&file).await?, "{}: fails as it is", rule.name());
        for Mutant { what, body } in mutants(&rule.body)? {
            let harmless = HARMLESS.iter().any(|(name, change, _)| *name == rule.name() && *change == what);
            if harmless {
                continue;
            }
            let mut broken = file.clone();
            broken["groups"][rule.group]["rules"][rule.index] = body;
            let what = format!("{}{}: {what}", rule.name(), label(rule));
            tried.push((suite.clone(), what, broken));
        }
    }
    let count = tried.len();
    let survivors: Vec<String> = stream::iter(tried)
        .map(async |(suite, what, broken)| {
            let noticed = suite.notices(&broken).await.context(what.clone())?;
            anyhow::Ok((!noticed).then_some(what))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(async |survivor| Ok(survivor))
        .try_collect()
        .await?;
    println!("{count} broken rules, {} not noticed", survivors.len());
    ensure!(survivors.is_empty(), "not noticed: {survivors:#?}");
    Ok(())
}

/// Tells alerts of one name apart.
fn label(rule: &Rule) -> String {
    let long = rule.body["labels"]["long"].as_str();
    long.map(|long| format!(" {long}")).unwrap_or_default()
}
