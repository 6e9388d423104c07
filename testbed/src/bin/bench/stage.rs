//! What a scenario runs on: a control plane and two clouds of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client};
use testbed::cloud::CloudSimulatorOptions;
use testbed::environment::SOON;
use testbed::nodes::NewNode;
use testbed::{Environment, Replica, ReplicaOptions};

use crate::busy::Busy;
use crate::population::Clouds;
use crate::quiet::{Quiet, until_quiet};
use crate::requests::each;
use crate::settings::Settings;
use crate::sightings::Sightings;

/// The Services that a scenario is about.
pub const WEB: &str = "web";

/// The metric of the writes to Services.
pub const SERVICE_WRITES: &str = "mycloud_lb_kubernetes_writes_total";

const LEASE_NAMESPACE: &str = "kube-system";
const LEASE: &str = "my-cloud-controller-manager";

/// The Nodes that are there from the start.
const NODES: usize = 3;

/// What a call of a cloud may take in the deployment that we ship.
const REQUEST_TIMEOUT: &str = "30s";

/// What a scenario runs on.
pub struct Stage {
    pub test: Environment,
    pub settings: Settings,
    pub sightings: Sightings,
}

impl Stage {
    /// Starts everything but replicas.
    ///
    /// # Errors
    /// A component did not start.
    pub async fn start(settings: &Settings) -> Result<Self> {
        Self::start_with_nodes(settings, NODES).await
    }

    /// The same, with so many Nodes.
    ///
    /// # Errors
    /// A component did not start.
    pub async fn start_with_nodes(settings: &Settings, nodes: usize) -> Result<Self> {
        let latency = settings.latency;
        let adjust = |cloud: &mut CloudSimulatorOptions| {
            cloud.mutation_latency = latency;
            cloud.addresses = Some(addresses(&cloud.name));
        };
        let mut test = Environment::for_benchmarks("bench", adjust).await?;
        test.request_timeout = REQUEST_TIMEOUT.into();
        test.concurrency = Some(settings.places);
        let sightings = Sightings::begin(&test.client(), &test.namespace).await?;
        let stage = Self {
            test,
            settings: settings.clone(),
            sightings,
        };
        each("creating Nodes", nodes, async |number| {
            stage.add_node(number).await?;
            Ok(())
        })
        .await?;
        Ok(stage)
    }

    /// Creates the n-th Node; gives its address.
    ///
    /// # Errors
    /// kube-apiserver refused it.
    pub async fn add_node(&self, number: usize) -> Result<IpAddr> {
        let [.., high, low] = u32::try_from(number + 1)?.to_be_bytes();
        let address = IpAddr::from([127, 10, high, low]);
        let node = NewNode::new(&format!("node-{number:04}"), address);
        node.create(&self.client()).await?;
        Ok(address)
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.test.client()
    }

    /// A replica with the settings of the deployment that we ship.
    pub fn replica(&self, name: &str) -> ReplicaOptions {
        let mut options = self.test.replica_options(name);
        options.binary = Some(self.settings.binary.clone());
        options
    }

    /// Creates Services and a replica that gives them their load balancers, and waits
    /// until it is idle.
    ///
    /// # Errors
    /// It did not, or not in time.
    pub async fn provision(&self, clouds: Clouds) -> Result<(Replica, Quiet)> {
        let services = self.settings.services;
        self.populate(WEB, services, clouds).await?;
        let replica = Replica::launch(self.replica("first"))?;
        self.until_addressed(WEB, services).await?;
        let quiet = until_quiet(replica.id()).await?;
        Ok((replica, quiet))
    }

    /// Waits until so many Services of a group have an address.
    ///
    /// # Errors
    /// They had none in time.
    pub async fn until_addressed(&self, group: &str, count: usize) -> Result<()> {
        let what = format!("{count} Services to have an address");
        self.sightings
            .until(group, &what, count, |seen| seen.addressed)
            .await
    }

    /// When the present leader took the Lease, by its own clock, which is ours.
    ///
    /// # Errors
    /// There is no leader.
    pub async fn leadership(&self) -> Result<Instant> {
        let leases: Api<Lease> = Api::namespaced(self.client(), LEASE_NAMESPACE);
        let lease = leases.get(LEASE).await?;
        let acquired = lease.spec.and_then(|spec| spec.acquire_time);
        let acquired = acquired.context("nobody holds the Lease")?.0;
        let ago = Timestamp::now().duration_since(acquired).unsigned_abs();
        Instant::now().checked_sub(ago).context("before the boot")
    }

    /// The resident memory of a leader without Services.
    ///
    /// # Errors
    /// It did not start.
    pub async fn empty_replica(&self) -> Result<u64> {
        let replica = Replica::start(self.replica("empty")).await?;
        replica
            .until(
                "leader_election_master_status{name=\"my-cloud-controller-manager\"}",
                |status| status == 1.0,
            )
            .await?;
        let quiet = until_quiet(replica.id()).await?;
        end(replica).await?;
        Ok(quiet.footprint.resident)
    }

    /// Measures from now on how busy the machine is by others than the control plane,
    /// this process and these replicas.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn busy(&self, replicas: &[&Replica]) -> Result<Busy> {
        let mut processes = self.test.control_plane.process_ids();
        processes.extend(replicas.iter().map(|replica| replica.id()));
        Busy::begin(processes)
    }

    /// Ends everything.
    pub async fn finish(self) {
        let Self {
            test, sightings, ..
        } = self;
        drop(sightings);
        test.stop().await;
    }
}

/// Ends a replica as a kubelet would.
///
/// # Errors
/// It did not end in time.
pub async fn end(mut replica: Replica) -> Result<()> {
    replica.terminate()?;
    replica.wait_exit(SOON).await?;
    Ok(())
}

/// The sum of all series of a metric.
pub fn total(metrics: &BTreeMap<String, f64>, metric: &str) -> f64 {
    let of_it = metrics
        .iter()
        .filter(|(series, _)| series.split('{').next() == Some(metric));
    of_it.map(|(_, value)| value).sum()
}

/// The time between two moments; zero if they are the other way round.
pub fn between(from: Instant, to: Instant) -> Duration {
    to.saturating_duration_since(from)
}

/// Networks for benchmarks (RFC 2544): nothing forwards traffic, so that the addresses
/// need not be this machine's, and there are enough.
fn addresses(cloud: &str) -> Ipv4Net {
    let second = if cloud == "cloud1" { 18 } else { 19 };
    Ipv4Net::new_assert(Ipv4Addr::new(198, second, 0, 0), 16)
}
