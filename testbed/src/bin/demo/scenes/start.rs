//! The control plane and the clouds start.

use std::time::{Duration, Instant};

use anyhow::Result;
use ipnet::Ipv4Net;
use testbed::cloud::{Capabilities, CloudSimulatorOptions, LoadBalancer, Plant};
use testbed::node_ports::NodePorts;
use testbed::oracle::DesiredHistory;
use testbed::{Environment, Replicas};

use crate::addresses::Addresses;
use crate::demo::Demo;
use crate::monitoring::Monitoring;
use crate::stage::{Stage, seconds};

const NODES: usize = 2;
const HEALTH_CHECKS: Duration = Duration::from_millis(200);
/// A load balancer of another user of the same clouds.
const FOREIGN: &str = "somebody-elses";

/// # Errors
/// A component did not start.
pub async fn play(stage: &mut Stage, observe: bool) -> Result<Demo> {
    stage.open("A control plane and two clouds start");
    let addresses = Addresses::take()?;
    let environment = start(stage, &addresses).await?;
    let foreign = plant_foreign(stage, &environment).await?;
    if addresses.low_port_offset > 0 {
        let port = 80 + addresses.low_port_offset;
        let text = format!("port 80 of load balancers is at {port} here");
        stage.fact("ports", text + ": port 80 is taken, or needs rights");
    }
    let monitoring = match observe {
        true => Some(Monitoring::start(stage).await?),
        false => None,
    };
    let mut demo = Demo {
        replicas: Replicas::default(),
        node_ports: NodePorts::start(&environment.client()),
        environment,
        monitoring,
        addresses,
        nodes: Vec::new(),
        applied: Vec::new(),
        history: DesiredHistory::default(),
        foreign,
        measurements: Vec::new(),
    };
    for _ in 0..NODES {
        demo.add_node(stage).await?;
    }
    Ok(demo)
}

async fn start(stage: &Stage, addresses: &Addresses) -> Result<Environment> {
    let started = Instant::now();
    let network = |cloud: &str| -> Ipv4Net {
        let [cloud1, cloud2] = &addresses.clouds;
        if cloud == "cloud1" { cloud1 } else { cloud2 }.network()
    };
    let settings = |cloud: &mut CloudSimulatorOptions| {
        cloud.data_plane = true;
        cloud.addresses = Some(network(&cloud.name));
        cloud.low_port_offset = addresses.low_port_offset;
        cloud.health_check_period = HEALTH_CHECKS;
    };
    let environment = {
        let _progress = stage.progress("etcd and kube-apiserver");
        Environment::own_in_default("demo", settings).await?
    };
    let took = seconds(started.elapsed());
    let version = environment.client().apiserver_version().await?.git_version;
    let text = format!("kube-apiserver {version} and etcd, ready after {took}");
    stage.fact("control plane", text);
    let text = "deploy/rbac.yaml is applied; the replicas have these rights only";
    stage.fact("rights", text);
    Ok(environment)
}

async fn plant_foreign(stage: &Stage, environment: &Environment) -> Result<Vec<LoadBalancer>> {
    let mut planted = Vec::new();
    for cloud in environment.clouds() {
        cloud.set_capabilities(Some(Capabilities::all()));
        let foreign = Plant {
            name: FOREIGN.into(),
            ..Plant::default()
        };
        planted.push(cloud.plant(foreign).await?);
        let (endpoint, range) = (cloud.endpoint(), cloud.addresses());
        stage.fact(
            cloud.name(),
            format_args!("{endpoint}, load balancers in {range}"),
        );
    }
    let text = format!("a load balancer {FOREIGN}, not of this cluster");
    stage.fact("already at each cloud", text);
    Ok(planted)
}
