//! The annotations we know, without their prefix, and how their values read.

use serde::Serialize;

use super::load_balancer::Algorithm;

/// Switch: only `true` makes a Service ours.
pub const ENABLE: &str = "enable";
/// The cloud, or a comma-separated list of clouds.
pub const PROVIDER: &str = "provider";
/// The cloud's size or class of load balancer.
pub const LB_SPEC: &str = "lb-spec";
/// Bits per second.
pub const LB_BANDWIDTH: &str = "lb-bandwidth";
/// How back ends are picked.
pub const ALGORITHM: &str = "algorithm";
/// Written by us: ids.
pub const LB_ID: &str = "lb-id";
/// Written by us: the clouds of the ids.
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

/// A value that we cannot use: what was found, what is allowed, an example.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// Where it stands: an annotation without its prefix, or a field (`spec.ports[1].protocol`).
    pub subject: Subject,
    /// What was found; `None` if it is missing.
    pub value: Option<String>,
    /// What is allowed.
    pub rule: String,
    /// A value that would do.
    pub example: String,
}

/// Where a problem stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Subject {
    /// One of our annotations, named without its prefix.
    Annotation(&'static str),
    /// A field of the Service.
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

    /// One sentence for a person, with the prefix that the annotations have here.
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

/// An annotation with our prefix that we do not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnknownAnnotation {
    /// Its name without the prefix.
    pub name: String,
    /// The known name that is nearest in spelling.
    pub nearest: &'static str,
}

/// The annotations, of those with our prefix, that we do not know.
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

/// Reads `lb-spec`.
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

/// Reads `lb-bandwidth`.
pub(super) fn parse_bandwidth(value: &str) -> Result<String, Problem> {
    let number = value.strip_suffix(['K', 'M', 'G']).unwrap_or_default();
    let is_number = (1..=9).contains(&number.len())
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && !number.starts_with('0');
    if is_number {
        return Ok(value.to_owned());
    }
    let rule = "it must be a whole number from 1 and K, M or G (bits per second)";
    Err(Problem::annotation(
        LB_BANDWIDTH,
        Some(value),
        rule,
        "\"10M\"",
    ))
}

/// Reads `algorithm`.
pub(super) fn parse_algorithm(value: &str) -> Result<Algorithm, Problem> {
    match value {
        "round-robin" => Ok(Algorithm::RoundRobin),
        "least-connections" => Ok(Algorithm::LeastConnections),
        "source-hash" => Ok(Algorithm::SourceHash),
        _ => {
            let rule = "it must be round-robin, least-connections or source-hash";
            Err(Problem::annotation(
                ALGORITHM,
                Some(value),
                rule,
                "\"round-robin\"",
            ))
        }
    }
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
    fn a_problem_names_value_rule_and_remedy() {
        let problem = parse_bandwidth("fast").expect_err("not a bandwidth");
        assert_eq!(
            problem.describe("mycloud.com"),
            "annotation mycloud.com/lb-bandwidth is \"fast\": it must be a whole number from 1 \
             and K, M or G (bits per second), for example \"10M\""
        );
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_neighbour() {
        for (typed, meant) in [
            ("bandwith", LB_BANDWIDTH),
            ("providr", PROVIDER),
            ("lbspec", LB_SPEC),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
