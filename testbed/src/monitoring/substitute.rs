//! A board's expression as Grafana would send it.

/// What a variable stands for.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// `$cloud`, a regular expression.
    pub cloud: &'a str,
    /// `$__rate_interval`: in Grafana at least four scrapes.
    pub rate_interval: &'a str,
}

impl Variables<'_> {
    /// The expression with values in the place of variables; all jobs and instances.
    #[must_use]
    pub fn substitute(&self, expression: &str) -> String {
        expression
            .replace("$__rate_interval", self.rate_interval)
            .replace("$cloud", self.cloud)
            .replace("$job", ".+")
            .replace("$instance", ".+")
    }
}
