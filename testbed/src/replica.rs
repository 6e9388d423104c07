//! One running my-cloud-controller-manager: the real binary, as a child process.

mod metrics;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
pub use port::free_address;
use tempfile::TempDir;

use crate::control_plane::install_tls_provider;
use crate::eventually;
use crate::eventually::SOON;
use crate::port;
use crate::process::{Output, Process, Program, Signal};

const BINARY: &str = "my-cloud-controller-manager";
/// All that a replica talks to is on this machine.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];
const MASTER_STATUS: &str = "leader_election_master_status{name=\"my-cloud-controller-manager\"}";
const SHELL: &str = "/bin/sh";
const READY: Duration = Duration::from_secs(60);
const ADMIN_ANSWERS: Duration = Duration::from_secs(5);

/// What to start. The fields have defaults: see [`ReplicaOptions::new`].
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// Name of the pod that it takes itself for (`POD_NAME`).
    pub name: String,
    /// The binary; `None`: the one of the same build as the running program.
    pub binary: Option<PathBuf>,
    /// How it reaches kube-apiserver, and as whom.
    pub kubeconfig: PathBuf,
    /// Its configuration file.
    pub config_yaml: String,
    /// Times of the election.
    pub lease: LeaseTiming,
    /// Where the Lease is.
    pub lease_namespace: String,
    /// Flags after ours; the program decides about a flag that is given twice.
    pub extra_args: Vec<String>,
    /// Environment variables on top of ours.
    pub env: Vec<(String, String)>,
    /// The most bytes of heap, stacks and other data that it may have (`RLIMIT_DATA`), as
    /// a container with a memory limit.
    pub memory_limit: Option<u64>,
}

impl ReplicaOptions {
    /// The election's own default times, an empty configuration, nothing extra.
    #[must_use]
    pub fn new(name: &str, kubeconfig: &Path) -> Self {
        Self {
            name: name.to_owned(),
            binary: None,
            kubeconfig: kubeconfig.to_owned(),
            config_yaml: String::new(),
            lease: LeaseTiming::default(),
            lease_namespace: "kube-system".to_owned(),
            extra_args: Vec::new(),
            env: Vec::new(),
            memory_limit: None,
        }
    }
}

/// Times of the election, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// After this long without renewal a standby may take the Lease.
    pub lease_duration: Duration,
    /// After this long without renewal the leader gives up.
    pub renew_deadline: Duration,
    /// Between two tries.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// A running or ended replica. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct Replica {
    process: Process,
    admin_url: String,
    http: reqwest::Client,
    log: PathBuf,
    _directory: TempDir,
}

impl Replica {
    /// Starts one and waits until it calls itself ready.
    ///
    /// # Errors
    /// It ended before, or took too long: the message has the end of its log.
    pub async fn start(options: ReplicaOptions) -> Result<Self> {
        let mut replica = Self::launch(options)?;
        replica.wait_ready(READY).await?;
        Ok(replica)
    }

    /// Starts one and does not wait: for replicas that are meant to fail.
    ///
    /// # Errors
    /// There is no binary, or no port is free.
    pub fn launch(options: ReplicaOptions) -> Result<Self> {
        install_tls_provider();
        let directory = tempfile::Builder::new()
            .prefix(&format!("testbed-{}-", options.name))
            .tempdir()?;
        let config = directory.path().join("config.yaml");
        std::fs::write(&config, &options.config_yaml)?;
        let log = directory.path().join("log");
        let binary = match &options.binary {
            Some(given) => given.clone(),
            None => built_beside_us()?,
        };
        let admin_address = port::free_address()?.to_string();
        let mut environment: Vec<(OsString, OsString)> =
            vec![("POD_NAME".into(), options.name.clone().into())];
        environment.extend(PROXIES.map(|proxy| (proxy.into(), "".into())));
        environment.extend(options.env.iter().map(|(k, v)| (k.into(), v.into())));
        let mut arguments = arguments(&options, &config, &admin_address);
        let path = match options.memory_limit {
            None => binary,
            Some(bytes) => {
                // The shell becomes the program.
                let limited = format!("ulimit -d {} && exec \"$0\" \"$@\"", bytes / 1024);
                let shell = ["-c".into(), limited.into(), binary.into()];
                arguments.splice(0..0, shell);
                SHELL.into()
            }
        };
        let process = Process::spawn(Program {
            name: &options.name,
            path: &path,
            arguments,
            environment,
            output: Output::Log(&log),
            remove: Some(directory.path()),
        })?;
        Ok(Self {
            process,
            admin_url: format!("http://{admin_address}"),
            http: reqwest::Client::builder()
                .timeout(ADMIN_ANSWERS)
                .no_proxy()
                .build()?,
            log,
            _directory: directory,
        })
    }

