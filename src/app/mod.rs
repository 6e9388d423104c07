//! Wiring: builds the parts, runs them, and ends them in order.
//!
//! Every part is a task of one set. A part that ends by itself ends the
//! process: half a controller that looks alive is worse than a restart.

mod observers;
mod signals;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Health, Kind};
use crate::cloud::{CloudSetupError, RestCloud, RestSettings};
use crate::config::{Config, DEFAULT_LEASE};
use crate::controller::inventories::{self, CloudInHand};
use crate::controller::{self, Context, Trigger, Triggered};
use crate::election::{self, Candidate, ElectionError, Role};
use crate::kubernetes::Marks;
use crate::kubernetes::events::Events;
use crate::kubernetes::node_watch::{self, NodeSet};
use crate::kubernetes::service_watch;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::plan::naming::{CloudName, ClusterId};
use crate::telemetry::logs::LogsError;
use crate::telemetry::{self, Metrics};
use signals::Signals;

/// The longest that writes under way may take after SIGTERM. The pod's grace
/// period (30 s) must be longer.
const DRAIN: Duration = Duration::from_secs(20);
/// The longest that the last Events and the release of the Lease may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// The longest that a request at the start may take.
const START_REQUEST: Duration = Duration::from_secs(10);
/// Between two tries at the start.
const START_RETRY: Duration = Duration::from_secs(2);

/// Why the process ends although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The way to the API server is not described well enough.
    #[error("no way to the API server: {0}")]
    KubernetesConfig(String),
    /// The admin address cannot be had.
    #[error("--admin-address {address}: {error}")]
    AdminAddress {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's word.
        error: std::io::Error,
    },
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
    /// A part ended by itself.
    #[error("the part {0} ended by itself")]
    Part(&'static str),
    /// Writes were still under way when the time to end them was over. The
    /// Lease is left to expire, so that nobody writes beside them.
    #[error("writes were still under way after {DRAIN:?}")]
    Drain,
}

/// What is shared between the parts.
struct Parts {
    config: Config,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// No new work.
    stopping: CancellationToken,
    /// Give the Lease back.
    release: CancellationToken,
    tasks: JoinSet<Ended>,
}

/// How a task ended.
enum Ended {
    Controller,
    Election(Result<(), ElectionError>),
    Part(&'static str),
}

/// Runs until a signal ends it.
///
/// # Errors
/// [`AppError`]: what ended it instead.
pub async fn run(config: Config) -> Result<(), AppError> {
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
    let metrics = Arc::new(Metrics::for_lease(&clouds, lease)?);
    let traces = telemetry::init(config.log_format, config.verbosity, &metrics)?;
    for note in &config.notes {
        tracing::warn!(note, "configuration");
    }
    let mut parts = Parts {
        config,
        health: Arc::new(Health::new()),
        metrics,
        stopping: CancellationToken::new(),
        release: CancellationToken::new(),
        tasks: JoinSet::new(),
    };
    let admin = parts.start_admin().await?;
    let result = parts.run_until(&signals).await;
    admin.cancel();
    if let Err(error) = &result {
        tracing::error!(%error, "ending");
    }
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    result
}

impl Parts {
    async fn run_until(&mut self, signals: &Signals) -> Result<(), AppError> {
        tokio::select! {
            started = self.start() => started?,
            () = signals.asked() => return Ok(()),
        }
        tokio::select! {
            ended = self.tasks.join_next() => Err(self.early_end(ended)),
            () = signals.asked() => self.stop().await,
        }
    }

