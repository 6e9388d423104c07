//! The clients of the configured clouds.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cloud::{CallObserver, Cloud, CloudSetupError, RestCloud, RestSettings};
use crate::config::Config;
use crate::plan::naming::CloudName;
use crate::telemetry::log_throttle::LogThrottle;

const USER_AGENT: &str = concat!("my-cloud-controller-manager/", env!("CARGO_PKG_VERSION"));

/// One client for each configured cloud; once `stopping` is cancelled, no call
/// is begun any more. What is repeated in the log is counted in `repeats`.
///
/// # Errors
/// The settings of one cannot work: its CA file, say, is no certificate.
pub fn clients(
    config: &Config,
    observer: CallObserver,
    repeats: &LogThrottle,
    stopping: &CancellationToken,
) -> Result<BTreeMap<CloudName, Arc<dyn Cloud>>, CloudSetupError> {
    let mut clients = BTreeMap::<_, Arc<dyn Cloud>>::new();
    for cloud in &config.clouds {
        let settings = RestSettings {
            name: cloud.name.clone(),
            endpoint: cloud.endpoint.clone(),
            request_timeout: cloud.request_timeout,
            concurrency: cloud.concurrency,
            requests_per_second: cloud.requests_per_second,
            profile: cloud.profile,
            token_file: cloud.token_file.clone(),
            ca_file: cloud.ca_file.clone(),
            user_agent: USER_AGENT.into(),
        };
        let client = RestCloud::new(settings, observer.clone())?
            .stopping_on(stopping.clone())
            .logging_with(repeats.clone());
        clients.insert(cloud.name.clone(), Arc::new(client));
    }
    Ok(clients)
}
