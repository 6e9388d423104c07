//! The marks that we leave on a Service, all under one configurable prefix.

/// Names of our annotations, finalizer and condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataKeys {
    prefix: String,
    finalizer: String,
    condition: String,
}

impl MetadataKeys {
    /// The marks under this prefix (`mycloud.com`), without a slash.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            finalizer: format!("{prefix}/load-balancer"),
            condition: format!("{prefix}/LoadBalancerReady"),
        }
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Our finalizer: ours alone, never the one that upstream's service controller shares.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// The type of our condition in `status.conditions`.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// One of our annotations in full.
    pub fn annotation(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// The name of an annotation of ours without the prefix.
    pub fn strip<'a>(&self, annotation: &'a str) -> Option<&'a str> {
        annotation.strip_prefix(&self.prefix)?.strip_prefix('/')
    }
}
