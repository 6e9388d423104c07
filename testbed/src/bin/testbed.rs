//! `testbed run -- COMMAND`: runs a command with a control plane and two clouds of its own.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;
use testbed::ControlPlane;
use testbed::cloud::{CloudSimulator, CloudSimulatorOptions};
use testbed::control_plane::{AUDIT_LOG_VARIABLE, KUBECONFIG_VARIABLE};
use testbed::environment::SIMULATED_ADDRESSES;
use testbed::process::{Output, Process, Program, Signal};
use tokio::signal::unix::{SignalKind, signal};

/// Real parts to run my-cloud-controller-manager on.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command with a control plane (etcd and kube-apiserver) and two clouds of its own.
    ///
    /// The command finds the control plane by KUBECONFIG, as administrator, the
    /// clouds by CLOUD1_ENDPOINT and CLOUD2_ENDPOINT, and a configuration file
    /// for my-cloud-controller-manager with both by CCM_CONFIG. The exit code
    /// is the command's. Everything is gone when the command has ended.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Directory with etcd and kube-apiserver [default: found or built]
    #[arg(long, value_name = "DIRECTORY")]
    control_plane_assets: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Command::Run(run) = Arguments::parse().command;
    let started = Instant::now();
    let control_plane = match &run.control_plane_assets {
        Some(directory) => ControlPlane::start_from("run", directory).await?,
        None => ControlPlane::start("run").await?,
    };
    eprintln!(
        "testbed: control plane ready after {:.1} s, KUBECONFIG={}",
        started.elapsed().as_secs_f64(),
        control_plane.kubeconfig_path().display()
    );
    let clouds = Clouds::start().await?;
    let status = run_command(&run.command, environment(&control_plane, &clouds)).await;
    control_plane.stop().await;
    Ok(exit_code(status?))
}

/// Two simulated clouds, and a configuration file that names them.
struct Clouds {
    cloud1: CloudSimulator,
    cloud2: CloudSimulator,
    config: PathBuf,
    _directory: TempDir,
}

impl Clouds {
    async fn start() -> Result<Self> {
        let cloud1 = CloudSimulator::start(CloudSimulatorOptions::named("cloud1")).await?;
        let cloud2 = CloudSimulator::start(CloudSimulatorOptions::named("cloud2")).await?;
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("config.yaml");
        let (one, two) = (cloud1.endpoint(), cloud2.endpoint());
        let text = format!(
            "allowLoopbackNodes: true\nclouds:\n\
             - {{name: cloud1, endpoint: \"{one}\", {SIMULATED_ADDRESSES}}}\n\
             - {{name: cloud2, endpoint: \"{two}\", {SIMULATED_ADDRESSES}}}\n"
        );
        std::fs::write(&config, text)?;
        Ok(Self {
            cloud1,
            cloud2,
            config,
            _directory: directory,
        })
    }
}

type Variables = Vec<(OsString, OsString)>;

fn environment(control_plane: &ControlPlane, clouds: &Clouds) -> Variables {
    let kubeconfig = control_plane.kubeconfig_path();
    let variables: [(&str, OsString); 6] = [
        ("KUBECONFIG", kubeconfig.into()),
        (KUBECONFIG_VARIABLE, kubeconfig.into()),
        (AUDIT_LOG_VARIABLE, control_plane.audit_log_path().into()),
        ("CLOUD1_ENDPOINT", clouds.cloud1.endpoint().into()),
        ("CLOUD2_ENDPOINT", clouds.cloud2.endpoint().into()),
        ("CCM_CONFIG", clouds.config.clone().into()),
    ];
    variables.map(|(name, value)| (name.into(), value)).to_vec()
}

/// Runs the command to its end; passes on the signals that ask it to end.
async fn run_command(command: &[OsString], environment: Variables) -> Result<ExitStatus> {
    // Before the command starts, so that no signal ends us and leaves its end unseen.
    let mut child_changed = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut process = spawn(command, environment)?;
    loop {
        if let Some(status) = process.exit_status()? {
            return Ok(status);
        }
        let asked = tokio::select! {
            _ = child_changed.recv() => None,
            _ = terminate.recv() => Some(Signal::TERM),
            _ = hang_up.recv() => Some(Signal::HUP),
            _ = interrupt.recv() => Some(Signal::INT),
        };
        if let Some(asked) = asked {
            pass_on(&mut process, asked);
        }
    }
}

/// Ctrl-C at a terminal reaches the command by itself: it is in our process
/// group, and a second one makes many programs give up their own tidying.
fn pass_on(process: &mut Process, asked: Signal) {
    use std::io::IsTerminal;
    if asked == Signal::INT && std::io::stdin().is_terminal() {
        return;
    }
    if let Err(error) = process.signal(asked) {
        eprintln!("testbed: {error:#}");
    }
}

fn spawn(command: &[OsString], environment: Variables) -> Result<Process> {
    let (program, arguments) = command.split_first().context("a command is needed")?;
    let path = Path::new(program);
    Process::spawn(Program {
        name: &path.display().to_string(),
        path,
        arguments: arguments.to_vec(),
        environment,
        output: Output::Inherited,
        remove: None,
    })
}

/// As a shell reports it: 128 and the signal for a command that a signal ended.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
