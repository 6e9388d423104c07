//! The control plane and the clouds start.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use testbed::ControlPlane;
use testbed::cloud::{CloudSimulator, CloudSimulatorOptions, LoadBalancer, Plant};

use crate::addresses::Addresses;
use crate::facts::Facts;
use crate::lease;
use crate::node_ports::NodePorts;
use crate::observatory::Observatory;
use crate::replicas::Replicas;
use crate::stage::{Stage, seconds};
use crate::world::World;

const NODES: usize = 2;
const HEALTH_CHECKS: Duration = Duration::from_millis(500);
/// What somebody else has at the same clouds.
const FOREIGN: &str = "somebody-elses";

/// # Errors
/// A part did not start.
pub async fn play(stage: &mut Stage, observe: bool) -> Result<World> {
    stage.open("A control plane and two clouds start");
    let control_plane = start_control_plane(stage).await?;
    let kubeconfig = prepare(stage, &control_plane).await?;
    let addresses = Addresses::take()?;
    let clouds = [
        start_cloud(
            "cloud1",
            addresses.clouds[0].network(),
            addresses.low_port_offset,
        )
        .await?,
        start_cloud(
            "cloud2",
            addresses.clouds[1].network(),
            addresses.low_port_offset,
        )
        .await?,
    ];
    let mut facts = Facts::default();
    for cloud in &clouds {
        facts.foreign.push(plant(cloud).await?);
        let text = format!(
            "{}, load balancers in {}",
            cloud.endpoint(),
            cloud.addresses()
        );
        stage.fact(cloud.name(), text);
    }
    if addresses.low_port_offset > 0 {
        let shift = format!(
            "port 80 of load balancers is at {} here",
            80 + addresses.low_port_offset
        );
        stage.fact("ports", shift + ": port 80 is taken, or needs rights");
    }
    stage.fact(
        "already at each cloud",
        format_args!("a load balancer {FOREIGN}, not of this cluster"),
    );
    let observatory = match observe {
        true => Some(Observatory::start(stage).await?),
        false => None,
    };
    let targets = observatory.as_ref().map(Observatory::targets);
    let mut world = World {
        replicas: Replicas::new(&kubeconfig, &configuration(&clouds), targets.cloned()),
        node_ports: NodePorts::start(&control_plane.client()),
        clouds,
        control_plane,
        nodes: Vec::new(),
        addresses,
        facts,
        observatory,
    };
    for _ in 0..NODES {
        let (name, address) = world.add_node().await?;
        stage.fact("Node", format_args!("{name}, {address}"));
    }
    Ok(world)
}

async fn start_control_plane(stage: &Stage) -> Result<ControlPlane> {
    let started = Instant::now();
    let control_plane = {
        let _progress = stage.progress("etcd and kube-apiserver");
        ControlPlane::start("demo").await?
    };
    let version = control_plane
        .client()
        .apiserver_version()
        .await?
        .git_version;
    let text = format!(
        "kube-apiserver {version} and etcd, ready after {}",
        seconds(started.elapsed())
    );
    stage.fact("control plane", text);
    Ok(control_plane)
}

/// Applies the rules, and gets a kubeconfig of the account that they are for.
async fn prepare(stage: &Stage, control_plane: &ControlPlane) -> Result<std::path::PathBuf> {
    let applied = control_plane
        .apply_file(&World::file("deploy/rbac.yaml"))
        .await?;
    let text = format!(
        "deploy/rbac.yaml applied: {} objects; the replicas have these rights only",
        applied.len()
    );
    stage.fact("rights", text);
    let account = control_plane.service_account_kubeconfig(lease::NAMESPACE, lease::NAME);
    account.await.context("deploy/rbac.yaml")
}

async fn start_cloud(
    name: &str,
    addresses: Ipv4Net,
    low_port_offset: u16,
) -> Result<CloudSimulator> {
    let options = CloudSimulatorOptions {
        addresses: Some(addresses),
        low_port_offset,
        health_check_period: HEALTH_CHECKS,
        ..CloudSimulatorOptions::named(name)
    };
    CloudSimulator::start(options).await
}

async fn plant(cloud: &CloudSimulator) -> Result<LoadBalancer> {
    let foreign = Plant {
        name: FOREIGN.into(),
        ..Plant::default()
    };
    cloud.plant(foreign).await
}

fn configuration(clouds: &[CloudSimulator]) -> String {
    let entries = clouds.iter().map(|cloud| {
        let (name, endpoint) = (cloud.name(), cloud.endpoint());
        format!("  - {{name: {name}, endpoint: \"{endpoint}\"}}\n")
    });
    format!("clouds:\n{}", entries.collect::<String>())
}
