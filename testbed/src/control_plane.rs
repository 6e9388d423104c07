//! A real control plane: etcd and kube-apiserver, with RBAC and an audit log.
//!
//! Nothing else runs: no scheduler, no controller manager. So a namespace that
//! is deleted stays in Terminating, and no garbage is collected.

mod apply;
mod assets;
mod audit;
pub(crate) mod certificates;
mod etcd;
mod kubeconfig;
mod processes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::DynamicObject;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use crate::eventually;
pub use audit::AuditEvent;
pub use kubeconfig::client_for;
pub(crate) use kubeconfig::install_tls_provider;
use processes::{Processes, Purpose};

/// Set by `testbed run`: the administrator's kubeconfig file.
pub const KUBECONFIG_VARIABLE: &str = "TESTBED_KUBECONFIG";
/// Set by `testbed run`: the audit log of kube-apiserver.
pub const AUDIT_LOG_VARIABLE: &str = "TESTBED_AUDIT_LOG";

/// A start takes 3 s on an idle machine with 2 cores; this is for a busy one.
const READY: Duration = Duration::from_secs(90);

/// A control plane, ours or shared with others.
///
/// One that we started ends when the last `ControlPlane` of it is dropped, and
/// at the latest with this process, even if that is killed.
pub struct ControlPlane {
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    client: Client,
    processes: Option<Arc<Processes>>,
}

