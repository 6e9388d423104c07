//! Wiring: builds the components, runs them, and stops them in order.
//!
//! Every component is a task of one set. A component that ends unexpectedly ends
//! the process: half a controller that looks alive is worse than a restart.

mod api_server;
mod clouds;
mod heartbeat;
mod kubeconfig;
mod observers;
mod orphans;
mod plan;
mod reads;
mod sight;
mod signals;
mod start;
mod stop;

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admin::secure::{SecureMetrics, SecureMetricsError};
use crate::admin::{Health, Plans};
use crate::cloud::CloudSetupError;
use crate::config::{Config, DEFAULT_LEASE, Start};
use crate::election::{ElectionError, Role};
use crate::kubernetes::data_version::Eras;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::NodeSets;
use crate::plan::naming::CloudName;
use crate::telemetry::logs::LogsError;
use crate::telemetry::traces::{Tracer, Traces};
use crate::telemetry::{self, Metrics, Telemetry};
use sight::Pulses;
use signals::Signals;

/// An error that ends the process.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(std::io::Error),
    /// The kubeconfig or the pod's ServiceAccount is missing or invalid.
    #[error("cannot configure the client of the API server: {0}")]
    KubernetesConfig(String),
    /// The process cannot listen on the admin address.
    #[error("--admin-address {address}: {error}")]
    AdminAddress {
        address: std::net::SocketAddr,
        error: std::io::Error,
    },
    #[error(transparent)]
    SecureMetrics(#[from] SecureMetricsError),
    #[error(transparent)]
    Cloud(#[from] CloudSetupError),
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Logs(#[from] LogsError),
    #[error(transparent)]
    Election(#[from] ElectionError),
    /// A cloud or the API server failed, so the list would be incomplete.
    #[error("cannot list the orphans: {0}")]
    Orphans(String),
    /// The API server failed, or what is to be planned does not exist.
    #[error("{0}")]
    Plan(String),
    #[error(
        "the watch of {kind} objects has shown no sign of life for {silence:.1?}, so this replica does not lead any more"
    )]
    Blind {
        kind: &'static str,
        silence: std::time::Duration,
    },
    #[error("the component {0} ended unexpectedly")]
    ComponentEnded(&'static str),
}

/// The running components, and the state that they share.
struct Components {
    config: Config,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// The plans that the admin server shows.
    plans: Plans,
    /// The listener for metrics over TLS. It is served as soon as there is a client
    /// for the API server, which authorizes the readers.
    secure_metrics: Option<SecureMetrics>,
    tracer: Tracer,
    /// Cancelled when no new work may start.
    stopping: CancellationToken,
    /// Cancelled when the Lease is to be released.
    release: CancellationToken,
    tasks: JoinSet<ComponentExit>,
    controller: Option<AbortHandle>,
    /// True once all Services were listed.
    services_listed: watch::Sender<bool>,
    /// The Nodes; `None` until they were listed.
    nodes: watch::Sender<Option<NodeSets>>,
    /// The signs of life of the watches.
    pulses: Pulses,
    /// Whether the watches show anything.
    sees: watch::Sender<bool>,
    /// The number of times that the data of the API server went back in time.
    eras: Eras,
    roles: watch::Sender<Role>,
    /// The queue of Events; `None` until its writer exists.
    events: Option<Events>,
}

/// The component whose task ended, with its result.
enum ComponentExit {
    Controller,
    Election(Result<(), ElectionError>),
    Other(&'static str),
}

/// The result of a command that ran to its end.
#[derive(Debug, Default)]
pub struct Output {
    /// For standard output.
    pub text: String,
    /// Lines for standard error.
    pub complaints: Vec<String>,
    /// The exit code.
    pub code: u8,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// Executes the command line.
///
/// # Errors
/// The command failed, or the controller ended with an error.
pub fn execute(start: Start) -> Result<Output, AppError> {
    match start {
        Start::Checked(report) => Ok((report + "\n").into()),
        Start::Orphans(config) => runtime()?
            .block_on(orphans::table(&config))
            .map(Output::from),
        Start::Plan(config, flags) => runtime()?.block_on(plan::run(&config, &flags)),
        Start::Run(config) => runtime()?
            .block_on(run(*config))
            .map(|()| Output::default()),
    }
}

fn runtime() -> Result<Runtime, AppError> {
    Runtime::new().map_err(AppError::Runtime)
}

/// Runs the controller until a signal stops it.
///
/// # Errors
/// The start failed, or a component ended.
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
    let mut components = Components {
        config,
        health: Arc::new(Health::new()),
        metrics,
        plans: Plans::default(),
        secure_metrics: None,
        tracer: traces.as_ref().map(Traces::tracer).unwrap_or_default(),
        stopping: CancellationToken::new(),
        release: CancellationToken::new(),
        tasks: JoinSet::new(),
        controller: None,
        services_listed: watch::Sender::new(false),
        nodes: watch::Sender::new(None),
        pulses: Pulses::default(),
        sees: watch::Sender::new(true),
        eras: Eras::default(),
        roles: watch::Sender::new(Role::Standby),
        events: None,
    };
    components.start_admin(log_filter).await?;
    let result = components.run_until(&signals).await;
    if let Err(error) = &result {
        tracing::error!(%error, "the process exits because of an error");
    }
    components.end().await;
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
        let pulses = self.pulses.clone();
        let blind = sight::blind_leader(pulses, self.sees.subscribe(), self.roles.subscribe());
        tokio::select! {
            ended = self.tasks.join_next() => Err(self.early_end(ended)),
            () = signals.shutdown_requested() => self.stop().await,
            // The Lease is released, so that a replica that sees need not wait.
            blind = blind => {
                tracing::error!(error = %blind, "this replica makes way for one that sees the cluster");
                self.stop().await.and(Err(blind))
            }
        }
    }
}
