//! A candidate in this process, on a real API server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use my_cloud_controller_manager::election::{
    Candidate, Clock, ElectionError, Leadership, Observation, Role, Timing, identity, run,
};
use testbed::control_plane::AuditEvent;
use testbed::{ControlPlane, eventually};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Where the Leases are.
pub const NAMESPACE: &str = "kube-system";

/// Short enough to wait for, long enough for a busy machine.
pub const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(6),
    renew_deadline: Duration::from_millis(4500),
    retry_period: Duration::from_secs(1),
};

/// For what takes as long as a Lease, with room.
const LONG: Duration = Duration::from_secs(30);

/// A candidate that runs until its test ends.
pub struct Running {
    /// In the Lease.
    pub identity: String,
    /// `run`.
    pub task: JoinHandle<Result<(), ElectionError>>,
    /// What it is.
    pub roles: watch::Receiver<Role>,
    /// The last observation.
    pub observed: watch::Receiver<Option<Observation>>,
    /// Asks it to stop.
    pub release: CancellationToken,
}

/// A client configuration from a kubeconfig file.
pub async fn config(kubeconfig: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// The Leases as the administrator sees them.
pub fn leases(plane: &ControlPlane) -> Api<Lease> {
    Api::namespaced(plane.client(), NAMESPACE)
}

/// A candidate for a Lease in [`NAMESPACE`].
pub fn stand(config: &Config, lease: &str, name: &str) -> Running {
    Running::start(config, NAMESPACE, lease, name)
}

/// The index and leadership of the first that leads.
pub async fn leader_of(candidates: &mut [Running; 2]) -> Result<(usize, Leadership)> {
    let [first, second] = candidates;
    tokio::select! {
        leadership = first.leads() => Ok((0, leadership?)),
        leadership = second.leads() => Ok((1, leadership?)),
    }
}

/// Waits until that many watches on a Lease have begun: each candidate has one,
/// and has read the Lease before.
pub async fn watched(plane: &ControlPlane, lease: &str, count: usize) -> Result<()> {
    let what = format!("{count} watches on {lease}");
    let selector = format!("metadata.name%3D{lease}&");
    logged(plane, &what, count, |event| {
        event.verb == "watch"
            && event.stage == "ResponseStarted"
            && event.request_uri.contains(&selector)
    })
    .await
}

/// Waits until the audit log has that many such events.
pub async fn logged(
    plane: &ControlPlane,
    what: &str,
    count: usize,
    is_such: impl Fn(&AuditEvent) -> bool,
) -> Result<()> {
    eventually(what, LONG, async || {
        let found = plane.audit_events()?.into_iter().filter(&is_such).count();
        Ok((found >= count).then_some(()))
    })
    .await
}

impl Running {
    /// Spawns a candidate with the machine's clocks.
    pub fn start(config: &Config, namespace: &str, lease: &str, name: &str) -> Self {
        Self::start_by(Clock::system(), config, namespace, lease, name)
    }

    /// Spawns a candidate with clocks of its own.
    pub fn start_by(
        clock: Clock,
        config: &Config,
        namespace: &str,
        lease: &str,
        name: &str,
    ) -> Self {
        let candidate = Candidate {
            namespace: namespace.to_owned(),
            lease: lease.to_owned(),
            identity: identity(name),
            timing: TIMING,
            clock,
            sees: watch::channel(true).1,
        };
        let identity = candidate.identity.clone();
        let (sender, roles) = watch::channel(Role::Standby);
        let (observations, observed) = watch::channel(None);
        let observe = Arc::new(move |observation| {
            observations.send_replace(Some(observation));
        });
        let release = CancellationToken::new();
        let task = tokio::spawn(run(
            config.clone(),
            candidate,
            sender,
            observe,
            release.clone(),
        ));
        Self {
            identity,
            task,
            roles,
            observed,
            release,
        }
    }

    /// Waits until it leads.
    pub async fn leads(&mut self) -> Result<Leadership> {
        let leads = self.roles.wait_for(|role| matches!(role, Role::Leader(_)));
        let role = timeout(LONG, leads)
            .await
            .with_context(|| format!("waited {LONG:?} for {} to lead", self.identity))??;
        match &*role {
            Role::Leader(leadership) => Ok(leadership.clone()),
            Role::Standby => bail!("waited for a leader"),
        }
    }

    /// Waits for one more successful renewal.
    pub async fn renews_again(&mut self) -> Result<()> {
        self.observes("a renewal", |seen| {
            matches!(seen, Observation::Renewed { .. })
        })
        .await
    }

    /// Waits for one more renewal that fails.
    pub async fn renewal_fails(&mut self) -> Result<()> {
        self.observes("a failed renewal", |seen| {
            matches!(seen, Observation::RenewFailed { .. })
        })
        .await
    }

    async fn observes(&mut self, what: &str, wanted: impl Fn(&Observation) -> bool) -> Result<()> {
        self.observed.mark_unchanged();
        let awaited = async {
            loop {
                self.observed.changed().await?;
                if self
                    .observed
                    .borrow_and_update()
                    .as_ref()
                    .is_some_and(&wanted)
                {
                    return anyhow::Ok(());
                }
            }
        };
        timeout(LONG, awaited)
            .await
            .with_context(|| format!("waited {LONG:?} for {what}"))?
    }
}

/// For two lease durations the leader leads and the standby does not.
pub async fn nothing_changes(leadership: &Leadership, standby: &Running) {
    let end = Instant::now() + 2 * TIMING.lease_duration;
    while Instant::now() < end {
        assert!(leadership.permit().is_ok());
        assert!(matches!(*standby.roles.borrow(), Role::Standby));
        tokio::time::sleep(TIMING.retry_period).await;
    }
}
