//! A simulated cloud as a program of its own.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use ipnet::Ipv4Net;
use testbed::cloud::{Capabilities, CloudSimulator, CloudSimulatorOptions, Profile};
use testbed::parse_duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const ADMIN_API: &str = r#"Admin API, on the same port:
  GET    /admin/inventory             all load balancers
  GET    /admin/events?after=N        all calls with their phases
  GET    /admin/faults                the faults that are set
  PUT    /admin/faults                replace them by one fault or a list
  POST   /admin/faults                add one fault or a list
  DELETE /admin/faults                clear them
  GET    /admin/capabilities          what the cloud tells that it can do
  PUT    /admin/capabilities          replace it; null for a cloud that does not tell
  POST   /admin/load-balancers        put a load balancer there
  PATCH  /admin/load-balancers/{id}   change one (JSON merge patch)
  DELETE /admin/load-balancers/{id}   remove one

A fault has a kind and may have a verb, a count, a percentage of the calls, and a
text to match (in name, id or owner): {"kind": "throttle", "retryAfterSeconds": 5,
"verb": "create", "count": 3, "percent": 20, "matching": "shop/web"}. The kinds:
  latency {millis}   hang {afterEffect}   throttle {retryAfterSeconds, asDate}
  failBefore, failAfter {code, status, retryAfterSeconds}   loseReply
  executeLate {delayMillis, reply: "lost" | "hang" | {"fail": {code, status}}}
  listIncomplete {omit}   stale   garbageBody   oversizedBody {bytes}
  cutBody   trickle {pauseMillis}   hostile {number}   omitField {field}
  otherWords   answerAnother {id}   refuseBackEnd {address}   redirect {location}"#;

/// Simulates a cloud's load balancer API, with real TCP and UDP forwarding from
/// each load balancer's address to its back ends. SCTP listeners are kept and shown, but
/// nothing is forwarded for them.
#[derive(Debug, Parser)]
#[command(version, after_help = ADMIN_API)]
struct Arguments {
    /// Name of the cloud.
    #[arg(long, default_value = "cloud1")]
    name: String,
    /// Address and port of the API.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Which API it offers.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// File that keeps the load balancers over a restart.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Range that the load balancers get their addresses from.
    #[arg(long, value_name = "CIDR", default_value = "127.21.0.0/16")]
    addresses: Ipv4Net,
    /// IPv6 address of all load balancers, such as ::1; without it, each has its own, which is
    /// served only where the kernel takes it.
    #[arg(long, value_name = "ADDRESS")]
    address6: Option<std::net::Ipv6Addr>,
    /// Time that every call takes (250ms, 2s).
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    latency: Duration,
    /// Time that a new load balancer is without an address.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    provisioning: Duration,
    /// Time that an update takes, in which the load balancer is `provisioning`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    updating: Duration,
    /// Time that a deleted load balancer is still there.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    deletion: Duration,
    /// How many load balancers there can be.
    #[arg(long, value_name = "NUMBER")]
    quota: Option<usize>,
    /// What it can do: `all`, or the JSON of an answer without `err`, such as
    /// {"features": ["list"]}. Without it, there is no call that tells.
    #[arg(long, value_name = "JSON", value_parser = parse_capabilities)]
    capabilities: Option<Capabilities>,
    /// File with the bearer token that callers need.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Do not refuse fencing tokens lower than the highest seen.
    #[arg(long)]
    no_fencing: bool,
    /// Do not forward traffic.
    #[arg(long)]
    no_data_plane: bool,
}

fn parse_capabilities(text: &str) -> Result<Capabilities, String> {
    match text {
        "all" => Ok(Capabilities::all()),
        json => serde_json::from_str(json).map_err(|error| error.to_string()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stdout().is_terminal())
        .with_target(false)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let token = match &arguments.token_file {
        Some(path) => {
            let token = tokio::fs::read_to_string(path).await;
            let token = token.with_context(|| format!("read {}", path.display()))?;
            Some(token.trim().to_owned())
        }
        None => None,
    };
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let simulator = CloudSimulator::start(CloudSimulatorOptions {
        name: arguments.name,
        listen: arguments.listen,
        profile: arguments.profile,
        state: arguments.state,
        addresses: Some(arguments.addresses),
        address6: arguments.address6,
        latency: arguments.latency,
        provisioning: arguments.provisioning,
        updating: arguments.updating,
        deletion: arguments.deletion,
        quota: arguments.quota,
        capabilities: arguments.capabilities,
        token,
        fencing: !arguments.no_fencing,
        data_plane: !arguments.no_data_plane,
        ..CloudSimulatorOptions::named("")
    })
    .await?;
    tracing::info!(
        "{} ({:?}) answers on {}/api/v1/lb/ with {} load balancers; addresses {}; admin API on /admin/",
        simulator.name(),
        arguments.profile,
        simulator.endpoint(),
        simulator.inventory().len(),
        simulator.addresses(),
    );
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("wait for Ctrl-C")?,
    }
    tracing::info!("{} stops", simulator.name());
    simulator.stop().await;
    Ok(())
}
