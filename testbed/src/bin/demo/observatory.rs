//! `--observe`: a Prometheus that scrapes the replicas and knows the alerts, and
//! Grafana with the boards on a machine that has one.

use std::time::Duration;

use anyhow::Result;
use testbed::monitoring::grafana_server::{self, Grafana};
use testbed::monitoring::prometheus::{Prometheus, Targets};
use testbed::monitoring::source::{BOARDS, Board};

use crate::stage::Stage;
use crate::world::World;

/// More often than in a cluster, so that there is soon something to see.
const SCRAPE: Duration = Duration::from_secs(5);

/// What looks on.
pub struct Observatory {
    prometheus: Prometheus,
    grafana: Option<Grafana>,
}

impl Observatory {
    /// Starts it.
    ///
    /// # Errors
    /// Prometheus cannot be had, or one of the two did not start.
    pub async fn start(stage: &Stage) -> Result<Self> {
        let _progress = stage.progress("Prometheus and Grafana");
        let rules = std::fs::read_to_string(World::file("deploy/monitoring/rules.yaml"))?;
        let prometheus = Prometheus::start(SCRAPE, &rules).await?;
        let grafana = match grafana_server::find() {
            Some(installed) => Some(Grafana::start(&installed, prometheus.url()).await?),
            None => None,
        };
        Ok(Self {
            prometheus,
            grafana,
        })
    }

    /// What is scraped.
    pub fn targets(&self) -> &Targets {
        self.prometheus.targets()
    }

    /// Prints where to look.
    ///
    /// # Errors
    /// A board cannot be read.
    pub fn show(&self, stage: &Stage) -> Result<()> {
        let url = self.prometheus.url();
        stage.fact(
            "Prometheus",
            format_args!("{url} (its API; alerts: {url}/api/v1/alerts)"),
        );
        let Some(grafana) = &self.grafana else {
            let variable = grafana_server::HOME_VARIABLE;
            stage.line(&format!(
                "No Grafana on this machine: unpack one (grafana.com/grafana/download) and set \
                 {variable} to its directory,"
            ));
            stage.line(
                "or import dashboards/*.json into yours, with that Prometheus as data source.",
            );
            return Ok(());
        };
        for name in BOARDS {
            let board = Board::read(&World::file(""), name)?;
            let address = format!("{}/d/{}?from=now-15m", grafana.url(), board.uid);
            stage.fact(name, address);
        }
        Ok(())
    }
}
