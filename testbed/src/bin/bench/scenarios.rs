//! What is measured.

mod cold_start;
mod delete;
mod idle;
mod node_joins;
mod takeover;

use anyhow::Result;
use clap::ValueEnum;

use crate::report::Report;
use crate::settings::Settings;

/// A scenario, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A leader and a standby without Services
    Idle,
    /// A replica comes to Services that have no load balancer yet
    ColdStart,
    /// A standby follows a leader that is terminated
    Takeover,
    /// A Node is added while users create Services
    NodeJoins,
    /// All Services are deleted at once
    Delete,
}

impl Scenario {
    /// All of them, in the order in which they run.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// As on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Runs it.
    ///
    /// # Errors
    /// Something did not start, or took too long.
    pub async fn measure(self, settings: &Settings) -> Result<Report> {
        let mut report = Report::new(&self.name(), settings);
        match self {
            Self::Idle => idle::measure(settings, &mut report).await,
            Self::ColdStart => cold_start::measure(settings, &mut report).await,
            Self::Takeover => takeover::measure(settings, &mut report).await,
            Self::NodeJoins => node_joins::measure(settings, &mut report).await,
            Self::Delete => delete::measure(settings, &mut report).await,
        }?;
        Ok(report)
    }
}
