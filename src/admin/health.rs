//! Health checks, with the output format of kube-apiserver
//! (`k8s.io/apiserver/pkg/server/healthz`).

use std::collections::BTreeSet;
use std::fmt::Write;

use parking_lot::{Mutex, RwLock};

use crate::telemetry::Metrics;

type Probe = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The purpose of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A failure means that only a restart helps. The state of a cloud or of the API
    /// server does not belong here: no restart fixes it.
    Live,
    /// A failure means that this replica is starting or stopping. A standby is ready.
    Ready,
}

/// The endpoint of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/livez`: the checks of [`CheckKind::Live`].
    Livez,
    /// `/readyz`: the checks of [`CheckKind::Ready`].
    Readyz,
    /// `/healthz`: the same as `/livez`, for older configurations.
    Healthz,
}

impl Endpoint {
    pub(super) const ALL: [Self; 3] = [Self::Livez, Self::Readyz, Self::Healthz];

    /// The path without the slash.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Healthz => "healthz",
        }
    }

    fn kind(self) -> CheckKind {
        match self {
            Self::Livez | Self::Healthz => CheckKind::Live,
            Self::Readyz => CheckKind::Ready,
        }
    }
}

struct Check {
    name: &'static str,
    kind: CheckKind,
    probe: Probe,
}

/// The checks of this process. `ping` is always one of them, for both kinds.
pub struct Health {
    checks: RwLock<Vec<Check>>,
    /// The failed checks of the last probe of each endpoint, so that only changes are
    /// logged.
    failing: Mutex<[Vec<&'static str>; Endpoint::ALL.len()]>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// The checks with only `ping`.
    pub fn new() -> Self {
        let health = Self {
            checks: RwLock::default(),
            failing: Mutex::default(),
        };
        health.add("ping", CheckKind::Live, || Ok(()));
        health.add("ping", CheckKind::Ready, || Ok(()));
        health
    }

    /// Adds a check. It must not block: other tasks keep the state that it reads up to date.
    pub fn add(
        &self,
        name: &'static str,
        kind: CheckKind,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let mut checks = self.checks.write();
        let probe = Box::new(check);
        checks.push(Check { name, kind, probe });
    }

    /// Runs the checks of an endpoint.
    pub(super) fn probe(&self, endpoint: Endpoint, options: &Options) -> ProbeResult {
        let mut excluded = options.excluded.clone();
        let mut text = String::new();
        let mut failed = Vec::new();
        let checks = self.checks.read();
        for check in checks.iter().filter(|check| check.kind == endpoint.kind()) {
            let name = check.name;
            // Writing to a String cannot fail.
            if excluded.remove(name) {
                let _ = writeln!(text, "[+]{name} excluded: ok");
                continue;
            }
            match (check.probe)() {
                Ok(()) => {
                    let _ = writeln!(text, "[+]{name} ok");
                }
                Err(reason) => {
                    let _ = writeln!(text, "[-]{name} failed: reason withheld");
                    failed.push((name, reason));
                }
            }
        }
        if !excluded.is_empty() {
            let names: Vec<_> = excluded.iter().map(|name| format!("{name:?}")).collect();
            let names = names.join(",");
            let _ = writeln!(
                text,
                "warn: some health checks cannot be excluded: no matches for {names}"
            );
        }
        if options.excluded.is_empty() {
            self.log_changes(endpoint, &failed);
        }
        let name = endpoint.as_str();
        if !failed.is_empty() {
            text.push_str(&format!("{name} check failed\n"));
        } else if options.verbose {
            text.push_str(&format!("{name} check passed\n"));
        } else {
            text = "ok".into();
        }
        ProbeResult {
            passed: failed.is_empty(),
            text,
        }
    }

    fn log_changes(&self, endpoint: Endpoint, failed: &[(&'static str, String)]) {
        let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
        let mut failing = self.failing.lock();
        let before = &mut failing[endpoint as usize];
        if *before == names {
            return;
        }
        *before = names;
        let endpoint = endpoint.as_str();
        if failed.is_empty() {
            tracing::info!(endpoint, "all health checks pass again");
        }
        for (check, reason) in failed {
            tracing::warn!(endpoint, check, reason, "health check failed");
        }
    }

    /// Runs one check; a failure includes its reason. `None` if the check does not exist.
    pub(super) fn one(&self, endpoint: Endpoint, name: &str) -> Option<ProbeResult> {
        let checks = self.checks.read();
        let check = checks
            .iter()
            .find(|check| check.kind == endpoint.kind() && check.name == name)?;
        Some(match (check.probe)() {
            Ok(()) => ProbeResult {
                passed: true,
                text: "ok".into(),
            },
            Err(reason) => ProbeResult {
                passed: false,
                text: format!("internal server error: {reason}\n"),
            },
        })
    }

    /// Runs every check and exports the results as metrics.
    pub(super) fn measure(&self, metrics: &Metrics) {
        let checks = self.checks.read();
        for check in checks.iter() {
            let endpoint = match check.kind {
                CheckKind::Live => Endpoint::Livez,
                CheckKind::Ready => Endpoint::Readyz,
            };
            let passed = (check.probe)().is_ok();
            metrics
                .program
                .healthcheck(check.name, endpoint.as_str(), passed);
        }
    }
}

/// The response to a probe.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProbeResult {
    pub passed: bool,
    pub text: String,
}

/// The query parameters of a probe. The names of checks need no percent-encoding, so
/// none is decoded.
#[derive(Debug, Default)]
pub(super) struct Options {
    verbose: bool,
    excluded: BTreeSet<String>,
}

impl Options {
    pub fn parse(query: &str) -> Self {
        let mut options = Self::default();
        for part in query.split('&') {
            match part.split_once('=').unwrap_or((part, "")) {
                ("verbose", _) => options.verbose = true,
                ("exclude", name) => {
                    options.excluded.insert(name.to_owned());
                }
                _ => {}
            }
        }
        options
    }
}
