//! The three replicas, and which of them says that it leads.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::monitoring::prometheus::Targets;
use testbed::replica::LeaseTiming;
use testbed::{Replica, ReplicaOptions};

use crate::stage::Stage;

/// As the pods of a Deployment, with names that are easier to read.
const PODS: [&str; 3] = [
    "my-cloud-controller-manager-0",
    "my-cloud-controller-manager-1",
    "my-cloud-controller-manager-2",
];

/// Times of the election. The defaults (15 s, 10 s, 2 s) are for clusters whose
/// API server may be away for seconds; these make the crash quicker to watch.
pub const TIMING: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(4),
    renew_deadline: Duration::from_secs(3),
    retry_period: Duration::from_millis(500),
};

const READY: Duration = Duration::from_secs(30);
const AGREED: Duration = Duration::from_secs(10);

/// The replicas, as far as they are started.
pub struct Replicas {
    options: Vec<ReplicaOptions>,
    running: Vec<Replica>,
    targets: Option<Targets>,
}

impl Replicas {
    /// None is started yet.
    pub fn new(kubeconfig: &Path, config_yaml: &str, targets: Option<Targets>) -> Self {
        let options = PODS.iter().map(|pod| ReplicaOptions {
            config_yaml: config_yaml.to_owned(),
            lease: TIMING,
            ..ReplicaOptions::new(pod, kubeconfig)
        });
        Self {
            options: options.collect(),
            running: Vec::new(),
            targets,
        }
    }

    /// Starts all, at the same moment.
    ///
    /// # Errors
    /// One did not become ready.
    pub async fn start(&mut self, stage: &Stage) -> Result<()> {
        for options in &self.options {
            self.running.push(Replica::launch(options.clone())?);
        }
        self.tell_who_runs()?;
        for (pod, replica) in PODS.iter().zip(&mut self.running) {
            ready(stage, pod, replica).await?;
        }
        Ok(())
    }

    /// Prometheus, if one looks on.
    fn tell_who_runs(&self) -> Result<()> {
        match &self.targets {
            Some(targets) => {
                targets.set(self.all().map(|(pod, replica)| (pod, replica.admin_url())))
            }
            None => Ok(()),
        }
    }

    /// Starts one again in the place of one that has ended.
    ///
    /// # Errors
    /// It did not become ready.
    pub async fn start_again(&mut self, stage: &Stage, pod: &str) -> Result<()> {
        self.launch_again(pod)?;
        ready(stage, pod, self.get(pod)?).await
    }

    /// As a kubelet would: starts again whichever has ended, and tells.
    ///
    /// # Errors
    /// One could not be started.
    pub fn start_ended(&mut self, stage: &Stage) -> Result<()> {
        for pod in PODS {
            let Some(status) = self.get(pod)?.exit_status()? else {
                continue;
            };
            self.launch_again(pod)?;
            let new = self.get(pod)?;
            stage.line(&format!(
                "{pod} ended ({status}); started again: pid {}, {}/metrics",
                new.id(),
                new.admin_url()
            ));
        }
        Ok(())
    }

    fn launch_again(&mut self, pod: &str) -> Result<()> {
        let index = index(pod)?;
        self.running[index] = Replica::launch(self.options[index].clone())?;
        self.tell_who_runs()
    }

    /// The running one with this pod name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&mut self, pod: &str) -> Result<&mut Replica> {
        let index = index(pod)?;
        self.running.get_mut(index).context("it is not started yet")
    }

    /// All with their pod names.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Replica)> {
        PODS.into_iter().zip(&self.running)
    }

    /// Waits until this one, and no other, says by its metrics that it leads.
    ///
    /// # Errors
    /// They did not within some seconds.
    pub async fn until_leads(&self, stage: &Stage, pod: &str) -> Result<()> {
        let what = format!("the metrics to say that {pod} leads, and no other");
        stage
            .until(&what, AGREED, async || {
                for (other, replica) in self.all() {
                    if replica.leads().await? != (other == pod) {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })
            .await
    }

    /// Prints a table of them.
    ///
    /// # Errors
    /// One does not answer.
    pub async fn show(&self, stage: &Stage) -> Result<()> {
        let mut rows = Vec::new();
        for (pod, replica) in self.all() {
            let leads = if replica.leads().await? { "yes" } else { "-" };
            rows.push([
                pod.to_owned(),
                replica.id().to_string(),
                format!("{}/metrics", replica.admin_url()),
                leads.to_owned(),
            ]);
        }
        stage.table(["REPLICA", "PID", "METRICS", "LEADS"], &rows);
        Ok(())
    }

    /// Those that have ended, with the end of their logs.
    pub fn ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        for (pod, replica) in PODS.iter().zip(&mut self.running) {
            if let Ok(Some(status)) = replica.exit_status() {
                let log = std::fs::read_to_string(replica.log_path()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(5)..];
                ended.push(format!("{pod} ended ({status}):\n{}", tail.join("\n")));
            }
        }
        ended
    }
}

fn index(pod: &str) -> Result<usize> {
    let position = PODS.iter().position(|known| *known == pod);
    position.with_context(|| format!("the Lease names {pod}, which is none of the replicas"))
}

async fn ready(stage: &Stage, pod: &str, replica: &mut Replica) -> Result<()> {
    let _progress = stage.progress(&format!("{pod} to be ready"));
    replica.wait_ready(READY).await.context(pod.to_owned())
}
