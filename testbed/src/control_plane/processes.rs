//! etcd and kube-apiserver as child processes.
//!
//! Several control planes run on one machine at once, so nothing is at a fixed
//! place: etcd listens on sockets in the directory, and the port of
//! kube-apiserver is reserved by us before it starts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::net::{TcpSocket, UnixStream};

use super::{assets, certificates};
use crate::eventually;
use crate::process::{Output, Process, Program, Signal};

pub(super) const ETCD_SOCKET: &str = "etcd.sock";
const ETCD_DATA: &str = "etcd";
/// A copy of its data.
const BACKUP: &str = "etcd-backup";
const AUDIT_POLICY: &str = "audit-policy.yaml";
const ETCD_STARTS: Duration = Duration::from_secs(30);

/// `ResponseStarted` is left: it is how a watch shows before it ends.
const AUDIT_RULES: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// Requests in flight, reading and writing, that kube-apiserver accepts in a benchmark:
/// the values for clusters with thousands of Nodes (the defaults are 400 and 200).
const BENCHMARK_LIMITS: [(&str, &str); 2] = [
    ("max-requests-inflight", "3000"),
    ("max-mutating-requests-inflight", "1000"),
];

/// What a control plane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// All requests are in the audit log.
    Tests,
    /// There is no audit log, and more requests are allowed at once.
    Benchmarks,
}

/// Everything that runs. The fields are dropped in this order: kube-apiserver
/// would otherwise complain about the missing etcd, and both write into the directory.
#[derive(Debug)]
pub(super) struct Processes {
    kube_apiserver: Process,
    etcd: Process,
    /// Keeps the port from others for as long as we live.
    _reserved: TcpSocket,
    port: u16,
    binaries: PathBuf,
    purpose: Purpose,
    directory: TempDir,
}

impl Processes {
    /// Starts both, with new certificates, in a temporary directory of their own.
    /// kube-apiserver may not answer yet.
    pub(super) async fn start(name: &str, binaries: &Path, purpose: Purpose) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("testbed-{name}-"))
            .tempdir()?;
        certificates::write(directory.path())?;
        fs::write(directory.path().join(AUDIT_POLICY), AUDIT_RULES)?;
        let etcd = start_etcd(directory.path(), binaries).await?;
        let (reserved, port) = reserve_port()?;
        let kube_apiserver = start_kube_apiserver(directory.path(), binaries, port, purpose)?;
        Ok(Self {
            kube_apiserver,
            etcd,
            _reserved: reserved,
            port,
            binaries: binaries.to_owned(),
            purpose,
            directory,
        })
    }

    /// Copies the data of etcd, which is restarted for that.
    pub(super) async fn back_up(&mut self) -> Result<()> {
        let (data, backup) = (self.data(), self.directory().join(BACKUP));
        self.end_etcd().await?;
        copy(&data, &backup)?;
        self.etcd = start_etcd(self.directory.path(), &self.binaries).await?;
        Ok(())
    }

    /// Restarts both with the copied data. kube-apiserver may not answer yet.
    pub(super) async fn restore(&mut self) -> Result<()> {
        let (data, backup) = (self.data(), self.directory().join(BACKUP));
        self.kube_apiserver.kill();
        self.end_etcd().await?;
        fs::remove_dir_all(&data)?;
        copy(&backup, &data)?;
        self.etcd = start_etcd(self.directory.path(), &self.binaries).await?;
        let (directory, binaries) = (self.directory.path(), &self.binaries);
        self.kube_apiserver = start_kube_apiserver(directory, binaries, self.port, self.purpose)?;
        Ok(())
    }

    async fn end_etcd(&mut self) -> Result<()> {
        self.etcd.signal(Signal::TERM)?;
        self.etcd.wait_exit(ETCD_STARTS).await?;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.directory().join(ETCD_DATA)
    }

    /// Where kube-apiserver serves.
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The directory with the certificates, the logs and the data.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where kube-apiserver writes its audit log.
    pub(super) fn audit_log(&self) -> PathBuf {
        audit_log(self.directory.path())
    }

    /// The process ids.
    pub(super) fn ids(&self) -> [u32; 2] {
        [self.kube_apiserver.id(), self.etcd.id()]
    }

    /// An error with the end of the log when one of them has ended.
    pub(super) fn check_running(&mut self) -> Result<()> {
        self.etcd.check_running()?;
        self.kube_apiserver.check_running()
    }

    /// The end of the log of kube-apiserver.
    pub(super) fn log_tail(&self) -> String {
        self.kube_apiserver.log_tail()
    }
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn audit_log(directory: &Path) -> PathBuf {
    directory.join("audit.log")
}

