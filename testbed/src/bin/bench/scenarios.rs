//! What is measured.

mod cloud_trouble;
mod cold_start;
mod delete;
mod drift;
mod failover;
mod idle;
mod many_nodes;
mod node_joins;
mod steady;
mod takeover;
mod two_leaders;

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
    /// Twenty Services are created in each second
    Steady,
    /// One cloud hangs with all Services waiting for it
    CloudHangs,
    /// One cloud throttles with all Services waiting for it
    CloudThrottles,
    /// Leaders end, one after the other, under load
    Failover,
    /// Services in sync are reconciled
    Drift,
    /// Services with few Nodes and with many
    ManyNodes,
    /// Two installations come to half of the Services each, on a cloud of its own
    TwoLeaders,
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
            Self::Steady => steady::measure(settings, &mut report).await,
            Self::CloudHangs => cloud_trouble::hangs(settings, &mut report).await,
            Self::CloudThrottles => cloud_trouble::throttles(settings, &mut report).await,
            Self::Failover => failover::measure(settings, &mut report).await,
            Self::Drift => drift::measure(settings, &mut report).await,
            Self::ManyNodes => many_nodes::measure(settings, &mut report).await,
            Self::TwoLeaders => two_leaders::measure(settings, &mut report).await,
        }?;
        Ok(report)
    }
}
