//! The load balancers that a list has shown.

use std::sync::Arc;

use crate::plan::load_balancer::{LoadBalancer, LoadBalancerSpec};

/// The load balancers that a list has shown. The inventory and the sweep share them.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// As the cloud has shown them.
    pub whole: Vec<Arc<LoadBalancer>>,
    /// Those whose specs there was no room for: they exist, and whoever needs the spec queries
    /// the cloud.
    pub outlines: Vec<Outline>,
}

/// A load balancer without its spec.
#[derive(Clone, Debug)]
pub struct Outline(Arc<LoadBalancer>);

impl Outline {
    /// Drops the spec.
    pub fn of(found: LoadBalancer) -> Self {
        let spec = LoadBalancerSpec::default();
        Self(Arc::new(LoadBalancer { spec, ..found }))
    }

    /// The load balancer with an empty spec, which tells nothing.
    pub(super) fn load_balancer(&self) -> &Arc<LoadBalancer> {
        &self.0
    }
}

impl Listed {
    /// All load balancers. The specs of [`Self::outlines`] are empty.
    pub fn iter(&self) -> impl Iterator<Item = &LoadBalancer> {
        let outlines = self.outlines.iter().map(Outline::load_balancer);
        self.whole.iter().chain(outlines).map(AsRef::as_ref)
    }

    /// The number of all.
    pub fn len(&self) -> usize {
        self.whole.len() + self.outlines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<LoadBalancer>> for Listed {
    fn from(all: Vec<LoadBalancer>) -> Self {
        Self {
            whole: all.into_iter().map(Arc::new).collect(),
            outlines: Vec::new(),
        }
    }
}
