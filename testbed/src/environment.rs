//! Everything one test needs: a control plane, two clouds, and a place of its
//! own among the Services.
//!
//! Tests that share a control plane are kept apart by namespace, annotation
//! prefix and cluster id; each has its own clouds and its own replica, which
//! leads without election. Tests of the election and of Nodes have a control
//! plane of their own.

mod blind;
mod candidate;
mod command;
mod edit;
mod history;
mod interposed;
mod marks;
mod networked;
mod service;
mod until;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

pub use candidate::QUICK_LEASE;
pub use history::History;
pub use marks::{addresses, calls};
pub use service::NewService;

pub use crate::eventually::SOON;

use interposed::Interposed;

use crate::cloud::{CloudSimulator, CloudSimulatorOptions};
use crate::nodes::NewNode;
use crate::{ControlPlane, Replica, ReplicaOptions, repository_path};

/// Internal addresses of the Nodes of a shared control plane, which no test changes.
pub const SHARED_NODES: [&str; 2] = ["127.10.0.1", "127.10.0.2"];

/// The field of a cloud's configuration that allows what simulated clouds give their load
/// balancers: addresses of this machine, which are refused otherwise.
pub const SIMULATED_ADDRESSES: &str = "addressRanges: [\"127.0.0.0/8\", \"0.0.0.0/0\", \"::/0\"]";

/// The namespace that every cluster has.
const DEFAULT_NAMESPACE: &str = "default";

/// One test's surroundings.
pub struct Environment {
    pub control_plane: ControlPlane,
    /// The cloud called cloud1.
    pub cloud1: Arc<CloudSimulator>,
    /// The cloud called cloud2.
    pub cloud2: Arc<CloudSimulator>,
    /// Where its Services are.
    pub namespace: String,
    /// Prefix of the annotations that its replicas read.
    pub prefix: String,
    /// Further lines of the replicas' configuration.
    pub extra_config: String,
    /// What the replicas give each call to a cloud.
    pub request_timeout: String,
    /// Calls in flight at each cloud; none for the program's default.
    pub concurrency: Option<usize>,
    cluster: Option<String>,
    kubeconfig: PathBuf,
    interposed: Option<Interposed>,
}