    /// The admin server comes first: probes tell what the start waits for.
    async fn start_admin(&mut self) -> Result<CancellationToken, AppError> {
        let address = self.config.admin_address;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| AppError::AdminAddress { address, error })?;
        let stop = CancellationToken::new();
        let stopping = self.stopping.clone();
        self.health.add("stopping", Kind::Ready, move || {
            if stopping.is_cancelled() {
                Err("the process is stopping".into())
            } else {
                Ok(())
            }
        });
        let serve = admin::serve(
            listener,
            self.health.clone(),
            self.metrics.clone(),
            stop.clone(),
        );
        self.spawn("admin server", async {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the admin server failed");
            }
        });
        tracing::info!(%address, "serving probes and metrics");
        Ok(stop)
    }

    async fn start(&mut self) -> Result<(), AppError> {
        let kubernetes = kubernetes_config(&self.config).await?;
        let client = Client::try_from(kubernetes.clone());
        let client = client.map_err(|error| AppError::KubernetesConfig(error.to_string()))?;
        let identity =
            election::identity(&std::env::var("POD_NAME").unwrap_or_else(|_| "local".into()));
        let cluster = self.cluster_id(&client).await;
        tracing::info!(%cluster, identity, version = env!("CARGO_PKG_VERSION"), "starting");

        let (roles, watched_roles) = watch::channel(Role::Standby);
        self.follow_role(watched_roles.clone());
        let (nodes, watched_nodes) = watch::channel(None);
        let (trigger, triggered) = Trigger::new();
        let marks = Marks::new(&self.config.annotation_prefix);
        let (events, write_events) = Events::new(client.clone(), &identity);
        let context = Arc::new(Context {
            abilities: self
                .config
                .clouds
                .iter()
                .map(|cloud| (cloud.name.clone(), cloud.profile.abilities()))
                .collect(),
            clouds: self.clouds()?,
            services: ServiceWriter::new(client.clone(), marks.clone(), self.metrics.clone()),
            marks,
            cluster,
            events,
            metrics: self.metrics.clone(),
            roles: watched_roles,
            nodes: watched_nodes.clone(),
            retry: Default::default(),
            said: Default::default(),
            own_writes: Default::default(),
            doubts: Default::default(),
            stopping: self.stopping.clone(),
        });
        self.tasks.spawn(async {
            write_events.await;
            Ended::Part("Event writer")
        });
        self.spawn(
            "Node watch",
            node_watch::follow(client.clone(), self.config.node_address_type, nodes),
        );
        self.spawn(
            "Node changes",
            follow_nodes(watched_nodes, trigger.clone(), self.metrics.clone()),
        );
        self.spawn(
            "inventories",
            inventories::follow(context.clone(), trigger, self.config.drift_interval),
        );
        self.spawn_controller(client, context, triggered);
        self.spawn_election(kubernetes, identity, roles);
        Ok(())
    }

    fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            part.await;
            Ended::Part(name)
        });
    }

    fn spawn_controller(&mut self, client: Client, context: Arc<Context>, triggered: Triggered) {
        let (store, events) = service_watch::services(client);
        let nodes = context.nodes.clone();
        let (listed, services_listed) = watch::channel(false);
        self.health.add("services-synced", Kind::Ready, move || {
            if *services_listed.borrow() {
                Ok(())
            } else {
                Err("the Services are not listed yet".into())
            }
        });
        self.health.add("nodes-synced", Kind::Ready, move || {
            if nodes.borrow().is_some() {
                Ok(())
            } else {
                Err("the Nodes are not listed yet".into())
            }
        });
        self.tasks.spawn(async move {
            controller::run(context, store, events, triggered, listed).await;
            Ended::Controller
        });
    }

    fn spawn_election(
        &mut self,
        kubernetes: kube::Config,
        identity: String,
        roles: watch::Sender<Role>,
    ) {
        let release = self.release.clone();
        let Some(election) = self.config.election.clone() else {
            roles.send_replace(Role::Leader(election::sole_leader()));
            self.tasks.spawn(async move {
                release.cancelled().await;
                drop(roles);
                Ended::Election(Ok(()))
            });
            return;
        };
        let candidate = Candidate {
            namespace: election.namespace,
            lease: election.lease,
            identity,
            timing: election.timing,
        };
        let observe = observers::of_election(&self.metrics);
        self.tasks.spawn(async move {
            Ended::Election(election::run(kubernetes, candidate, roles, observe, release).await)
        });
    }
}

impl Parts {
    /// A part ended although nobody asked it to.
    fn early_end(&self, ended: Option<Result<Ended, tokio::task::JoinError>>) -> AppError {
        match ended {
            Some(Ok(Ended::Election(Err(error)))) => error.into(),
            Some(Ok(Ended::Election(Ok(())))) => AppError::Part("election"),
            Some(Ok(Ended::Controller)) => AppError::Part("controller"),
            Some(Ok(Ended::Part(name))) => AppError::Part(name),
            Some(Err(_)) | None => AppError::Part("a task that panicked"),
        }
    }

