//! The replicas, and what befalls the one that leads.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use futures::future::try_join_all;
use testbed::environment::{QUICK_LEASE, SOON};
use testbed::{Environment, Replica, ReplicaOptions, eventually};
use tokio::time::sleep;

const PODS: [&str; 3] = ["a", "b", "c"];

/// How a line of the log begins that says why a process gave up: the Lease was
/// lost, or nobody but the watchdog noticed.
const LOST: [&str; 2] = [
    "leadership lost: ",
    "leadership ended and the process did not react",
];

/// Number of the signal.
const SIGKILL: i32 = 9;

/// What befalls a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, for twice as long as a lease lasts.
    Frozen,
    /// SIGTERM.
    Ended,
}

/// Three that run, and the logs of those that did.
pub struct Replicas {
    options: Vec<ReplicaOptions>,
    running: Vec<Replica>,
    /// The process that was struck last, and by what.
    struck: Option<(u32, Blow)>,
    logs: PathBuf,
    /// Processes that were started.
    pub started: usize,
    /// Those that gave up by themselves: a Lease that they could not renew in time.
    pub gave_up: usize,
}

impl Replicas {
    /// Starts them; logs of those that end go to this directory.
    ///
    /// # Errors
    /// One did not become ready.
    pub async fn start(test: &Environment, logs: &Path) -> Result<Self> {
        let options: Vec<_> = PODS.iter().map(|pod| options(test, pod)).collect();
        let start = options.iter().cloned().map(Replica::start);
        Ok(Self {
            running: try_join_all(start).await?,
            started: options.len(),
            options,
            struck: None,
            logs: logs.to_owned(),
            gave_up: 0,
        })
    }

    /// All of them.
    pub fn running(&self) -> &[Replica] {
        &self.running
    }

    /// Something befalls the leader; another is in its place when this returns.
    ///
    /// # Errors
    /// It did not end as it should, or there is no leader.
    pub async fn strike(&mut self, dice: &mut Rng) -> Result<Blow> {
        let leader = self.leader().await?;
        let replica = &mut self.running[leader];
        let blow = match dice.u8(0..3) {
            0 => Blow::Killed,
            1 => Blow::Frozen,
            _ => Blow::Ended,
        };
        self.struck = Some((replica.id(), blow));
        match blow {
            Blow::Killed => replica.kill(),
            Blow::Frozen => {
                replica.stop()?;
                sleep(2 * QUICK_LEASE.lease_duration).await;
                replica.cont()?;
                // If it had given up the Lease at that moment it has nothing to lose.
                let what = "a leader that was frozen to end, or to lead no more";
                eventually(what, SOON, async || {
                    let has_ended = replica.exit_status()?.is_some();
                    Ok((has_ended || !replica.leads().await?).then_some(()))
                })
                .await?;
            }
            Blow::Ended => {
                replica.terminate()?;
                replica.wait_exit(SOON).await?;
            }
        }
        self.replace_ended().await?;
        Ok(blow)
    }

    /// As a kubelet would: another process for each that has ended.
    ///
    /// # Errors
    /// One ended in a way that none should, or a new one did not become ready.
    pub async fn replace_ended(&mut self) -> Result<()> {
        for (index, replica) in self.running.iter_mut().enumerate() {
            let Some(status) = replica.exit_status()? else {
                continue;
            };
            let log = std::fs::read_to_string(replica.log_path())?;
            let name = format!("{:04}-{}.log", self.started, PODS[index]);
            std::fs::write(self.logs.join(name), &log)?;
            ensure!(!log.contains("panicked"), "{} panicked", PODS[index]);
            let struck = self.struck.filter(|(id, _)| *id == replica.id());
            match (status.code(), status.signal(), struck) {
                (Some(0), None, Some((_, Blow::Ended))) => {}
                (None, Some(SIGKILL), Some((_, Blow::Killed))) => {}
                (Some(1), None, _) if lost_leadership(&log) => self.gave_up += 1,
                _ => bail!("{} ended with {status}, struck: {struck:?}", PODS[index]),
            }
            *replica = Replica::start(self.options[index].clone()).await?;
            self.started += 1;
        }
        Ok(())
    }

    async fn leader(&mut self) -> Result<usize> {
        eventually("a leader", SOON, async || {
            self.replace_ended().await?;
            for (index, replica) in self.running.iter().enumerate() {
                if replica.leads().await? {
                    return Ok(Some(index));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Copies the logs of those that run.
    ///
    /// # Errors
    /// There is no room.
    pub fn keep_logs(&self) -> Result<()> {
        for (pod, replica) in PODS.iter().zip(&self.running) {
            let to = self.logs.join(format!("running-{pod}.log"));
            std::fs::copy(replica.log_path(), to).context("a log")?;
        }
        Ok(())
    }
}

/// Whether the last words of a process say that.
fn lost_leadership(log: &str) -> bool {
    let says_so = |line: &str| LOST.iter().any(|reason| line.starts_with(reason));
    log.lines().any(says_so)
}

fn options(test: &Environment, pod: &str) -> ReplicaOptions {
    let mut options = test.replica_options(pod);
    options.lease = QUICK_LEASE;
    options
}

/// Between two blows.
pub fn pause(dice: &mut Rng) -> Duration {
    Duration::from_millis(dice.u64(500..4_000))
}
