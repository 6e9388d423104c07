//! Disruptions of the leader, and the replicas that get them.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use testbed::environment::{QUICK_LEASE, SOON};
use testbed::{Environment, Replica, ReplicaOptions, Replicas, eventually};
use tokio::time::sleep;

use crate::gauges::ALLOCATOR;

const PODS: [&str; 3] = ["a", "b", "c"];

/// How a line of the log begins that explains why a process gave up: the Lease
/// was lost, or only the watchdog noticed.
const LOST: [&str; 2] = [
    "leadership lost: ",
    "leadership ended and the process did not",
];

/// Number of the signal.
const SIGKILL: i32 = 9;

/// A disruption of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disruption {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, for twice as long as a lease lasts.
    Frozen,
    /// SIGTERM.
    Terminated,
}

/// Three replicas that run, and the logs of those that did.
pub struct Disruptions {
    replicas: Replicas,
    /// The process that was disrupted last.
    last: Option<(u32, Disruption)>,
    logs: PathBuf,
    /// Processes that were started.
    pub started: usize,
    /// Those that gave up by themselves: a Lease that they could not renew in time.
    pub gave_up: usize,
}

impl Disruptions {
    /// Starts the replicas, which reach kube-apiserver by this kubeconfig; logs of those that
    /// end go to this directory.
    ///
    /// # Errors
    /// One did not become ready.
    pub async fn start(test: &Environment, kubeconfig: &Path, logs: &Path) -> Result<Self> {
        let (name, value) = ALLOCATOR;
        let options = |pod| ReplicaOptions {
            lease: QUICK_LEASE,
            kubeconfig: kubeconfig.to_owned(),
            env: vec![(name.into(), value.into())],
            ..test.replica_options(pod)
        };
        Ok(Self {
            replicas: Replicas::start(PODS.map(options)).await?,
            last: None,
            logs: logs.to_owned(),
            started: PODS.len(),
            gave_up: 0,
        })
    }

    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The ids of the processes.
    pub fn processes(&self) -> Vec<u32> {
        self.replicas
            .iter()
            .map(|(_, replica)| replica.id())
            .collect()
    }

    /// Disrupts the leader; another is in its place when this returns.
    ///
    /// # Errors
    /// It did not end as it should, or there is no leader.
    pub async fn disrupt(&mut self, rng: &mut Rng) -> Result<Disruption> {
        let leader = self.leader().await?;
        let disruption = match rng.u8(0..3) {
            0 => Disruption::Killed,
            1 => Disruption::Frozen,
            _ => Disruption::Terminated,
        };
        self.strike(leader, disruption).await?;
        Ok(disruption)
    }

    /// Kills or stops each replica, one after the other. What runs when this returns began
    /// meanwhile, and one of it leads.
    ///
    /// # Errors
    /// As [`Disruptions::disrupt`].
    pub async fn replace_all(&mut self, rng: &mut Rng) -> Result<()> {
        for process in self.processes() {
            let mut now = self.processes().into_iter();
            // One that gave up meanwhile has been replaced.
            if let Some(index) = now.position(|now| now == process) {
                let ends = [Disruption::Killed, Disruption::Terminated];
                self.strike(index, ends[rng.usize(..ends.len())]).await?;
            }
        }
        self.leader().await?;
        Ok(())
    }

    async fn strike(&mut self, index: usize, disruption: Disruption) -> Result<()> {
        let replica = &mut self.replicas[index];
        self.last = Some((replica.id(), disruption));
        match disruption {
            Disruption::Killed => replica.kill(),
            Disruption::Frozen => freeze(replica).await?,
            Disruption::Terminated => {
                replica.terminate()?;
                replica.wait_exit(SOON).await?;
            }
        }
        self.replace_ended().await
    }

    /// As a kubelet would: another process for each that has ended.
    ///
    /// # Errors
    /// One ended in a way that none should, or a new one did not become ready.
    pub async fn replace_ended(&mut self) -> Result<()> {
        for (index, status) in self.replicas.ended()? {
            let replica = &self.replicas[index];
            let log = std::fs::read_to_string(replica.log_path())?;
            let name = format!("{:04}-{}.log", self.started, PODS[index]);
            std::fs::write(self.logs.join(name), &log)?;
            ensure!(!log.contains("panicked"), "{} panicked", PODS[index]);
            let (process, last) = (replica.id(), self.last);
            let last = last.filter(|(disrupted, _)| *disrupted == process);
            self.note_end(PODS[index], status, last.map(|(_, last)| last), &log)?;
            self.replicas.relaunch(index)?.wait_ready(SOON).await?;
            self.started += 1;
        }
        Ok(())
    }

    fn note_end(
        &mut self,
        pod: &str,
        status: ExitStatus,
        disruption: Option<Disruption>,
        log: &str,
    ) -> Result<()> {
        match (status.code(), status.signal(), disruption) {
            (Some(0), None, Some(Disruption::Terminated)) => {}
            (None, Some(SIGKILL), Some(Disruption::Killed)) => {}
            (Some(1), None, _) if lost_leadership(log) => self.gave_up += 1,
            _ => bail!("{pod} ended with {status}, disrupted: {disruption:?}"),
        }
        Ok(())
    }

    async fn leader(&mut self) -> Result<usize> {
        eventually("a leader", SOON, async || {
            self.replace_ended().await?;
            self.replicas.leader().await
        })
        .await
    }

    /// Copies the logs of those that run.
    ///
    /// # Errors
    /// There is no room.
    pub fn keep_logs(&self) -> Result<()> {
        for (pod, replica) in self.replicas.iter() {
            let to = self.logs.join(format!("running-{pod}.log"));
            std::fs::copy(replica.log_path(), to).context("a log")?;
        }
        Ok(())
    }
}

/// Freezes a leader for longer than its lease; it then ends, or leads no more
/// if it had given up the Lease at that moment.
async fn freeze(replica: &mut Replica) -> Result<()> {
    replica.stop()?;
    sleep(2 * QUICK_LEASE.lease_duration).await;
    replica.cont()?;
    let what = "a leader that was frozen to end, or to lead no more";
    eventually(what, SOON, async || {
        let has_ended = replica.exit_status()?.is_some();
        Ok((has_ended || !replica.leads().await?).then_some(()))
    })
    .await
}

/// Whether the log has a line that explains a lost Lease.
fn lost_leadership(log: &str) -> bool {
    let explains = |line: &str| LOST.iter().any(|reason| line.starts_with(reason));
    log.lines().any(explains)
}

/// Between two disruptions.
pub fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(500..4_000))
}
