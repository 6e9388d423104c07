//! Which alerts went, when, and whether they should have.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use testbed::environment::SOON;
use testbed::eventually;
use testbed::monitoring::prometheus::{Prometheus, Series, Span};

const FIRING: &str = "ALERTS{alertstate=\"firing\"}";
/// Far more than `for` and the windows, with time running faster: other builds
/// may have the machine meanwhile.
const GOES: Duration = Duration::from_secs(240);

/// Part of the story, and the alerts that may go in it and later.
#[derive(Debug)]
pub struct Chapter {
    pub title: &'static str,
    pub start: f64,
    pub alerts: Vec<Expected>,
}

/// An alert's name, and labels that it must have.
pub type Expected = (&'static str, &'static [(&'static str, &'static str)]);

pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

fn is(series: &Series, (name, labels): &Expected) -> bool {
    let has = |label: &str, value: &str| series.metric.get(label).is_some_and(|it| it == value);
    has("alertname", name) && labels.iter().all(|(label, value)| has(label, value))
}

fn name(series: &Series) -> String {
    let mut labels = series.metric.clone();
    let name = labels.remove("alertname").unwrap_or_default();
    for known in ["__name__", "alertstate", "job"] {
        labels.remove(known);
    }
    format!("{name} {labels:?}")
}

/// With its state.
fn shown(series: &Series) -> String {
    let state = series.metric.get("alertstate").map(String::as_str);
    format!("{} {}", state.unwrap_or_default(), name(series))
}

pub async fn goes(prometheus: &Prometheus, alert: &Expected) -> Result<bool> {
    let firing = prometheus.query(FIRING).await?;
    Ok(firing.iter().any(|series| is(series, alert)))
}

/// Waits until each of them goes, or went since then: some are over soon.
pub async fn until_all_go(prometheus: &Prometheus, alerts: &[Expected], since: f64) -> Result<()> {
    for alert in alerts {
        let (name, labels) = alert;
        eventually(&format!("{name} {labels:?} to go"), GOES, async || {
            let went = format!("last_over_time({FIRING}[{:.0}ms])", (now() - since) * 1e3);
            let went = prometheus.query(&went).await?;
            if went.iter().any(|series| is(series, alert)) {
                return Ok(Some(()));
            }
            let others = prometheus.query("ALERTS").await?;
            let others: Vec<_> = others.iter().map(shown).collect();
            bail!("there are {others:#?}")
        })
        .await?;
    }
    Ok(())
}

/// Waits until none goes but these.
pub async fn until_calm(prometheus: &Prometheus, but: &[Expected]) -> Result<()> {
    eventually("all alerts to end", GOES, async || {
        let mut firing = prometheus.query(FIRING).await?;
        firing.retain(|series| !but.iter().any(|alert| is(series, alert)));
        let names: Vec<_> = firing.iter().map(name).collect();
        ensure!(names.is_empty(), "{names:?}");
        Ok(Some(()))
    })
    .await
}

/// Waits until none is about to go either: what only needs longer than the calm
/// would go in a longer one.
pub async fn until_none_pends(prometheus: &Prometheus) -> Result<()> {
    eventually("no alert to pend", SOON, async || {
        let there: Vec<_> = prometheus.query("ALERTS").await?;
        let there: Vec<_> = there.iter().map(shown).collect();
        ensure!(there.is_empty(), "{there:?}");
        Ok(Some(()))
    })
    .await
}

/// No alert went before the chapter that tells of it.
pub async fn none_too_early(prometheus: &Prometheus, chapters: &[Chapter]) -> Result<()> {
    let span = Span {
        start: chapters[0].start,
        end: now(),
        step: 0.5,
    };
    let mut wrong = BTreeMap::new();
    for series in prometheus.query_range(FIRING, span).await? {
        let began = series.values.first().map_or(0.0, |sample| sample.0);
        let expects = |chapter: &&Chapter| chapter.alerts.iter().any(|alert| is(&series, alert));
        let own = chapters.iter().find(expects);
        if own.is_none_or(|chapter| began < chapter.start) {
            let during = chapters.iter().rfind(|chapter| chapter.start <= began);
            let during = during.map_or("nothing", |chapter| chapter.title);
            wrong.insert(name(&series), format!("went during {during:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
