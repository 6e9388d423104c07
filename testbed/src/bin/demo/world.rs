//! Everything that runs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use kube::Client;
use testbed::ControlPlane;
use testbed::cloud::CloudSimulator;
use testbed::nodes::NewNode;

use crate::addresses::Addresses;
use crate::facts::Facts;
use crate::node_ports::NodePorts;
use crate::observatory::Observatory;
use crate::replicas::Replicas;
use crate::stage::Stage;

/// Dropping it ends everything, in the order of the fields.
pub struct World {
    /// The replicas.
    pub replicas: Replicas,
    /// What answers on the Nodes.
    pub node_ports: NodePorts,
    /// cloud1 and cloud2.
    pub clouds: [CloudSimulator; 2],
    /// etcd and kube-apiserver.
    pub control_plane: ControlPlane,
    /// Name and address of each Node.
    pub nodes: Vec<(String, IpAddr)>,
    /// Where everything listens.
    pub addresses: Addresses,
    /// What was seen so far.
    pub facts: Facts,
    /// Who looks on.
    pub observatory: Option<Observatory>,
}

impl World {
    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.control_plane.client()
    }

    /// Path of a file of the project.
    pub fn file(name: &str) -> PathBuf {
        let testbed = Path::new(env!("CARGO_MANIFEST_DIR"));
        testbed.parent().unwrap_or(testbed).join(name)
    }

    /// Creates the next Node.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn add_node(&mut self) -> Result<(String, IpAddr)> {
        let number = u16::try_from(self.nodes.len() + 1)?;
        let name = format!("node-{number}");
        let address = IpAddr::V4(self.addresses.nodes.address(number));
        NewNode::new(&name, address).create(&self.client()).await?;
        self.nodes.push((name.clone(), address));
        Ok((name, address))
    }

    /// Addresses of the Nodes.
    pub fn node_addresses(&self) -> Vec<IpAddr> {
        self.nodes.iter().map(|(_, address)| *address).collect()
    }

    /// Tells of parts that ended although nobody asked them to.
    pub fn tell_what_ended(&mut self, stage: &Stage) {
        if let Err(ended) = self.control_plane.check_running() {
            stage.complaint(&format!("{ended:#}"));
        }
        for ended in self.replicas.ended() {
            stage.complaint(&ended);
        }
    }

    /// Ends everything and waits until it is gone.
    pub async fn stop(self) {
        drop(self.replicas);
        drop(self.node_ports);
        for cloud in self.clouds {
            cloud.stop().await;
        }
        self.control_plane.stop().await;
    }
}
