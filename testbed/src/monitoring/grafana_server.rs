//! A real Grafana with the boards, on a machine that has one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::provisioning::{provision, temporary};
use crate::eventually;
use crate::process::{Output, Process, Program};
use crate::replica::free_address;

/// The environment variable with the directory of Grafana, which has `bin` and `public`.
pub const HOME_VARIABLE: &str = "GRAFANA_HOME";
/// The directory in which Linux packages install the files other than the program.
const PACKAGED_HOME: &str = "/usr/share/grafana";
/// Long, because the first start creates a database.
const READY: Duration = Duration::from_secs(120);

/// The program, and the directory with its files.
#[derive(Debug)]
pub struct Installed {
    program: PathBuf,
    home: PathBuf,
}

/// Finds Grafana in `GRAFANA_HOME`, or else in PATH and the directory of packages.
#[must_use]
pub fn find() -> Option<Installed> {
    if let Some(home) = std::env::var_os(HOME_VARIABLE).map(PathBuf::from) {
        let program = home.join("bin/grafana");
        return program.is_file().then_some(Installed { program, home });
    }
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join("grafana"));
    let program = candidates.find(|candidate| candidate.is_file())?;
    let home = PathBuf::from(PACKAGED_HOME);
    home.is_dir().then_some(Installed { program, home })
}

/// A running Grafana. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Grafana {
    _process: Process,
    url: String,
    _directory: TempDir,
}

impl Grafana {
    /// Starts a Grafana with the boards of this repository and this Prometheus, without a login.
    ///
    /// # Errors
    /// It did not become ready: the message has the end of its log.
    pub async fn start(installed: &Installed, prometheus: &str) -> Result<Self> {
        let directory = temporary()?;
        let here = directory.path();
        provision(here, prometheus)?;
        let address = free_address()?;
        let log = here.join("log");
        let mut process = Process::spawn(Program {
            name: "grafana",
            path: &installed.program,
            arguments: vec![
                "server".into(),
                "--homepath".into(),
                installed.home.clone().into(),
            ],
            environment: environment(here, &address.port().to_string()),
            output: Output::Log(&log),
            remove: Some(here),
        })?;
        let url = format!("http://{address}");
        let http = reqwest::Client::builder().no_proxy().build()?;
        let health = format!("{url}/api/health");
        let ready = eventually("Grafana to be ready", READY, async || {
            if let Err(ended) = process.check_running() {
                return Ok(Some(Err(ended)));
            }
            http.get(&health).send().await?.error_for_status()?;
            Ok(Some(Ok(())))
        })
        .await;
        ready.with_context(|| format!("not ready{}", process.log_tail()))??;
        Ok(Self {
            _process: process,
            url,
            _directory: directory,
        })
    }

    /// The URL of its pages, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn environment(directory: &Path, port: &str) -> Vec<(OsString, OsString)> {
    let at = |name: &str| directory.join(name).into_os_string();
    let variables: [(&str, OsString); 10] = [
        ("GF_PATHS_DATA", at("data")),
        ("GF_PATHS_LOGS", at("logs")),
        ("GF_PATHS_PLUGINS", at("plugins")),
        ("GF_PATHS_PROVISIONING", at("provisioning")),
        ("GF_SERVER_HTTP_ADDR", "127.0.0.1".into()),
        ("GF_SERVER_HTTP_PORT", port.into()),
        ("GF_AUTH_ANONYMOUS_ENABLED", "true".into()),
        ("GF_ANALYTICS_REPORTING_ENABLED", "false".into()),
        ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false".into()),
        ("GF_NEWS_NEWS_FEED_ENABLED", "false".into()),
    ];
    let named = variables.into_iter();
    named.map(|(name, value)| (name.into(), value)).collect()
}
