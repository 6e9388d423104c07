//! What the scenes saw and the end needs.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use testbed::cloud::LoadBalancer;

/// What was seen so far.
#[derive(Default)]
pub struct Facts {
    /// Services as the user applied them.
    pub applied: Vec<Service>,
    /// Load balancers that others have at cloud1 and cloud2.
    pub foreign: Vec<LoadBalancer>,
    /// How long things took.
    pub measured: Vec<Measured>,
}

/// How long something took.
pub struct Measured {
    /// What.
    pub what: String,
    /// How long.
    pub took: Duration,
    /// How long it may take on a machine that does nothing else.
    pub aim: Duration,
}

impl Facts {
    /// Notes how long something took.
    pub fn measured(&mut self, what: impl Into<String>, took: Duration, aim: Duration) {
        self.measured.push(Measured {
            what: what.into(),
            took,
            aim,
        });
    }
}
