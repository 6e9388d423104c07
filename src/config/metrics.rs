//! The flags of the metrics listeners.

use super::error::{ConfigErrors, Location};
use super::validation;
use crate::admin::secure::SecureMetricsConfig;
use crate::args::Args;

const ADDRESS: &str = "--metrics-secure-address";
const CERTIFICATE: &str = "--metrics-tls-cert-file";
const KEY: &str = "--metrics-tls-key-file";
const PLAIN: &str = "--metrics-plain";
const WORDS: [(&str, bool); 2] = [("true", true), ("false", false)];

/// The listeners that serve the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Whether the admin address serves the metrics without authentication. Default true,
    /// or false with a secure address.
    pub plain: bool,
    /// The listener over TLS for authorized clients. Default none.
    pub secure: Option<SecureMetricsConfig>,
}

pub(super) fn read(args: &Args, errors: &mut ConfigErrors) -> MetricsConfig {
    let secure = secure(args, errors);
    let plain = args
        .metrics_plain
        .as_deref()
        .and_then(|text| errors.check(Location::Flag(PLAIN), text, validation::one_of(&WORDS)));
    MetricsConfig {
        plain: plain.unwrap_or(secure.is_none()),
        secure,
    }
}

/// Reads the three flags of the secure listener, of which all or none must be set.
fn secure(args: &Args, errors: &mut ConfigErrors) -> Option<SecureMetricsConfig> {
    let flags = [
        (ADDRESS, &args.metrics_secure_address),
        (CERTIFICATE, &args.metrics_tls_cert_file),
        (KEY, &args.metrics_tls_key_file),
    ];
    let given: Vec<_> = flags
        .iter()
        .filter(|(_, text)| text.is_some())
        .map(|(flag, _)| *flag)
        .collect();
    if given.is_empty() {
        return None;
    }
    for (flag, text) in flags {
        if text.is_none() {
            let rule = format!("it must be set together with {}", given.join(" and "));
            errors.add(Location::Flag(flag), "nothing", rule);
        }
    }
    let [(_, address), (_, certificate), (_, key)] =
        flags.map(|(flag, text)| (flag, text.as_deref()));
    let address = address
        .and_then(|text| errors.check(Location::Flag(ADDRESS), text, validation::listen_address));
    let mut file = |flag, text: Option<&str>| {
        text.and_then(|text| errors.check(Location::Flag(flag), text, validation::readable_file))
    };
    let (certificate, key) = (file(CERTIFICATE, certificate), file(KEY, key));
    Some(SecureMetricsConfig {
        address: address?,
        certificate: certificate?,
        key: key?,
    })
}
