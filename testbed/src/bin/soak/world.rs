//! Everything that runs, and what is known of it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use testbed::Environment;
use testbed::cloud::{CloudSimulatorOptions, LoadBalancer, Owner, Plant};
use testbed::nodes::NewNode;
use testbed::oracle::{Ledger, Nodes, Wishes};

use crate::replicas::Replicas;
use crate::round;
use crate::users::User;

/// Short, so that what a storm left is found before the next.
const INTERVALS: &str = "sweepInterval: 1s\ndriftInterval: 3s\norphanGracePeriod: 3s";

const USERS: usize = 4;

/// Everything that runs, and what is known of it.
pub struct World {
    pub replicas: Replicas,
    pub test: Environment,
    pub users: Vec<User>,
    pub dice: Rng,
    pub nodes: Nodes,
    /// What is nobody's, or another cluster's.
    pub others: Vec<LoadBalancer>,
    pub wishes: Wishes,
    /// One for each cloud.
    pub ledgers: [Ledger; 2],
    logs: PathBuf,
}

impl World {
    /// Starts all.
    ///
    /// # Errors
    /// A part did not start.
    pub async fn start(seed: u64) -> Result<Self> {
        let mut dice = Rng::with_seed(seed);
        let slow = |cloud: &mut CloudSimulatorOptions| {
            cloud.latency = Duration::from_millis(50);
            cloud.provisioning = Duration::from_millis(200);
            cloud.deletion = Duration::from_millis(200);
        };
        let mut test = Environment::own_with("soak", slow).await?;
        test.extra_config = INTERVALS.into();
        test.request_timeout = "2s".into();
        let mut nodes = Nodes::new();
        for (name, address) in [("one", [127, 10, 0, 1]), ("two", [127, 10, 0, 2])] {
            let address = IpAddr::from(address);
            NewNode::new(name, address).create(&test.client()).await?;
            nodes.insert(address);
        }
        let logs = std::env::temp_dir().join(format!("soak-{seed}"));
        std::fs::create_dir_all(&logs)?;
        Ok(Self {
            others: others(&test).await?,
            replicas: Replicas::start(&test, &logs).await?,
            users: (0..USERS)
                .map(|number| User::new(number, dice.fork()))
                .collect(),
            wishes: Wishes::default(),
            ledgers: Default::default(),
            test,
            dice,
            nodes,
            logs,
        })
    }

    /// All users leave, and nothing of theirs is left.
    ///
    /// # Errors
    /// Something is.
    pub async fn leave(&mut self) -> Result<()> {
        for user in &self.users {
            user.leave(&self.test, &self.wishes).await?;
        }
        round::settle(self).await?;
        for cloud in [&self.test.cloud1, &self.test.cloud2] {
            let left = cloud.inventory();
            let is_others = |found: &LoadBalancer| self.others.contains(found);
            anyhow::ensure!(left.iter().all(is_others), "{left:?}");
        }
        std::fs::remove_dir_all(&self.logs)?;
        Ok(())
    }

    /// Where to look after a failure.
    pub fn whereabouts(&self) -> String {
        let kept = self.replicas.keep_logs();
        let logs = self.logs.display();
        kept.map_or_else(
            |error| format!("the logs are lost: {error:#}"),
            |()| format!("the logs are in {logs}"),
        )
    }

    /// What it all came to.
    pub fn summary(&self) -> String {
        let mut done = std::collections::BTreeMap::<&str, usize>::new();
        for (what, times) in self.users.iter().flat_map(|user| &user.done) {
            *done.entry(what).or_default() += times;
        }
        let done: Vec<String> = done
            .into_iter()
            .map(|(what, times)| format!("{what} {times}"))
            .collect();
        let fenced: usize = self.ledgers.iter().map(|ledger| ledger.fenced).sum();
        format!(
            "users: {}; processes: {} started, {} gave up; calls of a term that was over: {fenced}, refused",
            done.join(", "),
            self.replicas.started,
            self.replicas.gave_up,
        )
    }
}

/// Load balancers that are not ours, on each cloud: of another cluster, of
/// nobody, and one that was made by hand for a Service that may once be, and is
/// called much as ours would be.
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
            ("nobodys", None),
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
