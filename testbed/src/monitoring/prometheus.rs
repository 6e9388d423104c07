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
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The name of the scrape job. A PodMonitor puts its namespace before its own.
pub const JOB: &str = "my-cloud-controller-manager";

/// The directory with `prometheus` and `promtool`, which are installed first if they are missing.
///
/// # Errors
/// They cannot be installed.
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

/// The targets that Prometheus scrapes.
#[derive(Clone, Debug)]
pub struct Targets(PathBuf);

impl Targets {
    /// Replaces the targets: a name and the URL of the admin server for each.
    ///
    /// # Errors
    /// The file of the targets cannot be written.
    pub fn set<'a>(&self, replicas: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let targets = replicas.into_iter().map(|(name, url)| {
            let address = url.trim_start_matches("http://");
            json!({"targets": [address], "labels": {"instance": name, "pod": name}})
        });
        let targets: Value = targets.collect();
        // Renamed into place, because Prometheus reads the file as soon as it changes.
        let written = self.0.with_extension("new");
        std::fs::write(&written, targets.to_string())?;
        Ok(std::fs::rename(&written, &self.0)?)
    }
}

/// A series in the result of a query.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// The labels, with the name as `__name__`.
    pub metric: BTreeMap<String, String>,
    /// The value of an instant query.
    #[serde(default)]
    pub value: Option<Sample>,
    /// The values of a range query.
    #[serde(default)]
    pub values: Vec<Sample>,
}

/// A Unix time in seconds, and a number as Prometheus formats it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample(pub f64, pub String);

impl Sample {
    /// The number.
    #[must_use]
    pub fn number(&self) -> f64 {
        self.1.parse().unwrap_or(f64::NAN)
    }
}

/// The times of a range query.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// A Unix time in seconds.
    pub start: f64,
    /// A Unix time in seconds.
    pub end: f64,
    /// Seconds between two values.
    pub step: f64,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes, and evaluates these rules, at this interval.
    ///
    /// # Errors
    /// It cannot be installed, or did not become ready: the message has the end of its log.
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
                .timeout(RESPONSE_TIMEOUT)
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

    /// The URL of its API, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The targets; there are none after the start.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Evaluates an expression now.
    ///
    /// # Errors
    /// The expression cannot be parsed or evaluated.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        self.evaluate("query", expression, &[]).await
    }

    /// Evaluates an expression over a span of time.
    ///
    /// # Errors
    /// The expression cannot be parsed or evaluated.
    pub async fn query_range(&self, expression: &str, span: Span) -> Result<Vec<Series>> {
        let Span { start, end, step } = span;
        let times = [("start", start), ("end", end), ("step", step)];
        self.evaluate("query_range", expression, &times).await
    }

    async fn evaluate(
        &self,
        kind: &str,
        expression: &str,
        times: &[(&str, f64)],
    ) -> Result<Vec<Series>> {
        let mut form = vec![("query", expression.to_owned())];
        form.extend(times.iter().map(|(name, time)| (*name, time.to_string())));
        let data = self.get(&format!("/api/v1/{kind}"), &form).await;
        let data = data.with_context(|| expression.to_owned())?;
        Ok(serde_json::from_value(data["result"].clone())?)
    }

    /// The `data` of a response of its API.
    ///
    /// # Errors
    /// The request fails, or the response is an error.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url))?;
        url.query_pairs_mut().extend_pairs(query);
        let response: Value = self.http.get(url).send().await?.json().await?;
        ensure!(response["status"] == "success", "{response}");
        Ok(response["data"].clone())
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
