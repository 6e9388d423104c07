//! The client of a cloud's HTTP API, in the types of the plan.
//!
//! Read in this order: [`Cloud`] (the operations of a cloud), [`CloudError`] (the
//! errors, and whether a failed call may have had an effect), [`RestCloud`] (the API
//! over HTTP) with its [`limiter`], [`wire`] types and [`response`] rules, and
//! [`Inventory`] (the known load balancers of a cloud).

mod address_policy;
mod body;
mod bounds;
mod call;
mod error;
mod footprint;
mod http_client;
mod inventory;
mod limiter;
mod listed;
mod node_address_pool;
mod response;
mod rest;
mod retry_after;
mod settings;
mod span;
mod token;
mod transport;
mod wire;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::election::WritePermit;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{ClusterId, LoadBalancerId, LoadBalancerName, Owner};
use crate::plan::{Capabilities, CreateRequest};
use crate::priority::Priority;

pub use address_policy::{AddressPolicy, ClusterRanges};
pub use call::{Call, CallEvent, CallObserver, Code, Operation, SkippedItem, Verb};
pub use error::{CloudError, ErrorKind, Rejection};
pub use inventory::{Inventory, LoadStamp};
pub use listed::{Listed, Outline};
pub use rest::{Answer, Asked, RestCloud};
pub use settings::RestSettings;
pub use transport::CloudSetupError;
pub use wire::ApiCode;

/// One cloud: one API endpoint and account.
///
/// Each method makes one call, or one call for each page of a list, and never retries.
/// The methods that write need a [`WritePermit`], which only the leader has.
pub trait Cloud: Send + Sync + 'static {
    /// Reads one load balancer; `None` if it does not exist.
    fn query<'a>(
        &'a self,
        which: Which<'a>,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>>;

    /// Lists the load balancers of a cluster, page by page. A load balancer that is
    /// missing in the list may exist all the same.
    fn list<'a>(&'a self, cluster: &'a ClusterId) -> BoxFuture<'a, Result<Listed, CloudError>>;

    /// Creates a load balancer, or returns the existing one of that name.
    fn create<'a>(
        &'a self,
        permit: &'a WritePermit,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>>;

    /// Updates a load balancer to the whole requested state. `before` is what is known of
    /// it, which counts for what the response does not say.
    fn update<'a>(
        &'a self,
        permit: &'a WritePermit,
        before: &'a LoadBalancer,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>>;

    /// Deletes a load balancer; succeeds if it does not exist.
    fn delete<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>>;

    /// Takes the owner off a load balancer, so that it belongs to nobody; succeeds if it does
    /// not exist or has none. Clouds with the feature
    /// [`Release`](crate::plan::capabilities::Feature::Release) can do that.
    fn release<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<(), CloudError>>;

    /// Reads what the cloud can do; `None` if its API does not tell, so that it is what its
    /// [`Profile`] says.
    fn capabilities(&self) -> BoxFuture<'_, Result<Option<Told>, CloudError>>;
}

/// What a cloud tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the answer leaves out is what the profile of the cloud says.
    pub capabilities: Capabilities,
    pub quota: Quota,
}

/// Numbers of load balancers of the account; `None` if the cloud does not tell them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The most that the account may have.
    pub limit: Option<u64>,
    /// Those that it has.
    pub used: Option<u64>,
}

/// The load balancer to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    Id(&'a LoadBalancerId),
    Name(&'a LoadBalancerName),
}

/// The part of the API that a cloud implements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The whole API.
    #[default]
    Standard,
    /// The smallest API: one TCP port, no list, no owners.
    Basic,
}

impl Profile {
    /// The capabilities of a cloud with this profile.
    pub fn capabilities(self) -> Capabilities {
        match self {
            Self::Standard => Capabilities::standard(),
            Self::Basic => Capabilities::basic(),
        }
    }
}