impl Environment {
    /// On the control plane that tests share, with two Nodes; `test` must be
    /// its own in the whole project.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn shared(test: &str) -> Result<Self> {
        Self::shared_with(test, |_| {}).await
    }

    /// The same, with other clouds than quick ones.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn shared_with(
        test: &str,
        settings: impl Fn(&mut CloudSimulatorOptions),
    ) -> Result<Self> {
        let clouds = clouds(settings).await?;
        let control_plane = ControlPlane::shared().await?;
        let environment = Self::on(control_plane, unique(test), true, clouds).await?;
        for (index, address) in SHARED_NODES.into_iter().enumerate() {
            let node = NewNode::new(&format!("shared-{index}"), address.parse()?);
            let created = node.create(&environment.client()).await;
            // Another test may have been first.
            if let Err(error) = created
                && !format!("{error:#}").contains("AlreadyExists")
            {
                return Err(error);
            }
        }
        Ok(environment)
    }

    /// On a control plane of its own, without Nodes, with the default prefix.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn own(test: &str) -> Result<Self> {
        Self::own_with(test, |_| {}).await
    }

    /// The same, with other clouds than quick ones.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn own_with(
        test: &str,
        settings: impl Fn(&mut CloudSimulatorOptions),
    ) -> Result<Self> {
        let clouds = clouds(settings).await?;
        let control_plane = ControlPlane::start(test).await?;
        Self::on(control_plane, unique(test), false, clouds).await
    }

    /// On a control plane of its own, with the Services in namespace `default`,
    /// where `kubectl` and the examples of `deploy/` put them.
    ///
    /// # Errors
    /// A component did not start.
    pub async fn own_in_default(
        name: &str,
        settings: impl Fn(&mut CloudSimulatorOptions),
    ) -> Result<Self> {
        let clouds = clouds(settings).await?;
        let control_plane = ControlPlane::start(name).await?;
        Self::on(control_plane, DEFAULT_NAMESPACE.into(), false, clouds).await
    }

    /// On a control plane of its own that is to be measured on, with raised limits
    /// and without an audit log.
    ///
    /// # Errors
    /// A component did not start.
    pub async fn for_benchmarks(
        name: &str,
        settings: impl Fn(&mut CloudSimulatorOptions),
    ) -> Result<Self> {
        let clouds = clouds(settings).await?;
        let control_plane = ControlPlane::start_for_benchmarks(name).await?;
        Self::on(control_plane, unique(name), false, clouds).await
    }

    /// Another cluster that uses the same clouds: with a control plane of its
    /// own, and a namespace that is called the same.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn beside(&self, test: &str) -> Result<Self> {
        let clouds = [self.cloud1.clone(), self.cloud2.clone()];
        let control_plane = ControlPlane::start(test).await?;
        Self::on(control_plane, self.namespace.clone(), false, clouds).await
    }

    /// Gives it a Node, without which no Service becomes ready.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn with_node(self) -> Result<Self> {
        let node = NewNode::new("node", SHARED_NODES[0].parse()?);
        node.create(&self.client()).await?;
        Ok(self)
    }

    async fn on(
        control_plane: ControlPlane,
        namespace: String,
        shared: bool,
        [cloud1, cloud2]: [Arc<CloudSimulator>; 2],
    ) -> Result<Self> {
        let rules = repository_path("deploy/rbac.yaml");
        control_plane.apply_file(&rules).await?;
        let account =
            control_plane.service_account_kubeconfig("kube-system", "my-cloud-controller-manager");
        let kubeconfig = account.await?;
        if namespace != DEFAULT_NAMESPACE {
            create_namespace(control_plane.client(), &namespace).await?;
        }
        Ok(Self {
            cloud1,
            cloud2,
            prefix: if shared {
                format!("{namespace}.example")
            } else {
                "mycloud.com".into()
            },
            cluster: shared.then(|| namespace.clone()),
            extra_config: String::new(),
            request_timeout: "5s".into(),
            concurrency: None,
            namespace,
            kubeconfig,
            interposed: None,
            control_plane,
        })
    }

    pub fn clouds(&self) -> [&CloudSimulator; 2] {
        [&self.cloud1, &self.cloud2]
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.control_plane.client()
    }

    /// The Services of this test.
    pub fn services(&self) -> Api<Service> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// A replica as its ServiceAccount, with the rules of `deploy/rbac.yaml`.
    pub fn replica_options(&self, name: &str) -> ReplicaOptions {
        let interposed = self.interposed.as_ref();
        let kubeconfig = interposed.map_or(&self.kubeconfig, |interposed| &interposed.kubeconfig);
        let mut options = ReplicaOptions::new(name, kubeconfig);
        options.config_yaml = self.config();
        options
    }

    fn config(&self) -> String {
        let cluster = self.cluster.as_deref().unwrap_or_default();
        let (prefix, extra) = (&self.prefix, &self.extra_config);
        let concurrency = self
            .concurrency
            .map(|calls| format!(", concurrency: {calls}"));
        let (timeout, places) = (&self.request_timeout, concurrency.unwrap_or_default());
        let (cloud1, cloud2) = match &self.interposed {
            Some(fronts) => (fronts.cloud1.url.clone(), fronts.cloud2.url.clone()),
            None => (self.cloud1.endpoint(), self.cloud2.endpoint()),
        };
        let rest = format!("requestTimeout: {timeout}{places}, {SIMULATED_ADDRESSES}");
        format!(
            "clusterId: \"{cluster}\"\nannotationPrefix: {prefix}\nallowLoopbackNodes: true\n{extra}\nclouds:\n\
             \x20 - {{name: cloud1, endpoint: \"{cloud1}\", {rest}}}\n\
             \x20 - {{name: cloud2, endpoint: \"{cloud2}\", {rest}}}\n"
        )
    }

    /// Starts a replica that leads without election.
    ///
    /// # Errors
    /// It did not become ready.
    pub async fn sole_replica(&self) -> Result<Replica> {
        let mut options = self.replica_options("sole");
        options.extra_args.push("--leader-elect=false".into());
        Replica::start(options).await
    }

    /// A Service of type LoadBalancer, enabled, to be created.
    pub fn service(&self, name: &str) -> NewService<'_> {
        NewService::new(self, name)
    }

    /// The Service as it is.
    ///
    /// # Errors
    /// There is none.
    pub async fn get(&self, name: &str) -> Result<Service> {
        self.services()
            .get(name)
            .await
            .with_context(|| format!("Service {name}"))
    }

    /// Stops the clouds and the control plane, unless others use them, and
    /// waits until they are gone.
    pub async fn stop(self) {
        for cloud in [self.cloud1, self.cloud2] {
            if let Some(cloud) = Arc::into_inner(cloud) {
                cloud.stop().await;
            }
        }
        self.control_plane.stop().await;
    }
}

/// A run may be repeated on a control plane that stays up.
fn unique(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

async fn clouds(settings: impl Fn(&mut CloudSimulatorOptions)) -> Result<[Arc<CloudSimulator>; 2]> {
    Ok([
        cloud("cloud1", &settings).await?,
        cloud("cloud2", &settings).await?,
    ])
}

async fn cloud(
    name: &str,
    adjust: impl Fn(&mut CloudSimulatorOptions),
) -> Result<Arc<CloudSimulator>> {
    let mut options = CloudSimulatorOptions {
        data_plane: false,
        ..CloudSimulatorOptions::named(name)
    };
    adjust(&mut options);
    Ok(Arc::new(CloudSimulator::start(options).await?))
}

async fn create_namespace(client: Client, name: &str) -> Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    let namespaces = Api::<Namespace>::all(client);
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}
