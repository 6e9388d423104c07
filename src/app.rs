//! Wiring: builds the parts, runs them, and ends them in order.
//!
//! Every part is a task of one set. A part that ends by itself ends the
//! process: half a controller that looks alive is worse than a restart.

mod api_server;
mod clouds;
mod heartbeat;
mod observers;
mod orphans;
mod signals;
mod start;
mod stop;

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admin::Health;
use crate::admin::secure::{SecureMetrics, SecureMetricsError};
use crate::cloud::CloudSetupError;
use crate::config::{Config, DEFAULT_LEASE, Start};
use crate::election::ElectionError;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSet;
use crate::plan::naming::CloudName;
use crate::telemetry::logs::LogsError;
use crate::telemetry::traces::{Tracer, Traces};
use crate::telemetry::{self, Metrics, Telemetry};
use signals::Signals;

/// Why the process ends although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The system gives no threads.
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(std::io::Error),
    /// The way to the API server is not described well enough.
    #[error("cannot configure the client of the API server: {0}")]
    KubernetesConfig(String),
    /// The admin address cannot be had.
    #[error("--admin-address {address}: {error}")]
    AdminAddress {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's word.
        error: std::io::Error,
    },
    /// Metrics cannot be served securely.
    #[error(transparent)]
    SecureMetrics(#[from] SecureMetricsError),
    /// A cloud's client cannot be built.
    #[error(transparent)]
    Cloud(#[from] CloudSetupError),
    /// The metrics cannot be registered.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The log cannot be started.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// The Lease is lost.
    #[error(transparent)]
    Election(#[from] ElectionError),
    /// The orphans cannot be listed in whole.
    #[error("cannot list the orphans: {0}")]
    Orphans(String),
    /// A part ended by itself.
    #[error("the component {0} ended unexpectedly")]
    Part(&'static str),
}

/// What is shared between the parts.
struct Components {
    config: Config,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// Metrics over TLS, once there is a client to ask who may read them.
    secure_metrics: Option<SecureMetrics>,
    tracer: Tracer,
    /// No new work.
    stopping: CancellationToken,
    /// Give the Lease back.
    release: CancellationToken,
    tasks: JoinSet<ComponentExit>,
    controller: Option<AbortHandle>,
    /// Whether every Service was listed once.
    services_listed: watch::Sender<bool>,
    /// The Nodes, once they are known.
    nodes: watch::Sender<Option<NodeSet>>,
    /// Where Events are handed in, once there is somebody to write them.
    events: Option<Events>,
}

/// How a task ended.
enum ComponentExit {
    Controller,
    Election(Result<(), ElectionError>),
    Part(&'static str),
}

/// Does what the command line asks for; gives what it prints at its end.
///
/// # Errors
/// [`AppError`]: why it could not be done, or what ended it.
pub fn execute(start: Start) -> Result<String, AppError> {
    match start {
        Start::Checked(report) => Ok(report + "\n"),
        Start::Orphans(config) => runtime()?.block_on(orphans::table(&config)),
        Start::Run(config) => runtime()?.block_on(run(*config)).map(|()| String::new()),
    }
}

fn runtime() -> Result<Runtime, AppError> {
    Runtime::new().map_err(AppError::Runtime)
}

/// Runs until a signal ends it.
///
/// # Errors
/// [`AppError`]: what ended it instead.
async fn run(config: Config) -> Result<(), AppError> {
    let signals = Signals::new();
    let clouds: Vec<CloudName> = config
        .clouds
        .iter()
        .map(|cloud| cloud.name.clone())
        .collect();
    let lease = config
        .election
        .as_ref()
        .map_or(DEFAULT_LEASE, |election| &election.lease);
    let metrics = Arc::new(Metrics::new(&clouds, lease)?);
    let Telemetry { log_filter, traces } =
        telemetry::init(config.log_format, config.verbosity, &metrics)?;
    for note in &config.notes {
        tracing::warn!(
            note,
            "the configuration is valid but probably not as intended"
        );
    }
    let mut parts = Components {
        config,
        health: Arc::new(Health::new()),
        metrics,
        secure_metrics: None,
        tracer: traces.as_ref().map(Traces::tracer).unwrap_or_default(),
        stopping: CancellationToken::new(),
        release: CancellationToken::new(),
        tasks: JoinSet::new(),
        controller: None,
        services_listed: watch::Sender::new(false),
        nodes: watch::Sender::new(None),
        events: None,
    };
    parts.start_admin(log_filter).await?;
    let result = parts.run_until(&signals).await;
    if let Err(error) = &result {
        tracing::error!(%error, "the process exits because of an error");
    }
    parts.end().await;
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    result
}

impl Components {
    async fn run_until(&mut self, signals: &Signals) -> Result<(), AppError> {
        tokio::select! {
            started = self.start() => started?,
            () = signals.shutdown_requested() => return Ok(()),
        }
        tokio::select! {
            ended = self.tasks.join_next() => Err(self.early_end(ended)),
            () = signals.shutdown_requested() => self.stop().await,
        }
    }
}
