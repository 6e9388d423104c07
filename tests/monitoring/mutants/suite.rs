//! The tests of one rule, run by promtool.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::promtool;
use crate::rule_file::{Rule, read, test_files};

/// The tests that can notice a change of one rule, and the rules that they need: evaluating the
/// other rules would take most of the time.
pub struct Suite {
    rules: BTreeSet<String>,
    tests: Vec<(String, Value)>,
}

impl Suite {
    pub fn of(rule: &Rule, all: &[Rule]) -> Result<Self> {
        // A recorded series has no test of its own; the alerts that use it have.
        let mut named = BTreeSet::from([rule.name().to_owned()]);
        let users = all.iter().filter(|other| uses(other, rule));
        named.extend(users.map(|rule| rule.name().to_owned()));
        let mut tests = Vec::new();
        for path in test_files()? {
            let mut file = read(&path)?;
            let list = file["tests"].as_array_mut().context("tests")?;
            list.retain(|test| {
                let text = test.to_string();
                named.iter().any(|name| text.contains(name))
            });
            if !list.is_empty() {
                tests.push((path, file));
            }
        }
        ensure!(!tests.is_empty(), "no test of {}", rule.name());
        // The fast tests first.
        tests.sort_by_key(|(path, _)| path.contains("days"));
        let mut rules = named;
        for (_, file) in &tests {
            let text = file.to_string();
            let needed = all.iter().filter(|rule| text.contains(rule.name()));
            rules.extend(needed.map(|rule| rule.name().to_owned()));
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
    pub async fn notices(&self, mut file: Value) -> Result<bool> {
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
            let (success, printed) = promtool::run(directory.path(), &arguments).await?;
            if !success {
                // The failure must be that of a test, not that of a mutant that cannot be parsed.
                let failed = printed.contains("exp:") || printed.contains("got:");
                ensure!(failed, "{printed}");
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
