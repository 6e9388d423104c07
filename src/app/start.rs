//! Builds the components and starts them.

use std::sync::Arc;

use futures::FutureExt;
use kube::Client;
use kube::runtime::reflector::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::heartbeat::Heartbeat;
use super::{AppError, ComponentExit, Components, api_server, clouds, observers, sight};
use crate::admin::secure::SecureMetrics;
use crate::admin::{self, CheckKind};
use crate::cloud::ClusterRanges;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::context::Watched;
use crate::controller::memory::Memory;
use crate::controller::orphans::finalizer_race::{self, FinalizerRaces};
use crate::controller::orphans::sweep::SweepSettings;
use crate::controller::resync::{self, ResyncSettings};
use crate::controller::workqueue::Workqueue;
use crate::controller::{self, Context, node_changes};
use crate::election::{self, Candidate, Clock, LeaseHealth, Role};
use crate::error_chain::with_causes;
use crate::kubernetes::data_version;
use crate::kubernetes::events::Events;
use crate::kubernetes::instrumented_client;
use crate::kubernetes::node_watch::{self, Exchange, NodeReports};
use crate::kubernetes::pulse;
use crate::kubernetes::request_slots::RequestSlots;
use crate::kubernetes::service_cidrs::ServiceCidrs;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_watch;
use crate::kubernetes::service_writer::ServiceWriter;
use crate::kubernetes::watch::WatchTiming;
use crate::kubernetes::watch_metrics::WatchMetrics;
use crate::plan::naming::{CloudName, ClusterId};
use crate::preview;
use crate::telemetry::NOT_CONFIGURED;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::logs::LogFilter;