    /// Waits until it calls itself ready.
    ///
    /// # Errors
    /// It ended before, or took too long: the message has the end of its log.
    pub async fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        let url = format!("{}/readyz", self.admin_url);
        let seen = eventually("the replica to be ready", deadline, async || {
            if let Err(ended) = self.process.check_running() {
                return Ok(Some(Err(ended)));
            }
            self.http.get(&url).send().await?.error_for_status()?;
            Ok(Some(Ok(())))
        })
        .await;
        seen.with_context(|| format!("not ready{}", self.process.log_tail()))?
    }

    /// Where its probes and metrics are, without a slash at the end.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The value of each series; the key is the series as it is printed, such as
    /// `requests_total{code="200"}`.
    ///
    /// # Errors
    /// It does not answer within 5 s, or not in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let url = format!("{}/metrics", self.admin_url);
        let answer = self.http.get(&url).send().await?.error_for_status()?;
        metrics::parse(&answer.text().await?)
    }

    /// Whether it leads, by its metrics.
    ///
    /// # Errors
    /// It does not answer within 5 s, or has no such metric.
    pub async fn leads(&self) -> Result<bool> {
        Ok(self.value(MASTER_STATUS).await? == 1.0)
    }

    /// The value of a series, written as it is printed.
    ///
    /// # Errors
    /// It does not answer within 5 s, or has no such series.
    pub async fn value(&self, series: &str) -> Result<f64> {
        let metrics = self.metrics().await?;
        metrics.get(series).copied().context(series.to_owned())
    }

    /// The sum of all series of a metric.
    ///
    /// # Errors
    /// It does not answer within 5 s.
    pub async fn total(&self, metric: &str) -> Result<f64> {
        let metrics = self.metrics().await?;
        let is_of_it = |series: &str| series.split('{').next() == Some(metric);
        let of_it = metrics.iter().filter(|(series, _)| is_of_it(series));
        Ok(of_it.map(|(_, value)| value).sum())
    }

    /// Waits until a series is there with such a value; gives it.
    ///
    /// # Errors
    /// It never was.
    pub async fn until(&self, series: &str, is_it: impl Fn(f64) -> bool) -> Result<f64> {
        eventually(series, SOON, async || {
            let metrics = self.metrics().await?;
            Ok(metrics.get(series).copied().filter(|value| is_it(*value)))
        })
        .await
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// It has ended.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Ends it without asking (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes it (SIGSTOP), as a hung virtual machine would.
    ///
    /// # Errors
    /// It has ended.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets a frozen one go on (SIGCONT).
    ///
    /// # Errors
    /// It has ended.
    pub fn cont(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It still ran at the deadline.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.wait_exit(deadline).await
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// The kernel was asked and refused.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    /// Its log, standard output and error together. Goes with the replica.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }
}

fn arguments(options: &ReplicaOptions, config: &Path, admin_address: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--config".into(), config.into()];
    arguments.extend(["--kubeconfig".into(), options.kubeconfig.clone().into()]);
    let LeaseTiming {
        lease_duration,
        renew_deadline,
        retry_period,
    } = options.lease;
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    let rest = [
        ("--admin-address", admin_address.to_owned()),
        ("--log-format", "json".to_owned()),
        (
            "--leader-elect-lease-duration",
            milliseconds(lease_duration),
        ),
        (
            "--leader-elect-renew-deadline",
            milliseconds(renew_deadline),
        ),
        ("--leader-elect-retry-period", milliseconds(retry_period)),
        (
            "--leader-elect-resource-namespace",
            options.lease_namespace.clone(),
        ),
        ("--v", "2".to_owned()),
    ];
    arguments.extend(
        rest.into_iter()
            .flat_map(|(flag, value)| [flag.into(), value.into()]),
    );
    arguments.extend(options.extra_args.iter().map(OsString::from));
    arguments
}

/// Tests run in `target/<profile>/deps`, programs in `target/<profile>`.
pub(crate) fn built_beside_us() -> Result<PathBuf> {
    let us = std::env::current_exe()?;
    us.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(BINARY))
        .find(|path| path.is_file())
        .with_context(|| format!("no {BINARY} beside {}: build it first", us.display()))
}

#[cfg(test)]
mod tests;
