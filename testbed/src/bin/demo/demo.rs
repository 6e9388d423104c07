//! What runs during the demo, and what the scenes note for the summary.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use testbed::cloud::LoadBalancer;
use testbed::node_ports::NodePorts;
use testbed::nodes::NewNode;
use testbed::oracle::DesiredHistory;
use testbed::{Environment, Replicas};

use crate::addresses::Addresses;
use crate::monitoring::Monitoring;
use crate::stage::Stage;

/// Dropping it ends everything, in the order of the fields.
pub struct Demo {
    pub replicas: Replicas,
    pub node_ports: NodePorts,
    /// The control plane and both clouds.
    pub environment: Environment,
    pub monitoring: Option<Monitoring>,
    pub addresses: Addresses,
    /// Name and address of each Node.
    pub nodes: Vec<(String, IpAddr)>,
    /// Services as the user applied them.
    pub applied: Vec<Service>,
    /// What the user asked for over time.
    pub history: DesiredHistory,
    /// Load balancers of others at both clouds.
    pub foreign: Vec<LoadBalancer>,
    pub measurements: Vec<Measurement>,
}

/// How long a step took.
pub struct Measurement {
    pub what: String,
    pub took: Duration,
    /// How long it may take on a machine that does nothing else.
    pub aim: Duration,
}

impl Demo {
    /// Creates the next Node.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn add_node(&mut self, stage: &Stage) -> Result<(String, IpAddr)> {
        let number = u16::try_from(self.nodes.len() + 1)?;
        let name = format!("node-{number}");
        let address = IpAddr::V4(self.addresses.nodes.address(number));
        let node = NewNode::new(&name, address);
        node.create(&self.environment.client()).await?;
        self.nodes.push((name.clone(), address));
        stage.fact("Node", format_args!("{name}, {address}"));
        Ok((name, address))
    }

    /// Addresses of the Nodes.
    pub fn node_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.nodes.iter().map(|(_, address)| *address)
    }

    /// Notes how long a step took.
    pub fn measured(&mut self, what: impl Into<String>, took: Duration, aim: Duration) {
        let what = what.into();
        self.measurements.push(Measurement { what, took, aim });
    }

    /// Prints which components have ended by themselves.
    pub fn report_ended(&mut self, stage: &Stage) {
        if let Err(ended) = self.environment.control_plane.check_running() {
            stage.complaint(&format!("{ended:#}"));
        }
        for (index, status) in self.replicas.ended().unwrap_or_default() {
            let name = self.replicas.name(index);
            let log = std::fs::read_to_string(self.replicas[index].log_path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(5)..].join("\n");
            stage.complaint(&format!("{name} ended ({status}):\n{tail}"));
        }
    }

    /// Ends everything and waits until it is gone.
    pub async fn stop(self) {
        drop(self.replicas);
        drop(self.node_ports);
        self.environment.stop().await;
    }
}
