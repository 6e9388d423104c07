//! The bounds on the size of one Service: what it costs in the memory of every replica.
//!
//! The API server takes 1.5 MiB, and whoever may create Services in one namespace may create
//! many. A Service that exceeds a bound is invalid, and only a small part of it is kept.

use serde::Serialize;

use super::annotation::{LB_CLOUD, LB_ID};
use super::problem::{Problem, ProblemKind, Subject};

/// Maximum number of ports: more than any known cloud takes listeners, and a quarter more than
/// the 200 that a Service with many ports has.
pub const PORTS: usize = 256;
/// Maximum number of source ranges: more than any known cloud takes.
pub const SOURCE_RANGES: usize = 500;
/// Maximum size of a source range in bytes: the longest IPv6 range has 43, and the API server
/// allows any number of spaces around it.
pub const SOURCE_RANGE: usize = 64;
/// Maximum size of a requested address in bytes: the longest has 45, and the API server takes any
/// text.
pub const REQUESTED_IP: usize = 64;
/// Maximum size in bytes of the annotations that the plan reads, names and values together:
/// room for four annotations of each of 200 ports.
pub const ANNOTATIONS: usize = 64 << 10;

/// What is kept in bytes of a value of an annotation, if all are too large. More than any
/// valid value has, so that a value that is cut stays invalid.
const KEPT_VALUE: usize = (1 << 10) + 1;
/// The same for the record: it tells on which clouds load balancers may be, so that nothing
/// may be missing from one that a controller wrote.
const KEPT_RECORD: usize = 8 << 10;

/// What a Service has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TooLarge {
    Annotations,
    Ports,
    SourceRanges,
    RequestedIp,
}

impl TooLarge {
    /// The problem, for the author of the Service. `prefix` is not among the texts because
    /// a message is about one installation.
    pub fn problem(self) -> Problem {
        let (path, value, rule, example) = match self {
            Self::Annotations => (
                "metadata.annotations",
                format!("more than {ANNOTATIONS} bytes"),
                format!(
                    "the annotations of this controller have at most {ANNOTATIONS} bytes; remove \
                     those that it does not know, and shorten the values"
                ),
                "only the annotations that are needed",
            ),
            Self::Ports => (
                "spec.ports",
                format!("more than {PORTS} ports"),
                format!("a load balancer has at most {PORTS}; use several Services"),
                "one Service for each 200 ports",
            ),
            Self::SourceRanges => (
                "spec.loadBalancerSourceRanges",
                "too large".into(),
                format!(
                    "a load balancer has at most {SOURCE_RANGES} ranges of at most \
                     {SOURCE_RANGE} characters; combine ranges"
                ),
                "[\"192.0.2.0/24\"]",
            ),
            Self::RequestedIp => (
                "spec.loadBalancerIP",
                format!("more than {REQUESTED_IP} bytes"),
                format!("it must be an IP address, of at most {REQUESTED_IP} characters"),
                "\"192.0.2.7\"",
            ),
        };
        Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::field(path),
            value: Some(value),
            rule,
            example: example.into(),
        }
    }
}

/// The part that is kept of an annotation of a Service whose annotations are too large: `None`
/// for a name that the catalogue lacks. Of what is kept it keeps all.
pub fn kept_value<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    let most = if [LB_ID.name, LB_CLOUD.name].contains(&name) {
        KEPT_RECORD
    } else if super::annotation::ALL
        .iter()
        .any(|about| about.name == name)
    {
        KEPT_VALUE
    } else {
        return None;
    };
    Some(&value[..value.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_within_the_bound() {
        let value = "é".repeat(ANNOTATIONS);
        let all = super::super::annotation::ALL.iter();
        let kept: usize = all
            .filter_map(|about| Some(about.name.len() + kept_value(about.name, &value)?.len()))
            .sum();
        assert!(kept < ANNOTATIONS, "{kept} bytes");
        assert_eq!(kept_value("unknown", &value), None);
        let once = kept_value("provider", &value).expect("known");
        assert_eq!(kept_value("provider", once), Some(once));
    }
}
