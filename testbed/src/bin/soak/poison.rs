//! Objects with values that cannot be read. Some that kube-apiserver admits are there from the
//! beginning to the end: a client of typed objects could not list them. Others that no
//! kube-apiserver shows are shown for the time of a round.

mod admitted;
mod back_end;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use tempfile::TempDir;
use testbed::cloud::LoadBalancer;
use testbed::environment::SOON;
use testbed::interposer::{Front, Interposer};
use testbed::nodes::label_node;
use testbed::{Environment, eventually};

use crate::disruptions::Disruptions;
use back_end::Served;
pub use back_end::has_node;

/// A Service on both clouds that is shown as unreadable.
const SERVICE: &str = "poison";
/// A Node that is shown as unreadable.
pub const NODE: &str = "two";
/// Its address, by which load balancers have it as a back end.
pub const NODE_ADDRESS: [u8; 4] = [127, 10, 0, 2];
const TOUCHED: &str = "example.com/touched";

/// What stays while objects cannot be read.
pub struct Stays {
    /// The load balancers of the unreadable Service, as they are.
    of_service: Vec<LoadBalancer>,
    /// Those of any Service that have the unreadable Node as a back end.
    served: Served,
}

/// Between the replicas and kube-apiserver.
pub struct Poison {
    interposer: Arc<Interposer>,
    _front: Front,
    _directory: TempDir,
    /// How the replicas reach kube-apiserver.
    pub kubeconfig: PathBuf,
}

impl Poison {
    /// Puts the objects that kube-apiserver admits into the cluster, in a namespace of their own.
    /// The Node with this address is a back end as any other.
    ///
    /// # Errors
    /// kube-apiserver refused one.
    pub async fn start(test: &Environment, node: IpAddr) -> Result<Self> {
        admitted::create(test, node).await?;
        let directory = tempfile::tempdir()?;
        let interposer = Interposer::new();
        let direct = test.replica_options("poison").kubeconfig;
        let front = interposer.before_api_server(&direct, test.client(), directory.path());
        let (front, kubeconfig) = front.await?;
        Ok(Self {
            interposer,
            _front: front,
            _directory: directory,
            kubeconfig,
        })
    }

    /// Creates the Service that is to be unreadable at times.
    ///
    /// # Errors
    /// It did not become ready.
    pub async fn provide(&self, test: &Environment) -> Result<()> {
        let service = test.service(SERVICE).provider("cloud1,cloud2");
        service.create().await?;
        test.until_ready(SERVICE).await?;
        Ok(())
    }

    /// From now on a Service and a Node cannot be read; gives what stays.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn show(&self, test: &Environment) -> Result<Stays> {
        let stays = Stays {
            of_service: of_service(test).await?,
            served: Served::now(test)?,
        };
        self.interposer.view().rewrite(|service| {
            if service["metadata"]["name"] == SERVICE {
                service["spec"]["type"] = json!(7);
            }
        });
        self.interposer.view().rewrite_nodes(|node| {
            if node["metadata"]["name"] == NODE {
                node["spec"]["taints"] = json!(7);
            }
        });
        label_node(&test.client(), NODE, TOUCHED, Some("shown")).await?;
        Ok(stays)
    }

    /// Waits until every replica says so.
    ///
    /// # Errors
    /// One does not, or ended.
    pub async fn until_seen(&self, disruptions: &mut Disruptions) -> Result<()> {
        let what = "each replica to report the unreadable objects";
        eventually(what, SOON, async || {
            disruptions.replace_ended().await?;
            for (pod, replica) in disruptions.replicas().iter() {
                for kind in ["service", "node"] {
                    let series = format!("mycloud_lb_unreadable_objects{{kind=\"{kind}\"}}");
                    let count = replica.value(&series).await?;
                    ensure!(count == 1.0, "{pod} has {count} unreadable of {kind}");
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Fails if a load balancer of the unreadable Service is not as it was, or if one lost the
    /// unreadable Node; gives the number of those that have kept it.
    ///
    /// # Errors
    /// The message has it.
    pub fn ensure_untouched(&self, test: &Environment, stays: &Stays) -> Result<usize> {
        let there = test.clouds().map(|cloud| cloud.inventory()).concat();
        for was in &stays.of_service {
            ensure!(
                there.contains(was),
                "the load balancer of a Service that cannot be read has changed: {was:?}"
            );
        }
        stays.served.ensure_kept(test)
    }

    /// All is shown as it is again.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn hide(&self, test: &Environment) -> Result<()> {
        self.interposer.view().show_truth();
        label_node(&test.client(), NODE, TOUCHED, None).await
    }

    /// Deletes the Service that was unreadable at times.
    ///
    /// # Errors
    /// kube-apiserver did not answer.
    pub async fn leave(&self, test: &Environment) -> Result<()> {
        test.delete(SERVICE).await
    }
}

async fn of_service(test: &Environment) -> Result<Vec<LoadBalancer>> {
    let uid = test.get(SERVICE).await?.uid().context("a UID")?;
    let mut there = test.clouds().map(|cloud| cloud.inventory()).concat();
    there.retain(|found| found.owner.as_ref().is_some_and(|owner| owner.uid == uid));
    ensure!(there.len() == 2, "it has {there:?}");
    Ok(there)
}
