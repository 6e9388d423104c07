//! The names of our metadata on a Service, all under one configurable prefix.

use crate::plan::annotation::SOURCE_RANGES;

/// The names of our annotations, finalizer and condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataKeys {
    prefix: String,
    finalizer: String,
    condition: String,
}

impl MetadataKeys {
    /// The names under this prefix (`mycloud.com`), without a slash.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            finalizer: format!("{prefix}/load-balancer"),
            condition: format!("{prefix}/LoadBalancerReady"),
        }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Our finalizer. It differs from the finalizer of the upstream service controller.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// The type of our condition in `status.conditions`.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// The full name of one of our annotations.
    pub fn annotation(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// The name by which the plan reads an annotation: without our prefix, or the whole of
    /// the only one that it reads of others; `None` if it does not read it.
    pub fn read<'a>(&self, annotation: &'a str) -> Option<&'a str> {
        match self.strip(annotation) {
            None if annotation == SOURCE_RANGES => Some(annotation),
            stripped => stripped,
        }
    }

    /// The name of an annotation without our prefix; `None` with another prefix.
    pub fn strip<'a>(&self, annotation: &'a str) -> Option<&'a str> {
        annotation.strip_prefix(&self.prefix)?.strip_prefix('/')
    }
}