impl Components {
    /// Starts the admin server first, so that probes show why the start waits.
    pub(super) async fn start_admin(&mut self, filter: LogFilter) -> Result<(), AppError> {
        let address = self.config.admin_address;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| AppError::AdminAddress { address, error })?;
        if let Some(config) = self.config.metrics.secure.clone() {
            self.secure_metrics = Some(SecureMetrics::bind(config).await?);
        }
        self.add_readiness_checks();
        let metrics = self.config.metrics.plain.then(|| self.metrics.clone());
        let router = admin::router(self.health.clone(), metrics, filter, self.plans.clone());
        self.spawn("admin-server", admin::serve(listener, router));
        tracing::info!(%address, "the admin server is listening");
        Ok(())
    }

    /// Serves metrics over TLS to the clients that the API server authorizes.
    fn serve_secure_metrics(&mut self, client: &Client) {
        let Some(secure) = self.secure_metrics.take() else {
            return;
        };
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        let serve = secure.serve(health, metrics, client.clone());
        self.spawn("secure-metrics", async {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the secure metrics server failed");
            }
        });
    }

    /// Starts all other components. Waits for the API server without a limit.
    pub(super) async fn start(&mut self) -> Result<(), AppError> {
        // Before the first wait: a replica that never sees the API server says so.
        self.export_silence();
        let kubernetes = api_server::client_config(&self.config).await?;
        let timing = WatchTiming::new(self.config.watch_timeout);
        let client_with = |silence| {
            let (roles, metrics) = (self.roles.subscribe(), self.metrics.clone());
            let client = instrumented_client::client(&kubernetes, silence, roles, metrics);
            client.map_err(|error| AppError::KubernetesConfig(with_causes(&error)))
        };
        let client = client_with(api_server::SILENCE)?;
        let watch_client = client_with(timing.connection_silence())?;
        self.serve_secure_metrics(&client);
        let identity =
            election::identity(&std::env::var("POD_NAME").unwrap_or_else(|_| "local".into()));
        let cluster = api_server::cluster_id(&self.config, &client).await;
        tracing::info!(%cluster, identity, version = env!("CARGO_PKG_VERSION"), "the controller is starting");

        let (roles, watched_roles) = (self.roles.clone(), self.roles.subscribe());
        self.follow_role(watched_roles.clone());
        let slots = Arc::new(RequestSlots::default());
        let (events, write_events) = Events::new(
            client.clone(),
            &identity,
            slots.clone(),
            self.metrics.clone(),
        );
        self.events = Some(events.clone());
        let memory = Arc::new(Memory::default());
        let (store, service_events) = service_watch::services(
            pulse::listening(watch_client.clone(), self.pulses.services.clone()),
            timing,
            self.eras.clone(),
            self.config.metadata_keys(),
            memory.node_choices.clone(),
            self.metrics.clone(),
        );
        let services = ServiceWriter::new(
            client.clone(),
            self.config.metadata_keys(),
            slots,
            self.metrics.clone(),
        );
        let service_cidrs = self.read_service_cidrs(client.clone()).await;
        self.spawn("service-cidrs", service_cidrs.follow(watched_roles.clone()));
        let context = self.context(services, cluster, store, memory, events, watched_roles)?;
        let context = Arc::new(context);
        self.export_memory(&context);
        self.show_plans(&context);
        let (finalizer_races, races) = FinalizerRaces::new();
        let clean_up = finalizer_race::run(context.clone(), races);
        self.spawn("finalizer-races", clean_up);
        self.spawn("event-writer", write_events);
        self.watch_nodes(watch_client, timing, &context);
        self.follow_data_version(client.clone(), timing, &context);
        let node_changes = node_changes::run(self.nodes.subscribe(), context.clone());
        self.spawn("node-changes", node_changes);
        let resync = resync::run(context.clone(), self.resync_settings());
        self.spawn("resync", resync);
        let listed = self.services_listed.clone();
        let controller = self.spawn_component("controller", async move {
            controller::run(context, service_events, finalizer_races, listed).await;
            ComponentExit::Controller
        });
        self.controller = Some(controller);
        self.spawn_election(kubernetes, client, identity, roles);
        Ok(())
    }

    fn watch_nodes(&mut self, client: Client, timing: WatchTiming, context: &Context) {
        let client = pulse::listening(client, self.pulses.nodes.clone());
        let settings = self.config.node_settings();
        let watch_metrics = WatchMetrics::new(self.metrics.clone(), "node");
        let (roles, eras) = (context.roles.clone(), self.eras.subscribe());
        let exchange = Exchange {
            choices: context.memory.node_choices.clone(),
            sets: self.nodes.clone(),
        };
        let reports = NodeReports {
            events: context.events.clone(),
            watch_metrics,
        };
        let follow = node_watch::follow(client, timing, eras, settings, roles, exchange, reports);
        self.spawn("node-watch", follow);
        let (pulses, sees) = (self.pulses.clone(), self.sees.clone());
        self.spawn("sight", sight::follow(pulses, timing.blind_after(), sees));
    }

    /// Lets no cloud claim an address of the cluster's own Services, as far as the API server
    /// shows their ranges.
    async fn read_service_cidrs(&mut self, client: Client) -> ServiceCidrs {
        let ranges = ClusterRanges::default();
        for cloud in &mut self.config.clouds {
            cloud.addresses.cluster_ranges = ranges.clone();
        }
        let mut service_cidrs = ServiceCidrs::new(client, ranges);
        service_cidrs.read().await;
        service_cidrs
    }

    /// Begins anew when the data of the API server went back in time.
    fn follow_data_version(&mut self, client: Client, timing: WatchTiming, context: &Arc<Context>) {
        let (memory, metrics) = (context.memory.clone(), self.metrics.clone());
        let eras = self.eras.clone();
        self.spawn("data-version", async move {
            let forget = || {
                memory.mutation_cache.clear();
                metrics.kubernetes.data_went_back();
            };
            data_version::follow(client, timing.version_interval(), eras, forget).await;
        });
    }

    /// Adds the readiness checks before anything is listed, so that a new replica is
    /// not ready.
    fn add_readiness_checks(&self) {
        let unless = |not_ready: bool, reason: &str| {
            if not_ready {
                Err(reason.to_owned())
            } else {
                Ok(())
            }
        };
        let stopping = self.stopping.clone();
        self.health.add("stopping", CheckKind::Ready, move || {
            unless(stopping.is_cancelled(), "the process is stopping")
        });
        let services = self.services_listed.subscribe();
        self.health
            .add("services-synced", CheckKind::Ready, move || {
                unless(!*services.borrow(), "the Services are not listed yet")
            });
        let nodes = self.nodes.subscribe();
        self.health.add("nodes-synced", CheckKind::Ready, move || {
            unless(nodes.borrow().is_none(), "the Nodes are not listed yet")
        });
        let limit = WatchTiming::new(self.config.watch_timeout).not_ready_after();
        for (name, kind, pulse) in self.pulses.each() {
            let check = move || sight::check(kind, &pulse, limit);
            self.health.add(name, CheckKind::Ready, check);
        }
    }

    fn context(
        &self,
        services: ServiceWriter,
        cluster: ClusterId,
        services_store: Store<Service>,
        memory: Arc<Memory>,
        events: Events,
        roles: watch::Receiver<Role>,
    ) -> Result<Context, AppError> {
        let metadata_keys = self.config.metadata_keys();
        let log_throttle = LogThrottle::default();
        let clouds = clouds::clients(
            &self.config,
            observers::of_calls(&self.metrics),
            &log_throttle,
            &self.stopping,
        )?;
        let concurrency = self.config.clouds.iter();
        let concurrency = concurrency.map(|cloud| (cloud.name.clone(), cloud.concurrency));
        let known_clouds = self.config.known_clouds();
        Ok(Context {
            cluster,
            capabilities: watch::Sender::new(Arc::new(known_clouds.clone())),
            clouds: clouds
                .into_iter()
                .filter_map(|(name, client)| {
                    let profile = known_clouds.clouds.get(&name)?.clone();
                    Some((name, CloudHandle::new(client, profile)))
                })
                .collect(),
            watched: Watched {
                services: services_store,
                services_listed: self.services_listed.subscribe(),
                nodes: self.nodes.subscribe(),
            },
            services,
            metadata_keys,
            events,
            metrics: self.metrics.clone(),
            tracer: self.tracer.clone(),
            log_throttle,
            memory,
            queue: Workqueue::new(concurrency, self.metrics.clone()),
            roles,
            stopping: self.stopping.clone(),
        })
    }

    /// Updates the gauges of the silence of the watches before each scrape.
    fn export_silence(&self) {
        let pulses = self.pulses.clone();
        self.metrics.before_scrape(move |metrics| {
            for (_, kind, pulse) in pulses.each() {
                metrics.kubernetes.silence(kind, pulse.silence());
            }
        });
    }

    /// Lets the admin server show the plans of Services.
    fn show_plans(&self, context: &Arc<Context>) {
        let context = context.clone();
        self.plans.begin(Box::new(move |key| {
            let context = context.clone();
            async move { preview::replica::report(&context, &key).await }.boxed()
        }));
    }

    /// Updates the gauges of the queue and of the pending changes before each scrape.
    fn export_memory(&self, context: &Arc<Context>) {
        let (memory, queue) = (context.memory.clone(), context.queue.clone());
        let clouds: Vec<CloudName> = self
            .config
            .clouds
            .iter()
            .map(|cloud| cloud.name.clone())
            .collect();
        self.metrics.before_scrape(move |metrics| {
            let state = queue.state();
            metrics.reconcile.show_active(state.running);
            metrics
                .workqueue
                .show(state.depth, state.longest_running, state.unfinished);
            let changes = memory.changes.summarize(&clouds);
            let names = clouds.iter().map(CloudName::as_str);
            for (cloud, changes) in names.chain([NOT_CONFIGURED]).zip(&changes) {
                metrics.show_changes(cloud, changes);
            }
            for cloud in &clouds {
                let waiting = queue.waiting_for(cloud);
                metrics.workqueue.show_waiting(cloud.as_str(), waiting);
            }
        });
    }

    fn spawn(&mut self, name: &'static str, component: impl Future<Output = ()> + Send + 'static) {
        self.spawn_component(name, async move {
            component.await;
            ComponentExit::Other(name)
        });
    }

    /// Spawns a component with its liveness check.
    fn spawn_component(
        &mut self,
        name: &'static str,
        component: impl Future<Output = ComponentExit> + Send + 'static,
    ) -> AbortHandle {
        let (component, heartbeat) = Heartbeat::of(component);
        let stopping = self.stopping.clone();
        self.health.add(name, CheckKind::Live, move || {
            // During a shutdown the components end one by one.
            heartbeat.check().or_else(|reason| {
                if stopping.is_cancelled() {
                    Ok(())
                } else {
                    Err(reason)
                }
            })
        });
        self.tasks.spawn(component)
    }

    fn resync_settings(&self) -> ResyncSettings {
        ResyncSettings {
            sweep_interval: self.config.sweep_interval,
            drift_interval: self.config.drift_interval,
            sweep: SweepSettings {
                policy: self.config.orphans,
                grace: self.config.orphan_grace_period,
            },
        }
    }

    fn spawn_election(
        &mut self,
        kubernetes: kube::Config,
        client: Client,
        identity: String,
        roles: watch::Sender<Role>,
    ) {
        let release = self.release.clone();
        let (warm, sees) = (self.warm(), self.sees.subscribe());
        let election = self.config.election.clone();
        let timing = election.as_ref().map(|election| election.timing);
        let health = LeaseHealth::new(timing.unwrap_or_default().lease_duration);
        let health = Arc::new(health);
        let observe = observers::of_election(&self.metrics, &health);
        let check = move || health.check();
        self.health.add("leader_election", CheckKind::Live, check);
        self.spawn_component("election", async move {
            // A replica without Services or Nodes in its stores would lead and do nothing.
            if release.run_until_cancelled(warm).await.is_none() {
                return ComponentExit::Election(Ok(()));
            }
            let Some(election) = election else {
                let term = api_server::data_version(&client).await;
                roles.send_replace(Role::Leader(election::sole_leader(term)));
                release.cancelled().await;
                roles.send_replace(Role::Standby);
                return ComponentExit::Election(Ok(()));
            };
            let candidate = Candidate {
                namespace: election.namespace,
                lease: election.lease,
                identity,
                timing: election.timing,
                clock: Clock::system(),
                sees,
            };
            ComponentExit::Election(
                election::run(kubernetes, candidate, roles, observe, release).await,
            )
        });
    }

    /// Completes when the Services and the Nodes were listed.
    fn warm(&self) -> impl Future<Output = ()> + use<> {
        let (mut services, mut nodes) = (self.services_listed.subscribe(), self.nodes.subscribe());
        async move {
            // An error means that the senders are dropped: the process is about to end.
            let _ = services.wait_for(|listed| *listed).await;
            let _ = nodes.wait_for(Option::is_some).await;
        }
    }

    fn follow_role(&mut self, mut roles: watch::Receiver<Role>) {
        let metrics = self.metrics.clone();
        self.spawn("role", async move {
            loop {
                let leads = matches!(*roles.borrow_and_update(), Role::Leader(_));
                metrics.leader(leads);
                if roles.changed().await.is_err() {
                    // The election has ended; the process is about to end.
                    std::future::pending::<()>().await;
                }
            }
        });
    }
}
