//! The alerts that fire, compared with those that the story expects.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use testbed::environment::SOON;
use testbed::eventually;
use testbed::monitoring::prometheus::{Prometheus, Series, Span};

const FIRING: &str = "ALERTS{alertstate=\"firing\"}";
/// Far longer than `for` and the windows of the faster rules, for a machine that other builds use.
const FIRES_WITHIN: Duration = Duration::from_secs(240);

/// A part of the story, and the alerts that may fire in it and later.
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

/// The state and the name of an alert.
fn shown(series: &Series) -> String {
    let state = series.metric.get("alertstate").map(String::as_str);
    format!("{} {}", state.unwrap_or_default(), name(series))
}

pub async fn fires(prometheus: &Prometheus, alert: &Expected) -> Result<bool> {
    let firing = prometheus.query(FIRING).await?;
    Ok(firing.iter().any(|series| is(series, alert)))
}

/// Waits until each of the alerts fires or has fired since then; some stop soon.
pub async fn until_all_fire(
    prometheus: &Prometheus,
    alerts: &[Expected],
    since: f64,
) -> Result<()> {
    for alert in alerts {
        let (name, labels) = alert;
        eventually(
            &format!("{name} {labels:?} to fire"),
            FIRES_WITHIN,
            async || {
                let fired = format!("last_over_time({FIRING}[{:.0}ms])", (now() - since) * 1e3);
                let fired = prometheus.query(&fired).await?;
                if fired.iter().any(|series| is(series, alert)) {
                    return Ok(Some(()));
                }
                let others = prometheus.query("ALERTS").await?;
                let others: Vec<_> = others.iter().map(shown).collect();
                bail!("there are {others:#?}")
            },
        )
        .await?;
    }
    Ok(())
}

/// Waits until no alert fires, except these.
pub async fn until_calm(prometheus: &Prometheus, but: &[Expected]) -> Result<()> {
    eventually("all alerts to stop firing", FIRES_WITHIN, async || {
        let mut firing = prometheus.query(FIRING).await?;
        firing.retain(|series| !but.iter().any(|alert| is(series, alert)));
        let names: Vec<_> = firing.iter().map(name).collect();
        ensure!(names.is_empty(), "{names:?}");
        Ok(Some(()))
    })
    .await
}

/// Waits until no alert is pending either: a pending one would fire if the calm lasted longer.
pub async fn until_none_pends(prometheus: &Prometheus) -> Result<()> {
    eventually("no alert to pend", SOON, async || {
        let there: Vec<_> = prometheus.query("ALERTS").await?;
        let there: Vec<_> = there.iter().map(shown).collect();
        ensure!(there.is_empty(), "{there:?}");
        Ok(Some(()))
    })
    .await
}

/// Fails if an alert fired before the first chapter that expects it.
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
            wrong.insert(name(&series), format!("fired during {during:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
