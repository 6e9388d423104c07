//! The tests of the rules notice a broken rule: for each mutant of `mutate.rs`, a test must fail.

mod suite;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, stream};

use self::suite::Suite;
use crate::MACHINE;
use crate::expression::with_ranges;
use crate::mutate::{Mutant, mutants};
use crate::rule_file::{Rule, read, rules, windows_fit};

/// Mutants that are tested at a time.
const AT_ONCE: usize = 2;

/// Changes without an effect: the alert, the start of the description, and the reason.
const HARMLESS: [(&str, &str, &str); 11] = [
    (
        "MyCloudLBNoLeader",
        "sum is max",
        "of zeros both the sum and the maximum are 0",
    ),
    (
        "MyCloudLBNothingProvisioned",
        "sum is max, in sum by (job, cloud) (increase(mycloud_lb_provisioning_duration",
        "if no replica has counted an address, then all have counted none",
    ),
    (
        "MyCloudLBReconcileStuck",
        "max is min",
        "there is one series in each group",
    ),
    (
        "MyCloudLBQueueBacklog",
        "max is min",
        "there is one series in each group",
    ),
    (
        "MyCloudLBCloudUnavailable",
        "0 is 1",
        "one failure is extrapolated to more than 1",
    ),
    (
        "MyCloudLBTermRefused",
        "0 is 1",
        "one refusal is extrapolated to more than 1",
    ),
    (
        "MyCloudLBNodeSyncSlow",
        "> is >=",
        "no quantile equals the limit",
    ),
    (
        "MyCloudLBNodeSyncErrors",
        "sum is max",
        "errors of one replica are errors of all",
    ),
    (
        "MyCloudLBNoEligibleNodes",
        "sum is max",
        "load balancers on one cloud are load balancers on all",
    ),
    (
        "MyCloudLBHealthcheckFailing",
        "min is max",
        "there is one series in each group",
    ),
    (
        "MyCloudLBTraceExportFailing",
        "0 is 1",
        "one lost span is extrapolated to more than 1",
    ),
];

/// The mutants of a rule. Of rules that differ only in their ranges, the first one has all
/// mutants, the others only those of the ranges.
fn distinct_mutants(rule: &Rule, shapes: &mut BTreeSet<String>) -> Result<Vec<Mutant>> {
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
        ensure!(!sound, "{}: its tests fail without a change", rule.name());
        for Mutant { what, body } in distinct_mutants(rule, &mut shapes)? {
            let (name, change) = (rule.name(), what.as_str());
            let harmless = |it: &(&str, &str, &str)| it.0 == name && change.starts_with(it.1);
            // A test of `rules.rs` notices wrong windows.
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

/// Distinguishes the alerts of the same name.
fn label(rule: &Rule) -> String {
    let long = rule.body["labels"]["long"].as_str();
    long.map(|long| format!(" {long}")).unwrap_or_default()
}
