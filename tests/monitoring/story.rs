//! Real replicas run through a story of failures while a real Prometheus scrapes them: every alert
//! fires in its chapter and not before, and every panel of every board has data.
//!
//! The rules and the intervals of the controller are 60 times faster ([`faster`]); the clouds and the
//! API server are not. The tests of promtool check the same alerts at their real speed.

mod alerts;
mod bystanders;
mod capabilities;
mod chapters;
mod clouds;
mod collector;
mod credentials;
mod faster;
mod misled;
mod panels;
mod recovery;
mod refusals;
mod replicas;
mod substitute;
mod world;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::environment::SOON;
use testbed::eventually;
use testbed::monitoring::prometheus::Span;

use self::alerts::{none_too_early, now, until_all_fire};
use self::chapters::Story;
use crate::MACHINE;

/// The environment variable with the path of the file from which `make dashboards` draws pictures.
const RECORD: &str = "RECORD_STORY";

#[tokio::test]
async fn the_boards_and_alerts_follow_the_story() -> Result<()> {
    let _machine = MACHINE.lock().await;
    let mut story = Story::begin().await?;
    story.calm().await?;
    story.clouds_in_trouble().await?;
    story.recovery().await?;
    story.refusals().await?;
    story.term_refused().await?;
    story.token_refused().await?;
    story.replica_misled().await?;
    story.leader_killed().await?;
    story.leaders_change().await?;
    story.two_leaders().await?;
    story.no_nodes().await?;
    story.capability_lost().await?;
    story.calm_again().await?;

    let span = Span {
        start: story.start(),
        end: now(),
        step: 1.0,
    };
    let prometheus = &story.world.prometheus;
    none_too_early(prometheus, &story.chapters).await?;
    no_rule_fails(&story).await?;
    exemplars_are_kept(&story, span).await?;
    let (panels, wrong) = panels::check(prometheus, span).await?;
    record(&story, span, panels)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");

    prometheus.targets().set([])?;
    until_all_fire(prometheus, &[("MyCloudLBAbsent", &[])], now()).await
}

async fn no_rule_fails(story: &Story) -> Result<()> {
    let rules = story.world.prometheus.get("/api/v1/rules", &[]).await?;
    let groups = rules["groups"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    ensure!(!groups.is_empty(), "{rules}");
    for group in groups {
        for rule in group["rules"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
        {
            ensure!(rule["health"] == "ok", "{rule}");
        }
    }
    Ok(())
}

/// The points on the histograms of a board, each of which links to a trace.
async fn exemplars_are_kept(story: &Story, span: Span) -> Result<()> {
    let query = [
        (
            "query",
            "mycloud_lb_cloud_api_request_duration_seconds_bucket".to_owned(),
        ),
        ("start", span.start.to_string()),
        ("end", span.end.to_string()),
    ];
    let what = "exemplars of calls to clouds";
    eventually(what, SOON, async || {
        let found = story
            .world
            .prometheus
            .get("/api/v1/query_exemplars", &query)
            .await?;
        let trace = &found[0]["exemplars"][0]["labels"]["trace_id"];
        ensure!(trace.as_str().is_some_and(|id| id.len() == 32), "{found}");
        Ok(Some(()))
    })
    .await
}

fn record(story: &Story, span: Span, panels: Vec<Value>) -> Result<()> {
    let Some(path) = std::env::var_os(RECORD) else {
        return Ok(());
    };
    let chapters = story.chapters.iter();
    let chapters: Vec<_> = chapters
        .map(|chapter| json!({"title": chapter.title, "start": chapter.start}))
        .collect();
    let recorded = json!({
        "start": span.start, "end": span.end, "step": span.step,
        "chapters": chapters, "panels": panels,
    });
    Ok(std::fs::write(PathBuf::from(path), recorded.to_string())?)
}

/// Scrapes of a replica during the calm at the start, two each second.
const CALM_SCRAPES: usize = 48;
