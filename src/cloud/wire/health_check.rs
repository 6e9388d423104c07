//! The health check of a listener.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::field;
use crate::plan::health_check::{HealthCheck, Probe, Timing};

/// A health check. A number that is missing is 0, which no request has.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HealthCheckBody {
    #[serde(deserialize_with = "protocol")]
    protocol: ProtocolBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(flatten)]
    timing: TimingBody,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum ProtocolBody {
    #[default]
    Tcp,
    Http,
    None,
}

impl ProtocolBody {
    const ALL: [Self; 3] = [Self::Tcp, Self::Http, Self::None];

    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::None => "NONE",
        }
    }
}

fn protocol<'de, D: Deserializer<'de>>(json: D) -> Result<ProtocolBody, D::Error> {
    let text = Option::<String>::deserialize(json)?.unwrap_or_default();
    if text.is_empty() {
        return Ok(ProtocolBody::default());
    }
    field::named(&text, &ProtocolBody::ALL, ProtocolBody::as_str)
        .ok_or_else(|| D::Error::custom("a protocol that is not known"))
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TimingBody {
    #[serde(deserialize_with = "number", skip_serializing_if = "is_missing")]
    interval_seconds: u32,
    #[serde(deserialize_with = "number", skip_serializing_if = "is_missing")]
    timeout_seconds: u32,
    #[serde(deserialize_with = "number", skip_serializing_if = "is_missing")]
    healthy_threshold: u32,
    #[serde(deserialize_with = "number", skip_serializing_if = "is_missing")]
    unhealthy_threshold: u32,
}

/// A number; null is a missing one.
fn number<'de, D: Deserializer<'de>>(json: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

/// A listener of others is sent as it was shown, and need not show all numbers.
fn is_missing(number: &u32) -> bool {
    *number == 0
}

impl HealthCheckBody {
    /// `None` if the cloud decides.
    pub(super) fn of(health_check: &HealthCheck) -> Option<Self> {
        let (probe, timing) = match health_check {
            HealthCheck::Unspecified => return None,
            HealthCheck::Off => {
                return Some(Self {
                    protocol: ProtocolBody::None,
                    ..Self::default()
                });
            }
            HealthCheck::On { probe, timing } => (probe, timing),
        };
        let (protocol, port, path) = match probe {
            Probe::Tcp { port } => (ProtocolBody::Tcp, *port, None),
            Probe::Http { port, path } => (ProtocolBody::Http, *port, Some(path.clone())),
        };
        let Timing {
            interval_seconds,
            timeout_seconds,
            healthy_threshold,
            unhealthy_threshold,
        } = *timing;
        Some(Self {
            protocol,
            port: Some(port),
            path,
            timing: TimingBody {
                interval_seconds,
                timeout_seconds,
                healthy_threshold,
                unhealthy_threshold,
            },
        })
    }

    /// The health check of a listener with this node port.
    pub(super) fn read(self, node_port: u16) -> HealthCheck {
        let port = self.port.unwrap_or(node_port);
        let probe = match self.protocol {
            ProtocolBody::None => return HealthCheck::Off,
            ProtocolBody::Tcp => Probe::Tcp { port },
            ProtocolBody::Http => Probe::Http {
                port,
                path: self.path.unwrap_or_else(|| "/".to_owned()),
            },
        };
        let TimingBody {
            interval_seconds,
            timeout_seconds,
            healthy_threshold,
            unhealthy_threshold,
        } = self.timing;
        HealthCheck::On {
            probe,
            timing: Timing {
                interval_seconds,
                timeout_seconds,
                healthy_threshold,
                unhealthy_threshold,
            },
        }
    }
}
