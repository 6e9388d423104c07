//! What runs during the soak, and what the oracle needs to check it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use testbed::Environment;
use testbed::cloud::{CloudSimulatorOptions, LoadBalancer, Owner, Plant};
use testbed::nodes::NewNode;
use testbed::oracle::{DesiredHistory, Ledger, Nodes};

use crate::disruptions::Disruptions;
use crate::poison::{self, Poison};
use crate::users::User;

/// Short, so that what one round left is found before the next.
const INTERVALS: &str = "sweepInterval: 1s\ndriftInterval: 3s\norphanGracePeriod: 3s";

const USERS: usize = 4;

/// What runs during the soak, and what the oracle needs to check it.
pub struct Soak {
    pub disruptions: Disruptions,
    pub poison: Poison,
    pub test: Environment,
    pub users: Vec<User>,
    pub rng: Rng,
    pub nodes: Nodes,
    /// Load balancers of other clusters, or without an owner.
    pub others: Vec<LoadBalancer>,
    pub history: DesiredHistory,
    /// One for each cloud.
    pub ledgers: [Ledger; 2],
    pub logs: PathBuf,
}

impl Soak {
    /// Starts everything.
    ///
    /// # Errors
    /// A component did not start.
    pub async fn start(seed: u64) -> Result<Self> {
        let mut rng = Rng::with_seed(seed);
        let slow = |cloud: &mut CloudSimulatorOptions| {
            cloud.latency = Duration::from_millis(50);
            cloud.provisioning = Duration::from_millis(200);
            cloud.deletion = Duration::from_millis(200);
        };
        let mut test = Environment::own_with("soak", slow).await?;
        test.extra_config = INTERVALS.into();
        test.request_timeout = "2s".into();
        let mut nodes = Nodes::new();
        for (name, address) in [
            ("one", [127, 10, 0, 1]),
            (poison::NODE, poison::NODE_ADDRESS),
        ] {
            let address = IpAddr::from(address);
            NewNode::new(name, address).create(&test.client()).await?;
            nodes.insert(address);
        }
        let logs = std::env::temp_dir().join(format!("soak-{seed}"));
        std::fs::create_dir_all(&logs)?;
        let late = IpAddr::from([127, 10, 0, 3]);
        let poison = Poison::start(&test, late).await?;
        nodes.insert(late);
        let others = others(&test).await?;
        let disruptions = Disruptions::start(&test, &poison.kubeconfig, &logs).await?;
        poison.provide(&test).await?;
        Ok(Self {
            others,
            disruptions,
            poison,
            users: (0..USERS)
                .map(|number| User::new(number, rng.fork()))
                .collect(),
            history: DesiredHistory::default(),
            ledgers: Default::default(),
            test,
            rng,
            nodes,
            logs,
        })
    }

    /// Where the logs are, for the message of a failure.
    pub fn log_location(&self) -> String {
        let kept = self.disruptions.keep_logs();
        let logs = self.logs.display();
        kept.map_or_else(
            |error| format!("the logs are lost: {error:#}"),
            |()| format!("the logs are in {logs}"),
        )
    }

    /// The totals of the soak.
    pub fn summary(&self) -> String {
        let mut done = std::collections::BTreeMap::<&str, usize>::new();
        for (action, times) in self.users.iter().flat_map(|user| &user.done) {
            *done.entry(action).or_default() += times;
        }
        let done: Vec<String> = done
            .into_iter()
            .map(|(action, times)| format!("{action} {times}"))
            .collect();
        let fenced: usize = self.ledgers.iter().map(|ledger| ledger.fenced).sum();
        format!(
            "users: {}; processes: {} started, {} gave up; calls of an earlier term: {fenced}, refused",
            done.join(", "),
            self.disruptions.started,
            self.disruptions.gave_up,
        )
    }
}

/// Load balancers that are not ours, on each cloud: one of another cluster, one
/// without an owner, and one that was made by hand and is named much as that of
/// a Service may be.
async fn others(test: &Environment) -> Result<Vec<LoadBalancer>> {
    let foreign = Owner {
        cluster: "another".into(),
        namespace: test.namespace.clone(),
        name: "web-0-0".into(),
        uid: "of-another".into(),
    };
    let by_hand = format!("{}-web-0-0-0123456789abcdef", test.namespace);
    let mut others = Vec::new();
    for cloud in [&test.cloud1, &test.cloud2] {
        for (name, owner) in [
            ("another-clusters", Some(foreign.clone())),
            ("without-owner", None),
            (by_hand.as_str(), None),
        ] {
            let plant = Plant {
                name: name.into(),
                owner,
                ..Plant::default()
            };
            others.push(cloud.plant(plant).await?);
        }
    }
    Ok(others)
}
