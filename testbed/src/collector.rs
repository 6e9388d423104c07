//! A real OpenTelemetry Collector: takes OTLP over HTTP and writes what it got
//! to a file, as JSON.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::control_plane::certificates::{self, AUTHORITY, SERVING};
use crate::eventually;
use crate::install;
use crate::port;
use crate::process::{Output, Process, Program, Signal};

const READY: Duration = Duration::from_secs(60);

/// A collector that can be killed, frozen and started again. What it got before is kept.
#[derive(Debug)]
pub struct Collector {
    binary: PathBuf,
    scheme: &'static str,
    address: String,
    process: Process,
    directory: TempDir,
}

impl Collector {
    /// Starts one. The first call on a machine that has none builds it, which
    /// takes minutes and tells so on standard error.
    ///
    /// # Errors
    /// It cannot be had, or does not take connections.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// One that speaks https only, by an authority of its own.
    ///
    /// # Errors
    /// As of [`Collector::start`].
    pub async fn start_with_tls() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(tls: bool) -> Result<Self> {
        let binary = install::find("collector").await?;
        let address = port::free_address()?.to_string();
        let directory = tempfile::Builder::new()
            .prefix("testbed-collector-")
            .tempdir()?;
        let received = directory.path().join("received");
        let (scheme, keys) = if tls {
            let _authority = certificates::write_serving(directory.path(), "otelcol")?;
            let path = |name: &str| directory.path().join(name).display().to_string();
            let (certificate, key) = (path(SERVING.certificate), path(SERVING.key));
            let keys = format!(", tls: {{cert_file: \"{certificate}\", key_file: \"{key}\"}}");
            ("https", keys)
        } else {
            ("http", String::new())
        };
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{address}\"{keys}}}}}}}}}\n\
             exporters: {{file: {{path: \"{}\", append: true, flush_interval: 50ms}}}}\n\
             service:\n\
             \x20 telemetry: {{metrics: {{level: none}}}}\n\
             \x20 pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}\n",
            received.display()
        );
        std::fs::write(directory.path().join("config.yaml"), config)?;
        let mut collector = Self {
            process: spawn(&binary, &directory)?,
            binary,
            scheme,
            address,
            directory,
        };
        collector.until_ready().await?;
        Ok(collector)
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// For `OTEL_EXPORTER_OTLP_CERTIFICATE`, of one that speaks https.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join(AUTHORITY)
    }

    /// Ends it without asking (SIGKILL): its port refuses connections.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes it (SIGSTOP): the kernel still accepts connections, and nobody answers.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Starts a killed one again.
    ///
    /// # Errors
    /// It does not take connections.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.binary, &self.directory)?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<()> {
        let seen = eventually("the collector to take connections", READY, async || {
            if let Err(ended) = self.process.check_running() {
                return Ok(Some(Err(ended)));
            }
            TcpStream::connect(&self.address).await?;
            Ok(Some(Ok(())))
        })
        .await;
        seen.with_context(|| format!("not ready{}", self.process.log_tail()))?
    }

    /// What it got so far.
    ///
    /// # Errors
    /// The file has something else than OTLP in JSON.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let received = std::fs::read_to_string(self.directory.path().join("received"));
        let received = received.unwrap_or_default();
        // The last line may be half written.
        let whole = received.rfind('\n').map_or("", |end| &received[..end]);
        let mut spans = Vec::new();
        for line in whole.lines() {
            let batch: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            for resource in list(&batch["resourceSpans"]) {
                for scope in list(&resource["scopeSpans"]) {
                    spans.extend(list(&scope["spans"]).map(|span| Span {
                        resource: resource["resource"].clone(),
                        json: span.clone(),
                    }));
                }
            }
        }
        Ok(spans)
    }
}

/// A span as the collector wrote it.
#[derive(Clone, Debug)]
pub struct Span {
    /// Whose it is: `attributes`.
    pub resource: Value,
    /// The span itself.
    pub json: Value,
}

impl Span {
    /// A field of it that is a text; empty if there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its trace.
    #[must_use]
    pub fn trace(&self) -> &str {
        self.text("traceId")
    }

    /// Its own id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text("spanId")
    }

    /// The id of its parent; empty for a root.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.text("parentSpanId")
    }

    /// An attribute, with its type: `{"intValue": "200"}`; null if there is none.
    #[must_use]
    pub fn attribute(&self, key: &str) -> &Value {
        attribute(&self.json, key)
    }

    /// An attribute that is a text; empty if there is none.
    #[must_use]
    pub fn says(&self, key: &str) -> &str {
        let value = &self.attribute(key)["stringValue"];
        value.as_str().unwrap_or_default()
    }

    /// An attribute of whose it is, as a text.
    #[must_use]
    pub fn resource(&self, key: &str) -> &str {
        let value = &attribute(&self.resource, key)["stringValue"];
        value.as_str().unwrap_or_default()
    }

    /// When it began, in nanoseconds since 1970.
    #[must_use]
    pub fn started(&self) -> u128 {
        self.text("startTimeUnixNano").parse().unwrap_or_default()
    }

    /// When it ended, in nanoseconds since 1970.
    #[must_use]
    pub fn ended(&self) -> u128 {
        self.text("endTimeUnixNano").parse().unwrap_or_default()
    }
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let found = list(&of["attributes"]).find(|attribute| attribute["key"] == key);
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn spawn(binary: &std::path::Path, directory: &TempDir) -> Result<Process> {
    let config = directory.path().join("config.yaml");
    Process::spawn(Program {
        name: "otelcol",
        path: binary,
        arguments: vec!["--config".into(), config.into()],
        environment: Vec::new(),
        output: Output::Log(&directory.path().join("log")),
        remove: Some(directory.path()),
    })
}
