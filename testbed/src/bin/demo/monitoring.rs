//! `--observe`: a Prometheus that scrapes the replicas and evaluates the alerts,
//! and Grafana with the boards if it is installed.

use std::time::Duration;

use anyhow::Result;
use testbed::monitoring::boards::{self, BOARDS};
use testbed::monitoring::grafana_server::{self, Grafana};
use testbed::monitoring::prometheus::{Prometheus, Targets};
use testbed::monitoring::provisioning::Provisioned;
use testbed::repository_path;

use crate::stage::Stage;

/// More often than in a cluster, so that the first graphs appear soon.
const SCRAPE: Duration = Duration::from_secs(5);

/// Prometheus, and Grafana or what it takes to start one.
pub struct Monitoring {
    prometheus: Prometheus,
    boards: Boards,
}

enum Boards {
    Shown(Grafana),
    /// For a Grafana that the user starts.
    Ready(Provisioned),
}

impl Monitoring {
    /// Starts both.
    ///
    /// # Errors
    /// Prometheus is not installed and cannot be, or one of the two did not start.
    pub async fn start(stage: &Stage) -> Result<Self> {
        let _progress = stage.progress("Prometheus and Grafana");
        let rules = std::fs::read_to_string(repository_path("deploy/monitoring/rules.yaml"))?;
        let prometheus = Prometheus::start(SCRAPE, &rules).await?;
        let boards = match grafana_server::find() {
            Some(installed) => Boards::Shown(Grafana::start(&installed, prometheus.url()).await?),
            None => Boards::Ready(Provisioned::new(prometheus.url())?),
        };
        Ok(Self { prometheus, boards })
    }

    /// The targets that Prometheus scrapes.
    pub fn targets(&self) -> &Targets {
        self.prometheus.targets()
    }

    /// Prints the addresses of both.
    ///
    /// # Errors
    /// A board cannot be read.
    pub fn show(&self, stage: &Stage) -> Result<()> {
        let url = self.prometheus.url();
        stage.fact(
            "Prometheus",
            format_args!("{url} (its API; alerts: {url}/api/v1/alerts)"),
        );
        let grafana = match &self.boards {
            Boards::Shown(grafana) => grafana,
            Boards::Ready(provisioned) => return ways_to_grafana(stage, provisioned),
        };
        for name in BOARDS {
            let board = boards::read(name)?;
            let uid = board["uid"].as_str().unwrap_or_default();
            let address = format!("{}/d/{uid}?from=now-15m", grafana.url());
            stage.fact(name, address);
        }
        Ok(())
    }
}

fn ways_to_grafana(stage: &Stage, provisioned: &Provisioned) -> Result<()> {
    let variable = grafana_server::HOME_VARIABLE;
    let container = provisioned.container()?;
    stage.line("No Grafana on this machine.");
    stage.facts(&[
        (
            "next time",
            format!("unpack one (grafana.com/grafana/download), set {variable} to its directory"),
        ),
        (
            "your own",
            "import dashboards/*.json, with that Prometheus as data source".into(),
        ),
        ("a container", container),
        ("and there", "http://localhost:3000/dashboards".into()),
    ]);
    Ok(())
}
