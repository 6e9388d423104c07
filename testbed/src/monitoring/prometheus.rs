//! A real Prometheus, as a child process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::eventually;
use crate::install;
use crate::process::{Output, Process, Program};
use crate::replica::free_address;

const READY: Duration = Duration::from_secs(60);
const ANSWERS: Duration = Duration::from_secs(30);
/// What the scrapes are called. Those of a PodMonitor have its namespace before that.
pub const JOB: &str = "my-cloud-controller-manager";

/// The directory with `prometheus` and `promtool`, which are got first if need be.
///
/// # Errors
/// They cannot be had.
pub async fn find() -> Result<PathBuf> {
    install::find("monitoring").await
}

/// A running Prometheus. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    url: String,
    http: reqwest::Client,
    targets: Targets,
    _directory: TempDir,
}

/// What is scraped.
#[derive(Clone, Debug)]
pub struct Targets(PathBuf);

impl Targets {
    /// These from now on, and no others: name, and URL of the admin server.
    ///
    /// # Errors
    /// The file that says so cannot be written.
    pub fn set<'a>(&self, replicas: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let targets = replicas.into_iter().map(|(name, url)| {
            let address = url.trim_start_matches("http://");
            json!({"targets": [address], "labels": {"instance": name, "pod": name}})
        });
        let targets: Value = targets.collect();
        // Renamed into place: it is read as soon as it changes.
        let written = self.0.with_extension("new");
        std::fs::write(&written, targets.to_string())?;
        Ok(std::fs::rename(&written, &self.0)?)
    }
}

/// One line of an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// Its labels; its name is `__name__`.
    pub metric: BTreeMap<String, String>,
    /// The value at an instant.
    #[serde(default)]
    pub value: Option<Sample>,
    /// The values over a time.
    #[serde(default)]
    pub values: Vec<Sample>,
}

/// Seconds since 1970, and a number as Prometheus writes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample(pub f64, pub String);

impl Sample {
    /// The number.
    #[must_use]
    pub fn number(&self) -> f64 {
        self.1.parse().unwrap_or(f64::NAN)
    }
}

/// A time with its ends, for a query over it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Seconds since 1970.
    pub start: f64,
    /// Seconds since 1970.
    pub end: f64,
    /// Seconds between two values.
    pub step: f64,
}

impl Prometheus {
    /// Starts one that scrapes and evaluates at this interval, and knows these rules.
    ///
    /// # Errors
    /// It cannot be had, or did not become ready: the message has the end of its log.
    pub async fn start(interval: Duration, rules: &str) -> Result<Self> {
        let assets = find().await?;
        let directory = tempfile::Builder::new()
            .prefix("testbed-prometheus-")
            .tempdir()?;
        let here = directory.path();
        std::fs::write(here.join("rules.yaml"), rules)?;
        let targets = Targets(here.join("targets.json"));
        targets.set([])?;
        std::fs::write(here.join("prometheus.yaml"), configuration(interval))?;
        let address = free_address()?.to_string();
        let log = here.join("log");
        let process = Process::spawn(Program {
            name: "prometheus",
            path: &assets.join("prometheus"),
            arguments: [
                format!("--config.file={}", here.join("prometheus.yaml").display()),
                format!("--storage.tsdb.path={}", here.join("data").display()),
                format!("--web.listen-address={address}"),
                "--enable-feature=exemplar-storage".into(),
                "--query.lookback-delta=1m".into(),
            ]
            .map(Into::into)
            .to_vec(),
            environment: Vec::new(),
            output: Output::Log(&log),
            remove: Some(here),
        })?;
        let mut prometheus = Self {
            process,
            url: format!("http://{address}"),
            http: reqwest::Client::builder()
                .timeout(ANSWERS)
                .no_proxy()
                .build()?,
            targets,
            _directory: directory,
        };
        prometheus.wait_ready().await?;
        Ok(prometheus)
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let url = format!("{}/-/ready", self.url);
        let ready = eventually("Prometheus to be ready", READY, async || {
            if let Err(ended) = self.process.check_running() {
                return Ok(Some(Err(ended)));
            }
            self.http.get(&url).send().await?.error_for_status()?;
            Ok(Some(Ok(())))
        })
        .await;
        ready.with_context(|| format!("not ready{}", self.process.log_tail()))?
    }

    /// Where it answers, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it scrapes; nothing yet when it has just started.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What an expression gives now.
    ///
    /// # Errors
    /// It cannot be parsed or evaluated.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        self.ask("query", expression, &[]).await
    }

    /// What it gives over a time.
    ///
    /// # Errors
    /// It cannot be parsed or evaluated.
    pub async fn query_range(&self, expression: &str, span: Span) -> Result<Vec<Series>> {
        let Span { start, end, step } = span;
        let times = [("start", start), ("end", end), ("step", step)];
        self.ask("query_range", expression, &times).await
    }

    async fn ask(
        &self,
        what: &str,
        expression: &str,
        times: &[(&str, f64)],
    ) -> Result<Vec<Series>> {
        let mut form = vec![("query", expression.to_owned())];
        form.extend(times.iter().map(|(name, time)| (*name, time.to_string())));
        let answer = self.get(&format!("/api/v1/{what}"), &form).await;
        let answer = answer.with_context(|| expression.to_owned())?;
        Ok(serde_json::from_value(answer["result"].clone())?)
    }

    /// The `data` of an answer of its API.
    ///
    /// # Errors
    /// It does not answer, or answers that it went wrong.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url))?;
        url.query_pairs_mut().extend_pairs(query);
        let answer: Value = self.http.get(url).send().await?.json().await?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].clone())
    }
}

fn configuration(interval: Duration) -> String {
    let interval = interval.as_millis();
    json!({
        "global": {
            "scrape_interval": format!("{interval}ms"),
            "scrape_timeout": format!("{interval}ms"),
            "evaluation_interval": format!("{interval}ms"),
        },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{
            "job_name": JOB,
            "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
        }],
    })
    .to_string()
}