impl ControlPlane {
    /// Starts one; `name` helps to find its directory. Several may run at once.
    ///
    /// # Errors
    /// The binaries cannot be had, or kube-apiserver did not become ready: the
    /// message has the end of its log.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_from(name, &assets::find().await?).await
    }

    /// Starts one that is to be measured on: it allows more requests at once, and
    /// keeps no audit log, which would be measured too.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_for_benchmarks(name: &str) -> Result<Self> {
        let binaries = assets::find().await?;
        let processes = start_processes(name, &binaries, Purpose::Benchmarks).await?;
        Self::attach_to(Arc::new(processes)).await
    }

    /// Starts one with the `etcd` and `kube-apiserver` of a directory.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_from(name: &str, binaries: &Path) -> Result<Self> {
        let processes = start_processes(name, binaries, Purpose::Tests).await?;
        Self::attach_to(Arc::new(processes)).await
    }

    /// The one of `testbed run`, if that started us.
    ///
    /// # Errors
    /// The environment names one that is not there.
    pub async fn from_env() -> Result<Option<Self>> {
        let (Some(kubeconfig), Some(audit_log)) = (
            std::env::var_os(KUBECONFIG_VARIABLE),
            std::env::var_os(AUDIT_LOG_VARIABLE),
        ) else {
            return Ok(None);
        };
        let kubeconfig = PathBuf::from(kubeconfig);
        let client = client_for(&kubeconfig).await.context(KUBECONFIG_VARIABLE)?;
        Ok(Some(Self {
            kubeconfig,
            audit_log: PathBuf::from(audit_log),
            client,
            processes: None,
        }))
    }

    /// The one of `testbed run`; else one that all of this process shares, and
    /// that ends with this process.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn shared() -> Result<Self> {
        static SHARED: OnceCell<Arc<Processes>> = OnceCell::const_new();
        if let Some(found) = Self::from_env().await? {
            return Ok(found);
        }
        let start = async || {
            let binaries = assets::find().await?;
            let processes = start_processes("shared", &binaries, Purpose::Tests).await?;
            anyhow::Ok(Arc::new(processes))
        };
        Self::attach_to(SHARED.get_or_try_init(start).await?.clone()).await
    }

    /// The client is new each time: it must not outlive the runtime of the test
    /// that made it.
    async fn attach_to(processes: Arc<Processes>) -> Result<Self> {
        let kubeconfig = kubeconfig::admin(processes.directory());
        Ok(Self {
            client: client_for(&kubeconfig).await?,
            kubeconfig,
            audit_log: processes.audit_log(),
            processes: Some(processes),
        })
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A kubeconfig file that may do everything.
    #[must_use]
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The audit log of kube-apiserver, one JSON object per line; not there if this
    /// was started for benchmarks.
    #[must_use]
    pub fn audit_log_path(&self) -> &Path {
        &self.audit_log
    }

    /// The process ids of what we started; none if it is not ours.
    #[must_use]
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes
            .iter()
            .flat_map(|processes| processes.ids())
            .collect()
    }

    /// Ok while it runs, as far as we can see: one that is not ours alone is not
    /// looked at.
    ///
    /// # Errors
    /// etcd or kube-apiserver has ended: the message has the end of its log.
    pub fn check_running(&mut self) -> Result<()> {
        match self.processes.as_mut().and_then(Arc::get_mut) {
            Some(processes) => processes.check_running(),
            None => Ok(()),
        }
    }

    /// Writes a kubeconfig file with a token of the ServiceAccount, valid for a day.
    ///
    /// # Errors
    /// There is no such ServiceAccount.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        kubeconfig::write_service_account(&self.client, &self.kubeconfig, namespace, name).await
    }

    /// Every answered request so far, of every user, kube-apiserver's own included.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>> {
        audit::read(&self.audit_log)
    }

    /// Applies (server-side) every object of a YAML file, in its order; gives
    /// them as kube-apiserver answered.
    ///
    /// # Errors
    /// The file is not YAML, or an object was refused, for an unknown field too: the message
    /// names it.
    pub async fn apply_file(&self, path: &Path) -> Result<Vec<DynamicObject>> {
        let yaml =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        self.apply(&yaml)
            .await
            .with_context(|| path.display().to_string())
    }

    /// Applies (server-side) every object of a YAML text, in its order; gives
    /// them as kube-apiserver answered.
    ///
    /// # Errors
    /// As [`ControlPlane::apply_file`].
    pub async fn apply(&self, yaml: &str) -> Result<Vec<DynamicObject>> {
        apply::apply(&self.client, yaml, apply::Effect::Written).await
    }

    /// Gives every object of a YAML text as kube-apiserver would answer to
    /// [`ControlPlane::apply`], and writes none.
    ///
    /// # Errors
    /// As [`ControlPlane::apply_file`].
    pub async fn validate(&self, yaml: &str) -> Result<Vec<DynamicObject>> {
        apply::apply(&self.client, yaml, apply::Effect::None).await
    }

    /// Removes a Service from etcd, whatever its finalizers say: the end of a
    /// race that kube-apiserver v1.37.2 was seen to lose now and then.
    ///
    /// # Errors
    /// There is no such Service, or etcd did not answer.
    pub async fn remove_service_from_etcd(&self, namespace: &str, name: &str) -> Result<()> {
        let directory = self
            .kubeconfig
            .parent()
            .context("a kubeconfig is in a directory")?;
        etcd::remove(
            directory,
            &format!("/registry/services/specs/{namespace}/{name}"),
        )
        .await
    }

    /// Keeps a copy of all data of the cluster. Clients may see errors meanwhile.
    ///
    /// # Errors
    /// It is not ours alone, or etcd does not start again.
    pub async fn back_up(&mut self) -> Result<()> {
        self.own_processes()?.back_up().await?;
        self.until_ready().await
    }

    /// Restores the copy, as an administrator does after a disaster: whatever was written
    /// since is gone, and versions count on from those of the copy.
    ///
    /// # Errors
    /// There is no copy, or the control plane does not start again.
    pub async fn restore(&mut self) -> Result<()> {
        self.own_processes()?.restore().await?;
        self.until_ready().await
    }

    fn own_processes(&mut self) -> Result<&mut Processes> {
        let processes = self.processes.as_mut().and_then(Arc::get_mut);
        processes.context("the control plane is not ours alone")
    }

    async fn until_ready(&self) -> Result<()> {
        eventually("kube-apiserver to be ready again", READY, async || {
            Ok(ready(&self.client).await?.then_some(()))
        })
        .await
    }

    /// Ends it and removes its directory, unless others still use it.
    pub async fn stop(self) {
        let Some(processes) = self.processes.and_then(Arc::into_inner) else {
            return;
        };
        // Killing and removing block for some milliseconds. A panic there has been printed.
        let _ended = tokio::task::spawn_blocking(move || drop(processes)).await;
    }
}

/// Starts the processes and waits until a client finds what every cluster has.
async fn start_processes(name: &str, binaries: &Path, purpose: Purpose) -> Result<Processes> {
    let mut processes = Processes::start(name, binaries, purpose).await?;
    let kubeconfig = kubeconfig::admin(processes.directory());
    kubeconfig::write_admin(&kubeconfig, &processes.url())?;
    let client = client_for(&kubeconfig).await?;
    eventually("kube-apiserver to be ready", READY, async || {
        if let Err(ended) = processes.check_running() {
            return Ok(Some(Err(ended)));
        }
        Ok(ready(&client).await?.then_some(Ok(())))
    })
    .await
    .with_context(|| format!("kube-apiserver does not start{}", processes.log_tail()))??;
    Ok(processes)
}

/// kube-apiserver makes the first namespaces and the first Service only after
/// it has called itself ready.
async fn ready(client: &Client) -> Result<bool> {
    let request = http::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let services: Api<Service> = Api::default_namespaced(client.clone());
    Ok(namespaces.get_opt("kube-system").await?.is_some()
        && services.get_opt("kubernetes").await?.is_some())
}
