//! What a reconcile would do now, and why: the command `plan` and `/debug/plan`.
//!
//! The view, the desired state, the queries and the plan are those of the controller; no
//! part of it can write, because nobody here has a permit.
//!
//! - [`survey`]: what a preview needs to know of the cluster and the clouds, and the preview
//!   of one Service; [`replica`]: the same from the view of a running replica.
//! - [`differences`], [`losses`], [`verdict`]: what a plan means; pure.
//! - [`report`]: the JSON; [`text`] and [`table`]: the text for people.
//! - [`manifest`]: a Service that is not applied yet.

pub mod differences;
pub mod losses;
pub mod manifest;
mod planned;
pub mod replica;
pub mod report;
#[cfg(test)]
mod scene;
pub mod survey;
mod table;
mod text;
pub mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kubernetes::condition::Condition;
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, ServiceKey};
use crate::plan::service::ServiceView;
use crate::plan::{Desired, Observed, Plan};
use differences::Difference;

/// The preview of one Service.
#[derive(Debug)]
pub enum Preview {
    /// These fields cannot be read, so nothing is decided about the Service.
    Unreadable {
        key: ServiceKey,
        fields: Vec<&'static str>,
    },
    Planned(Box<Planned>),
}

impl Preview {
    pub fn key(&self) -> &ServiceKey {
        match self {
            Self::Unreadable { key, .. } => key,
            Self::Planned(planned) => &planned.view.key,
        }
    }
}

/// A Service with its plan, and all that the plan follows from.
#[derive(Debug)]
pub struct Planned {
    pub view: ServiceView,
    pub origin: Origin,
    /// Our condition, as it is in the Service.
    pub condition: Option<Condition>,
    pub desired: Desired,
    pub observed: Observed,
    pub nodes: NodeCounts,
    pub plan: Plan,
    /// Why these clouds could not be queried.
    pub errors: BTreeMap<CloudName, String>,
    /// The load balancers that the record names and that belong to another owner.
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
    /// The prefix of our annotations.
    pub prefix: String,
}

/// Where a Service was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Cluster,
    /// A manifest; the values that only the cluster has are from there.
    Manifest {
        /// Whether the cluster has the Service. Otherwise it has no UID, and its load
        /// balancer no name yet.
        exists: bool,
        /// Whether the API server will allocate the node ports that are missing.
        allocates_node_ports: bool,
    },
}

/// The numbers of Nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    pub eligible: i64,
    pub excluded: i64,
}

/// The replica that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    pub leads: bool,
    /// The time until this leader tries the Service again, after a failure or a wait.
    pub next_attempt: Option<Duration>,
}

/// The previews of all Services that were asked for.
#[derive(Debug)]
pub struct Report {
    pub cluster: ClusterId,
    /// `None` for the command, which is no replica.
    pub replica: Option<ReplicaState>,
    pub previews: Vec<Preview>,
}

/// The differences of one load balancer, or of the Service itself.
#[derive(Debug)]
pub struct Differences {
    /// `None` for the record and the addresses in the Service.
    pub load_balancer: Option<(CloudName, LoadBalancerId)>,
    pub fields: Vec<Difference>,
}
