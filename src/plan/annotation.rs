//! The known annotations, without their prefix, and the parsing of their values.

use serde::Serialize;

use super::canonical;
use super::load_balancer::Algorithm;

/// The prefix of all names of ours on a Service, unless another one is configured.
pub const DEFAULT_PREFIX: &str = "mycloud.com";

/// Only the value `true` puts a Service under our management.
pub const ENABLE: &str = "enable";
/// The cloud, or a comma-separated list of clouds.
pub const PROVIDER: &str = "provider";
/// The cloud's size or class of load balancer.
pub const LB_SPEC: &str = "lb-spec";
/// Bits per second.
pub const LB_BANDWIDTH: &str = "lb-bandwidth";
/// The algorithm that picks back ends.
pub const ALGORITHM: &str = "algorithm";
/// Written by us: the ids of the load balancers.
pub const LB_ID: &str = "lb-id";
/// Written by us: the clouds of these load balancers, in the same order.
pub const LB_CLOUD: &str = "lb-cloud";

/// Every annotation that we know.
pub const KNOWN: [&str; 7] = [
    ENABLE,
    PROVIDER,
    LB_SPEC,
    LB_BANDWIDTH,
    ALGORITHM,
    LB_ID,
    LB_CLOUD,
];

/// An invalid value in a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    pub subject: Subject,
    /// The value in the Service; `None` if it is missing.
    pub value: Option<String>,
    /// The rule that the value breaks.
    pub rule: String,
    /// A valid value.
    pub example: String,
}

/// The annotation or field that has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Subject {
    /// The name without its prefix.
    Annotation(&'static str),
    /// The path in the Service, such as `spec.ports[1].protocol`.
    Field(String),
}

impl Problem {
    pub(super) fn annotation(
        name: &'static str,
        value: Option<&str>,
        rule: &str,
        example: &str,
    ) -> Self {
        Self {
            subject: Subject::Annotation(name),
            value: value.map(str::to_owned),
            rule: rule.into(),
            example: example.into(),
        }
    }

    /// The message for conditions, Events and logs. `prefix` is the configured
    /// prefix of annotations.
    pub fn describe(&self, prefix: &str) -> String {
        let Self {
            subject,
            value,
            rule,
            example,
        } = self;
        let subject = match subject {
            Subject::Annotation(name) => format!("annotation {prefix}/{name}"),
            Subject::Field(field) => field.clone(),
        };
        let found = match value {
            Some(value) => format!("{subject} is {value:?}"),
            None => format!("{subject} is missing"),
        };
        format!("{found}: {rule}, for example {example}")
    }
}

/// An unknown annotation with our prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnknownAnnotation {
    /// The name without its prefix.
    pub name: String,
    /// The known name with the most similar spelling.
    pub nearest: &'static str,
}

/// The unknown annotations among those with our prefix.
pub fn unknown<'a>(names: impl Iterator<Item = &'a String>) -> Vec<UnknownAnnotation> {
    names
        .filter(|name| !KNOWN.contains(&name.as_str()))
        .map(|name| UnknownAnnotation {
            name: name.clone(),
            nearest: nearest(name),
        })
        .collect()
}

fn nearest(name: &str) -> &'static str {
    let mut best = (usize::MAX, KNOWN[0]);
    for known in KNOWN {
        best = best.min((strsim::levenshtein(name, known), known));
    }
    best.1
}

/// Parses `lb-spec`.
pub(super) fn parse_spec(value: &str) -> Result<String, Problem> {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if !value.is_empty() && value.len() <= 63 && value.chars().all(is_plain) {
        return Ok(value.to_owned());
    }
    let rule = "it must be 1 to 63 letters, digits, '.', '_' or '-'";
    Err(Problem::annotation(
        LB_SPEC,
        Some(value),
        rule,
        "\"standard\"",
    ))
}

/// Parses `lb-bandwidth` into its canonical form.
pub(super) fn parse_bandwidth(value: &str) -> Result<String, Problem> {
    let number = value.strip_suffix(['K', 'M', 'G']).unwrap_or_default();
    let is_number = (1..=9).contains(&number.len())
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && !number.starts_with('0');
    if is_number {
        return Ok(canonical::bandwidth(value.to_owned()));
    }
    let rule = "it must be a positive whole number followed by K, M or G (bits per second)";
    Err(Problem::annotation(
        LB_BANDWIDTH,
        Some(value),
        rule,
        "\"10M\"",
    ))
}

/// Parses `algorithm`.
pub(super) fn parse_algorithm(value: &str) -> Result<Algorithm, Problem> {
    let all = [
        Algorithm::RoundRobin,
        Algorithm::LeastConnections,
        Algorithm::SourceHash,
    ];
    let parsed = all.into_iter().find(|known| known.as_str() == value);
    parsed.ok_or_else(|| {
        let rule = "it must be round-robin, least-connections or source-hash";
        Problem::annotation(ALGORITHM, Some(value), rule, "\"round-robin\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_is_a_number_and_a_unit() {
        let good = ["5M", "100K", "10G", "999999999M"];
        let bad = [
            "",
            "M",
            "5",
            "5m",
            "0M",
            "-1M",
            "1.5M",
            "05M",
            "5MB",
            " 5M",
            "1234567890M",
        ];
        assert!(good.iter().all(|value| parse_bandwidth(value).is_ok()));
        for value in bad {
            assert!(parse_bandwidth(value).is_err(), "{value:?} is no bandwidth");
        }
    }

    #[test]
    fn a_problem_names_value_rule_and_example() {
        let problem = parse_bandwidth("fast").expect_err("not a bandwidth");
        assert_eq!(
            problem.describe("mycloud.com"),
            "annotation mycloud.com/lb-bandwidth is \"fast\": it must be a positive whole number \
             followed by K, M or G (bits per second), for example \"10M\""
        );
    }

    #[test]
    fn a_misspelt_annotation_is_matched_to_the_nearest_known_one() {
        for (typed, meant) in [
            ("bandwith", LB_BANDWIDTH),
            ("providr", PROVIDER),
            ("lbspec", LB_SPEC),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
