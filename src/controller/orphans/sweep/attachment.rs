//! Lets go of a load balancer that others made.

use super::Sweep;
use crate::controller::error::ReconcileError;
use crate::election::Leadership;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::{Action, detach};
use crate::priority::Priority;

impl Sweep<'_> {
    /// Takes the listeners of a Service and our owner off a load balancer that others made: what
    /// they have on it is read right before.
    ///
    /// # Errors
    /// [`ReconcileError::Changed`] if it is not attached any more, or has something now that an
    /// update would take away.
    pub(super) async fn detach(
        &self,
        found: &LoadBalancer,
        leadership: &Leadership,
    ) -> Result<(), ReconcileError> {
        let (client, priority) = (&self.cloud.client, Priority::Background);
        let live = self.query(&found.id).await?;
        let live = live.filter(|live| live.owner == found.owner);
        let live = live.ok_or(ReconcileError::Changed)?;
        let attached = live.existing_owner().ok_or(ReconcileError::Changed)?;
        if !live.is_whole() {
            return Err(ReconcileError::Changed);
        }
        for action in detach(self.name, &live, attached) {
            let permit = leadership.permit()?;
            match action {
                Action::Update { request, .. } => {
                    let updated = client.update(&permit, &live, &request, priority);
                    updated.await?;
                }
                _ => {
                    let which = (&live.id, attached);
                    let released = self.cloud.release(self.name, &permit, which, priority);
                    released.await?;
                }
            }
        }
        Ok(())
    }
}
