//! The processes of the story: three replicas, two clouds, Nodes with kubelets, a collector of
//! traces, and Prometheus.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use testbed::environment::SOON;
use testbed::monitoring::prometheus::Prometheus;
use testbed::nodes::NewNode;
use testbed::replica::LeaseTiming;
use testbed::{Environment, Replica, ReplicaOptions, eventually};

use super::bystanders::Kubelets;
use super::collector::Collector;
use super::faster::{TIMES, faster};
use crate::rule_file;

pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// The number of replicas in all chapters but one.
const REPLICAS: usize = 3;
const NAMES: [&str; 9] = [
    "ccm-0", "ccm-1", "ccm-2", "ccm-3", "ccm-4", "ccm-5", "ccm-6", "ccm-7", "ccm-8",
];
const STATUS: &str = "leader_election_master_status";

/// Short, but long enough that no leader loses the Lease on a busy machine.
const TIMING: LeaseTiming = LeaseTiming {
    lease_duration: Duration::from_secs(10),
    renew_deadline: Duration::from_secs(8),
    retry_period: Duration::from_millis(500),
};

pub struct World {
    pub replicas: Vec<Replica>,
    pub test: Environment,
    pub prometheus: Prometheus,
    pub collector: Collector,
    pub kubelets: Kubelets,
}

impl World {
    pub async fn start() -> Result<Self> {
        let mut test = Environment::own("monitoring").await?;
        // The defaults, faster by the same factor as the rules.
        test.extra_config = "sweepInterval: 5s\norphanGracePeriod: 10s\ndriftInterval: 10s".into();
        test.request_timeout = "30s".into();
        test.cloud1
            .set_capabilities(Some(super::capabilities::usual()));
        for (index, name) in (1..).zip(NODES) {
            NewNode::new(name, [127, 10, 0, index].into())
                .create(&test.client())
                .await?;
        }
        let collector = Collector::start().await?;
        let start = NAMES[..REPLICAS].iter();
        let start = start.map(|name| Replica::start(options(&test, &collector, name)));
        let replicas = try_join_all(start).await?;
        let kubelets = Kubelets::start(&test);
        // Last, so that it scrapes every replica from its start on.
        let rules = faster(rule_file::read("rules.yaml")?)?;
        let scrape = Duration::from_secs_f64(30.0 / TIMES);
        let prometheus = Prometheus::start(scrape, &rules.to_string()).await?;
        let world = Self {
            replicas,
            test,
            prometheus,
            collector,
            kubelets,
        };
        world.leader().await?;
        world.scrape(&[])?;
        let scraped = "count(mycloud_lb_build_info) == 3";
        world.seen("a scrape of each replica", scraped).await?;
        Ok(world)
    }

    pub fn options(&self, name: &str) -> ReplicaOptions {
        options(&self.test, &self.collector, name)
    }

    /// Lets Prometheus scrape the replicas and these from now on.
    pub fn scrape(&self, more: &[(&str, &Replica)]) -> Result<()> {
        let own = NAMES.into_iter().zip(&self.replicas);
        let all = own.chain(more.iter().copied());
        self.prometheus
            .targets()
            .set(all.map(|(name, replica)| (name, replica.admin_url())))
    }

    /// Waits until a replica reports that it is the leader; returns its index.
    pub async fn leader(&self) -> Result<usize> {
        eventually("a replica to lead", SOON, async || {
            for (index, replica) in self.replicas.iter().enumerate() {
                if replica.leads().await.unwrap_or_default() {
                    return Ok(Some(index));
                }
            }
            Ok(None)
        })
        .await
    }

    /// The same, after Prometheus shows it as the only leader. While the last sample of the
    /// leader before it counts too, another change would look like two leaders for longer.
    pub async fn seen_leading(&self) -> Result<usize> {
        let leader = self.leader().await?;
        let leads = format!(
            "{STATUS}{{instance=\"{}\"}} == 1 and on () sum({STATUS}) == 1",
            NAMES[leader]
        );
        self.seen("a scrape of the leader alone", &leads).await?;
        Ok(leader)
    }

    /// Starts six more standbys and waits until Prometheus has scraped them.
    pub async fn more_stand_by(&mut self) -> Result<()> {
        let start = NAMES[REPLICAS..].iter();
        let start = start.map(|name| Replica::start(self.options(name)));
        let more = try_join_all(start).await?;
        self.replicas.extend(more);
        self.scrape(&[])?;
        let standbys = NAMES.len() - 1;
        let all = format!("count({STATUS} == 0) == {standbys}");
        self.seen("a scrape of each standby", &all).await
    }

    /// Back to the first three replicas, of which those that exited are started again.
    pub async fn three_again(&mut self) -> Result<()> {
        self.replicas.truncate(REPLICAS);
        for index in 0..REPLICAS {
            if self.replicas[index].exit_status()?.is_some() {
                self.again(index).await?;
            }
        }
        self.scrape(&[])?;
        self.leader().await?;
        Ok(())
    }

    /// Waits until Prometheus has an answer to this expression.
    pub async fn seen(&self, what: &str, expression: &str) -> Result<()> {
        eventually(what, SOON, async || {
            Ok((!self.prometheus.query(expression).await?.is_empty()).then_some(()))
        })
        .await
    }

    /// Starts a replica again that has exited, under its old name.
    pub async fn again(&mut self, index: usize) -> Result<()> {
        self.replicas[index] = Replica::start(self.options(NAMES[index])).await?;
        self.scrape(&[])
    }

    /// Creates Services with these names on a cloud, concurrently.
    pub async fn services(&self, cloud: &str, names: impl Iterator<Item = String>) -> Result<()> {
        let create = names
            .map(|name| async move { self.test.service(&name).provider(cloud).create().await });
        try_join_all(create).await?;
        Ok(())
    }
}

fn options(test: &Environment, collector: &Collector, name: &str) -> ReplicaOptions {
    let mut options = test.replica_options(name);
    options.lease = TIMING;
    options.env = vec![
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT".into(),
            collector.endpoint.clone(),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY".into(), "500".into()),
    ];
    options
}
