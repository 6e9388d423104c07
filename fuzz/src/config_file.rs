//! The configuration file.
//!
//! Whatever the file is: it is accepted with all values within their ranges, or refused with
//! errors of one short line each; and that takes no longer than a moment.

use std::collections::BTreeSet;
use std::time::Duration;

use my_cloud_controller_manager::config::{Config, check_config};
use my_cloud_controller_manager::plan::naming::{is_dns_label, is_dns_subdomain};

use super::text::assert_one_short_line;

const LONGEST_PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);

/// The text of the file.
pub fn check(input: &[u8]) {
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let name = format!("fuzz-config-{}-{number}.yaml", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, input).unwrap();
    let checked = check_config(&path);
    std::fs::remove_file(&path).unwrap();
    match checked {
        Ok(config) => check_values(&config),
        Err(errors) => {
            assert!(!errors.is_empty());
            errors
                .iter()
                .for_each(|error| assert_one_short_line(&error.to_string()));
        }
    }
}

fn check_values(config: &Config) {
    if let Some(id) = &config.cluster_id {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        assert!((1..=63).contains(&id.as_str().len()) && id.as_str().bytes().all(is_allowed));
    }
    let prefix = config.annotation_prefix.as_str();
    let is_reserved = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    assert!(is_dns_subdomain(prefix) && !is_reserved("kubernetes.io") && !is_reserved("k8s.io"));
    let periods = [
        config.no_nodes_grace_period,
        config.orphan_grace_period,
        config.sweep_interval,
        config.drift_interval,
    ];
    let is_period =
        |period: &Duration| (Duration::from_millis(100)..=LONGEST_PERIOD).contains(period);
    assert!(periods.iter().all(is_period), "{periods:?}");
    let watch = config.watch_timeout;
    assert!((Duration::from_secs(1)..=Duration::from_secs(300)).contains(&watch));
    check_clouds(config);
}

fn check_clouds(config: &Config) {
    let clouds = &config.clouds;
    assert!(!clouds.is_empty());
    let names = clouds.iter().map(|cloud| cloud.name.as_str());
    assert_eq!(
        names.collect::<BTreeSet<_>>().len(),
        clouds.len(),
        "a name twice"
    );
    let without_token = clouds.iter().filter(|cloud| cloud.token_file.is_none());
    let endpoints: Vec<&str> = without_token.map(|cloud| cloud.endpoint.as_str()).collect();
    let distinct: BTreeSet<&str> = endpoints.iter().copied().collect();
    assert_eq!(distinct.len(), endpoints.len(), "an account twice");
    for cloud in clouds {
        assert!(is_dns_label(cloud.name.as_str()), "{cloud:?}");
        let url = &cloud.endpoint;
        assert!(
            matches!(url.scheme(), "http" | "https") && url.has_host(),
            "{url}"
        );
        assert!(
            url.path() == "/" && url.query().is_none() && url.fragment().is_none(),
            "{url}"
        );
        assert!(
            url.username().is_empty() && url.password().is_none(),
            "{url}"
        );
        let timeout = cloud.request_timeout;
        assert!((Duration::from_millis(100)..=Duration::from_secs(600)).contains(&timeout));
        assert!((1..=1000).contains(&cloud.concurrency));
        assert!(cloud.requests_per_second <= 100_000);
    }
}
