//! What an attempt came to.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::error::ReconcileError;
use super::observe::ObservedService;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{Action, Observed, Waiting};

/// What an attempt came to.
pub struct ApplyResult {
    /// What there is now.
    pub observed: Observed,
    /// The newest state of the Service that we have seen.
    pub object: Arc<Service>,
    /// The actions that were done, in order.
    pub actions: Vec<Action>,
    /// What failed; the first is the first that happened.
    pub failures: Vec<ReconcileError>,
    /// What the plan left undone.
    pub waiting: BTreeSet<Waiting>,
    /// What the Service's annotations point to although it is not ours.
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
}

impl ApplyResult {
    /// The clouds where what drifted waits for its turn.
    pub fn not_their_turn(&self) -> impl Iterator<Item = &CloudName> {
        self.failures.iter().filter_map(|failure| match failure {
            ReconcileError::QueuedForRepair { cloud, .. } => Some(cloud),
            _ => None,
        })
    }

    /// Whether all that was done is to put back the addresses of a Service that
    /// was ready: somebody else writes them too.
    pub fn restores(&self, service: &ObservedService) -> bool {
        matches!(self.actions[..], [Action::Publish { .. }])
            && !service.view.published.is_empty()
            && service.view.record == self.observed.record
            && service.view.published != self.observed.ingress
            && service.was_ready
    }
}
