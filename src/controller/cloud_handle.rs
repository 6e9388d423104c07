//! A cloud's client and inventory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Notify;

use crate::cloud::{
    Cloud, CloudError, ErrorKind, Inventory, Operation, Quota, Rejection, Told, Verb, Which,
};
use crate::election::WritePermit;
use crate::plan::Capabilities;
use crate::plan::naming::{CloudName, LoadBalancerId, Owner};
use crate::priority::Priority;

/// A cloud's client and inventory.
pub struct CloudHandle {
    pub client: Arc<dyn Cloud>,
    /// The known load balancers; the cloud may have others.
    pub inventory: Inventory,
    /// What the cloud can do if its API does not tell.
    pub profile_capabilities: Capabilities,
    /// Notified when the cloud has refused what it should be able to do.
    pub doubt: Notify,
    has_told: AtomicBool,
}

impl CloudHandle {
    pub fn new(client: Arc<dyn Cloud>, profile_capabilities: Capabilities) -> Self {
        Self {
            client,
            profile_capabilities,
            inventory: Inventory::default(),
            doubt: Notify::new(),
            has_told: AtomicBool::new(false),
        }
    }

    /// Whether an answer of the cloud about itself is to be believed. That it does not know the
    /// question, after it has answered it, is so only the second time: a gateway in front of it
    /// may have said so.
    pub fn is_credible(&self, told: Option<&Told>) -> bool {
        let has_told = self.has_told.swap(told.is_some(), Relaxed);
        told.is_some() || !has_told
    }

    /// What an answer of the cloud about itself means; `None` if its API does not tell.
    pub fn told(&self, told: Option<Told>) -> (Capabilities, Quota) {
        match told {
            Some(Told {
                capabilities,
                quota,
            }) => (capabilities, quota),
            None => (self.profile_capabilities.clone(), Quota::default()),
        }
    }

    /// Doubts what the cloud has told if it finds a request invalid, which may ask for what it
    /// cannot do any more.
    pub fn doubt_after(&self, error: &CloudError) {
        if error.kind() == ErrorKind::Rejected(Rejection::InvalidArgument) {
            self.doubt.notify_one();
        }
    }

    /// Takes the owner off a load balancer, and succeeds only if this cloud, which has the name
    /// `cloud`, shows that it is off: a load balancer without a Service that still has our owner
    /// is an orphan.
    ///
    /// # Errors
    /// The cloud failed, or still shows the owner.
    pub async fn release(
        &self,
        cloud: &CloudName,
        permit: &WritePermit,
        (id, owner): (&LoadBalancerId, &Owner),
        priority: Priority,
    ) -> Result<(), CloudError> {
        self.inventory.forget(id);
        let released = self.client.release(permit, id, owner).await;
        released.inspect_err(|error| self.doubt_after(error))?;
        let live = self.client.query(Which::Id(id), priority).await?;
        if live.is_some_and(|live| live.belongs_to(owner)) {
            let operation = Operation {
                cloud: cloud.clone(),
                verb: Verb::Release,
            };
            let message = format!("load balancer {id} still has our owner after its release");
            return Err(CloudError::new(operation, ErrorKind::Conflict, message));
        }
        Ok(())
    }
}
