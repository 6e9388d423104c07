//! Between the clouds' HTTP API and the plan's types.
//!
//! Read in this order: [`Cloud`] (what can be asked of a cloud), [`CloudError`]
//! (what can go wrong, and what that says of the effect), [`RestCloud`] (the
//! API over HTTP) with its `limits`, `wire` types and `answer` rules, and
//! [`Inventory`] (what is known of a cloud without asking it).

mod body;
mod call;
mod error;
mod http_client;
mod inventory;
mod limiter;
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
use crate::plan::CreateRequest;
use crate::plan::desired::Capabilities;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{ClusterId, LoadBalancerId, LoadBalancerName};

pub use call::{Call, CallEvent, CallObserver, Code, Operation, Verb};
pub use error::{CloudError, ErrorKind, Rejection};
pub use inventory::{Inventory, LoadStamp};
pub use rest::RestCloud;
pub use settings::RestSettings;
pub use transport::CloudSetupError;
pub use wire::ApiCode;

/// One cloud: one API endpoint and account.
///
/// Each method is one call, or one for each page of a list; nothing is retried
/// here. The half that writes needs a [`WritePermit`], which only the leader has.
pub trait Cloud: Send + Sync + 'static {
    /// Reads one load balancer; `None` when the cloud says that there is none.
    fn query<'a>(
        &'a self,
        which: Which<'a>,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>>;

    /// Reads every load balancer of a cluster, page by page. A load balancer
    /// that it lacks may exist all the same.
    fn list<'a>(
        &'a self,
        cluster: &'a ClusterId,
    ) -> BoxFuture<'a, Result<Vec<LoadBalancer>, CloudError>>;

    /// Creates a load balancer, or finds the one of that name.
    fn create<'a>(
        &'a self,
        permit: &'a WritePermit,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>>;

    /// Brings a load balancer to the whole state that is requested.
    fn update<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>>;

    /// Deletes a load balancer; that there is none is success.
    fn delete<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>>;
}

/// Which load balancer to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// The one with this id.
    Id(&'a LoadBalancerId),
    /// The one with this name.
    Name(&'a LoadBalancerName),
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A user: of a create, a delete, a change of listeners.
    User,
    /// Nobody: back-end refreshes, drift repair, lists. Takes at most half of a
    /// cloud's concurrency.
    Background,
}

/// Which API a cloud has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// All of it.
    #[default]
    Standard,
    /// The smallest API: one TCP port, no list, no owners.
    Basic,
}

impl Profile {
    /// What can be asked of a cloud with this API.
    pub fn capabilities(self) -> Capabilities {
        match self {
            Self::Standard => Capabilities::Full,
            Self::Basic => Capabilities::Basic,
        }
    }
}
