//! The variables of a board, replaced as Grafana does before it sends a query.

/// The values of the variables.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// `$cloud`, a regular expression.
    pub cloud: &'a str,
    /// `$__rate_interval`: in Grafana at least four scrapes.
    pub rate_interval: &'a str,
}

impl Variables<'_> {
    /// The expression with these values, and with all jobs and instances.
    pub fn substitute(&self, expression: &str) -> String {
        expression
            .replace("$__rate_interval", self.rate_interval)
            .replace("$cloud", self.cloud)
            .replace("$job", ".+")
            .replace("$instance", ".+")
    }
}