    /// Ends in order: no new work; wait for the writes under way; give the
    /// Lease back; write the last Events.
    async fn stop(&mut self) -> Result<(), AppError> {
        tracing::info!("stopping: no new work, waiting for the writes under way");
        self.stopping.cancel();
        let drained = timeout(
            DRAIN,
            self.until(|ended| matches!(ended, Ended::Controller)),
        )
        .await;
        drained.map_err(|_| AppError::Drain)??;
        self.release.cancel();
        let released = timeout(
            FAREWELL,
            self.until(|ended| matches!(ended, Ended::Election(_))),
        )
        .await;
        match released {
            Ok(ended) => ended?,
            Err(_) => tracing::warn!(
                "the Lease was not given back within {FAREWELL:?}: it expires by itself"
            ),
        }
        Ok(())
    }

    /// Waits for the end of one part; the end of another one is an error.
    async fn until(&mut self, wanted: impl Fn(&Ended) -> bool) -> Result<(), AppError> {
        match self.tasks.join_next().await {
            Some(Ok(Ended::Election(Err(error)))) => Err(error.into()),
            Some(Ok(ended)) if wanted(&ended) => Ok(()),
            ended => Err(self.early_end(ended)),
        }
    }

    fn clouds(&self) -> Result<BTreeMap<CloudName, CloudInHand>, AppError> {
        let mut clouds = BTreeMap::new();
        for cloud in &self.config.clouds {
            let settings = RestSettings {
                name: cloud.name.clone(),
                endpoint: cloud.endpoint.clone(),
                request_timeout: cloud.request_timeout,
                concurrency: cloud.concurrency,
                requests_per_second: cloud.requests_per_second,
                profile: cloud.profile,
                token_file: cloud.token_file.clone(),
                ca_file: cloud.ca_file.clone(),
                user_agent: concat!("my-cloud-controller-manager/", env!("CARGO_PKG_VERSION"))
                    .into(),
            };
            let client = RestCloud::new(settings, observers::of_calls(&self.metrics))?;
            clouds.insert(cloud.name.clone(), CloudInHand::new(Arc::new(client)));
        }
        Ok(clouds)
    }

    /// The configured id, or the UID of the namespace kube-system: it lives as
    /// long as the cluster. Waits for the API server as long as it takes.
    async fn cluster_id(&self, client: &Client) -> ClusterId {
        if let Some(configured) = &self.config.cluster_id {
            return configured.clone();
        }
        let namespaces = Api::<Namespace>::all(client.clone());
        loop {
            match timeout(START_REQUEST, namespaces.get("kube-system")).await {
                Ok(Ok(namespace)) => {
                    if let Some(uid) = namespace.uid() {
                        return ClusterId::new(uid);
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the UID of namespace kube-system is needed as cluster id; trying again")
                }
                Err(_) => tracing::warn!(
                    "the API server did not answer within {START_REQUEST:?}; trying again"
                ),
            }
            sleep(START_RETRY).await;
        }
    }

    fn follow_role(&mut self, mut roles: watch::Receiver<Role>) {
        let metrics = self.metrics.clone();
        self.spawn("role", async move {
            loop {
                let leads = matches!(*roles.borrow_and_update(), Role::Leader(_));
                metrics.leader(leads);
                if roles.changed().await.is_err() {
                    // The election is over; the process is about to end.
                    std::future::pending::<()>().await;
                }
            }
        });
    }
}

async fn kubernetes_config(config: &Config) -> Result<kube::Config, AppError> {
    let error = |error: &dyn std::fmt::Display| AppError::KubernetesConfig(error.to_string());
    let mut kubernetes = match &config.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .map_err(|e| error(&format!("{}: {e}", path.display())))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|e| error(&e))?
        }
        None => kube::Config::infer()
            .await
            .map_err(|e| error(&format!("{e} (outside a cluster, pass --kubeconfig)")))?,
    };
    // Each request has a deadline and each loop a backoff of its own: retries
    // hidden in the client would only outlive both.
    kubernetes.default_retry = false;
    kubernetes.connect_timeout = Some(START_REQUEST);
    Ok(kubernetes)
}

/// Every Service may have other back ends after a Node's change.
async fn follow_nodes(
    mut nodes: watch::Receiver<Option<NodeSet>>,
    trigger: Trigger,
    metrics: Arc<Metrics>,
) {
    while nodes.changed().await.is_ok() {
        if let Some(set) = &*nodes.borrow_and_update() {
            metrics.nodes(set.eligible, set.excluded);
        }
        trigger.reconcile_all();
    }
    std::future::pending().await
}