/// A socket that is bound but does not listen keeps the kernel from giving the
/// port to anyone else; kube-apiserver may share it (`--permit-port-sharing`).
fn reserve_port() -> Result<(TcpSocket, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let port = socket.local_addr()?.port();
    Ok((socket, port))
}

async fn start_etcd(directory: &Path, binaries: &Path) -> Result<Process> {
    let socket = directory.join(ETCD_SOCKET);
    let clients = format!("unix://{}", socket.display());
    let peers = format!("unix://{}", directory.join("etcd-peers.sock").display());
    // A lone member never dials itself, but the flags must look like a host and a port.
    let unused = "http://127.0.0.1:1";
    let mut etcd = Process::spawn(Program {
        name: "etcd",
        path: &assets::binary(binaries, "etcd")?,
        arguments: flags([
            ("name", "testbed".into()),
            ("data-dir", directory.join(ETCD_DATA).into()),
            ("listen-client-urls", clients.into()),
            ("advertise-client-urls", unused.into()),
            ("listen-peer-urls", peers.into()),
            ("initial-advertise-peer-urls", unused.into()),
            ("initial-cluster", format!("testbed={unused}").into()),
            // The data need not survive the machine.
            ("unsafe-no-fsync", "true".into()),
        ]),
        environment: Vec::new(),
        output: Output::Log(&directory.join("etcd.log")),
        remove: Some(directory),
    })?;
    // kube-apiserver waits a whole second after a first dial that fails.
    eventually("etcd to listen", ETCD_STARTS, async || {
        if let Err(ended) = etcd.check_running() {
            return Ok(Some(Err(ended)));
        }
        UnixStream::connect(&socket).await?;
        Ok(Some(Ok(())))
    })
    .await
    .with_context(|| format!("etcd does not start{}", etcd.log_tail()))??;
    Ok(etcd)
}

fn start_kube_apiserver(
    directory: &Path,
    binaries: &Path,
    port: u16,
    purpose: Purpose,
) -> Result<Process> {
    let file = |name: &str| OsString::from(directory.join(name));
    let etcd = format!("unix://{}", directory.join(ETCD_SOCKET).display());
    let mut arguments = flags([
        ("etcd-servers", etcd.into()),
        ("bind-address", "127.0.0.1".into()),
        ("advertise-address", "127.0.0.1".into()),
        ("secure-port", port.to_string().into()),
        ("permit-port-sharing", "true".into()),
        ("cert-dir", file("generated")),
        ("client-ca-file", file(certificates::AUTHORITY)),
        ("tls-cert-file", file(certificates::SERVING.certificate)),
        ("tls-private-key-file", file(certificates::SERVING.key)),
        ("authorization-mode", "RBAC".into()),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".into(),
        ),
        (
            "service-account-key-file",
            file(certificates::SERVICE_ACCOUNT_PUBLIC_KEY),
        ),
        (
            "service-account-signing-key-file",
            file(certificates::SERVICE_ACCOUNT_KEY),
        ),
        (
            "service-cluster-ip-range",
            "10.96.0.0/12,fd00:96::/112".into(),
        ),
        // The default has fewer ports than a test at scale has Services.
        ("service-node-port-range", "20000-65535".into()),
        // No controller manager runs here, so nothing would create the default service
        // accounts that the one waits for, or take away the taint that the other sets.
        (
            "disable-admission-plugins",
            "ServiceAccount,TaintNodesByCondition".into(),
        ),
        ("endpoint-reconciler-type", "none".into()),
    ]);
    arguments.extend(match purpose {
        Purpose::Tests => flags([
            ("audit-policy-file", file(AUDIT_POLICY)),
            ("audit-log-path", audit_log(directory).into()),
            // In megabytes. It is read as one file.
            ("audit-log-maxsize", "4096".into()),
        ]),
        Purpose::Benchmarks => flags(BENCHMARK_LIMITS.map(|(flag, value)| (flag, value.into()))),
    });
    Process::spawn(Program {
        name: "kube-apiserver",
        path: &assets::binary(binaries, "kube-apiserver")?,
        arguments,
        environment: Vec::new(),
        output: Output::Log(&directory.join("kube-apiserver.log")),
        remove: Some(directory),
    })
}

fn flags<const N: usize>(flags: [(&str, OsString); N]) -> Vec<OsString> {
    flags
        .into_iter()
        .map(|(name, value)| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        })
        .collect()
}
