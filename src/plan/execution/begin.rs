//! What of a plan may begin: the only place that decides it.
//!
//! The actions up to the next one on the Service are performed side by side, those of one
//! cloud in order. The action on the Service waits for all of them. A publication waits too;
//! it may be made ahead of its turn as well.

use std::collections::{BTreeSet, VecDeque};

use super::{Execution, Lane, Phase};
use crate::plan::action::Action;
use crate::plan::naming::CloudName;

impl Execution {
    /// Publishes what some clouds have achieved while others are at work, if that gains
    /// something. Whoever performs the effects says when: several clouds that answer at the
    /// same moment need one write.
    pub fn publish_early(&mut self) {
        if let Some(publish) = self.early_publication().cloned() {
            self.is_early = true;
            self.begin_action(publish);
        }
    }

    /// Whether [`Self::publish_early`] would publish something.
    pub fn may_publish_early(&self) -> bool {
        self.early_publication().is_some()
    }

    fn early_publication(&self) -> Option<&Action> {
        if self.under_way.is_empty() || self.under_way.contains_key(&Lane::Service) {
            return None;
        }
        let next = self.remaining.iter().find(|next| next.cloud().is_none())?;
        let Action::Publish { clouds, withheld } = next else {
            return None;
        };
        let publication = self.observed.publication_without(clouds, withheld);
        self.observed.gains(&publication).then_some(next)
    }

    /// Begins whatever may begin.
    pub(super) fn begin(&mut self) {
        // What follows an action on the Service in its turn waits for it.
        if self.is_early || !self.under_way.contains_key(&Lane::Service) {
            self.begin_at_clouds();
        }
        if self.under_way.is_empty() {
            self.begin_at_service();
        }
        let has_ended = self.under_way.is_empty() && self.remaining.is_empty();
        if has_ended && self.may_be_gone && !self.unrecorded.is_empty() {
            self.may_be_gone = false;
            self.phase = Phase::CheckingService;
        }
    }

    /// Begins the first action of each cloud before the next action on the Service, and
    /// drops the actions of clouds that have failed.
    fn begin_at_clouds(&mut self) {
        let mut waits = VecDeque::new();
        let mut waiting_clouds = BTreeSet::<CloudName>::new();
        while let Some(cloud) = self.remaining.front().and_then(Action::cloud).cloned() {
            let Some(action) = self.remaining.pop_front() else {
                return;
            };
            if self.stopped.contains(&cloud) {
                continue;
            }
            let is_busy = self.under_way.contains_key(&Lane::of(&action));
            if is_busy || waiting_clouds.contains(&cloud) {
                waiting_clouds.insert(cloud);
                waits.push_back(action);
            } else {
                self.begin_action(action);
            }
        }
        waits.append(&mut self.remaining);
        self.remaining = waits;
    }

    /// Begins the next action on the Service, whose turn it is.
    fn begin_at_service(&mut self) {
        let was_early = std::mem::take(&mut self.is_early);
        let is_left_out = match self.remaining.front() {
            // It was published already.
            Some(Action::Publish { clouds, withheld }) => {
                let publication = self.observed.publication_without(clouds, withheld);
                was_early && self.observed.has_published(&publication)
            }
            // The finalizer stays until every load balancer is gone.
            Some(Action::RemoveFinalizer { .. }) => !self.stopped.is_empty(),
            _ => false,
        };
        let next = self.remaining.pop_front();
        if is_left_out {
            self.begin();
        } else if let Some(next) = next {
            self.begin_action(next);
        }
    }

    fn begin_action(&mut self, action: Action) {
        if let Action::Publish { clouds, withheld } = &action {
            self.publication = Some(self.observed.publication_without(clouds, withheld));
        }
        self.under_way.insert(Lane::of(&action), action);
    }
}
