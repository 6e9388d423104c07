//! The clients of the configured clouds.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cloud::{CallObserver, Cloud, CloudSetupError, RestCloud};
use crate::config::Config;
use crate::plan::naming::CloudName;
use crate::telemetry::log_throttle::LogThrottle;

/// Builds one client for each configured cloud. The clients start no call after
/// `stopping` is cancelled.
///
/// # Errors
/// The settings of a cloud are unusable; its CA file has no certificate, for example.
pub fn clients(
    config: &Config,
    observer: CallObserver,
    log_throttle: &LogThrottle,
    stopping: &CancellationToken,
) -> Result<BTreeMap<CloudName, Arc<dyn Cloud>>, CloudSetupError> {
    let mut clients = BTreeMap::<_, Arc<dyn Cloud>>::new();
    for settings in &config.clouds {
        let client = RestCloud::new(settings.clone(), observer.clone())?
            .stopping_on(stopping.clone())
            .logging_with(log_throttle.clone());
        clients.insert(settings.name.clone(), Arc::new(client));
    }
    Ok(clients)
}
