//! The known annotations, without their prefix, and the parsing of their values.

use std::net::IpAddr;

use serde::Serialize;

use super::canonical;
use super::excerpt;
use super::load_balancer::Algorithm;

/// The prefix of all names of ours on a Service, unless another one is configured.
pub const DEFAULT_PREFIX: &str = "mycloud.com";

/// The switch ([`Switch`]) that puts a Service under our management.
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

/// The source ranges in the annotation of other controllers, which upstream's helper
/// (k8s.io/cloud-provider, `GetLoadBalancerSourceRanges`) reads where
/// `spec.loadBalancerSourceRanges` is empty. This is the full name: it has no prefix of ours.
pub const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// Maximum number of problems that one message names: a Service may have thousands of
/// invalid ports.
const PROBLEMS_NAMED: usize = 5;
/// Maximum number of unknown annotations that one Event names: a Service may have 15,000.
const UNKNOWN_NAMED: usize = 3;
/// Maximum size of the name of an annotation in bytes: the API server accepts 253 for the
/// prefix and 63 after it, so this cuts none.
const NAME_LIMIT: usize = 320;

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
            Some(value) => format!("{subject} is {}", excerpt::quoted(value)),
            None => format!("{subject} is missing"),
        };
        format!("{found}: {rule}, for example {example}")
    }
}

/// The message for all problems of a Service. It names the first ones and the number of
/// the others.
pub fn describe_problems(problems: &[Problem], prefix: &str) -> String {
    let named = problems.iter().take(PROBLEMS_NAMED);
    let named: Vec<String> = named.map(|problem| problem.describe(prefix)).collect();
    let named = named.join("; ");
    match problems.len().saturating_sub(PROBLEMS_NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// The message about the unknown annotations among those with our prefix; `None` if all
/// are known. It names the first ones and the number of the others.
pub fn describe_unknown<'a>(
    names: impl Iterator<Item = &'a String>,
    prefix: &str,
) -> Option<String> {
    let is_unknown = |name: &&String| !KNOWN.contains(&name.as_str()) && *name != SOURCE_RANGES;
    let unknown: Vec<&String> = names.filter(is_unknown).collect();
    let full = |name: &str| excerpt::message(&format!("{prefix}/{name}"), NAME_LIMIT).into_owned();
    let (first, others) = unknown.split_first()?;
    if others.is_empty() {
        return Some(format!(
            "Annotation {} is unknown and ignored; the most similar known annotation is {prefix}/{}",
            full(first),
            nearest(first)
        ));
    }
    let named = unknown.iter().take(UNKNOWN_NAMED);
    let named =
        named.map(|name| format!("{} (most similar: {prefix}/{})", full(name), nearest(name)));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match unknown.len().saturating_sub(UNKNOWN_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("Annotations {named}{more} are unknown and ignored"))
}

fn nearest(name: &str) -> &'static str {
    let mut best = (usize::MAX, KNOWN[0]);
    for known in KNOWN {
        best = best.min((strsim::levenshtein(name, known), known));
    }
    best.1
}

/// The meaning of the annotation `enable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    /// The annotation is missing or says no.
    Off,
    /// The value is neither yes nor no, so it must not delete a load balancer.
    Unclear,
}

impl Switch {
    /// Reads the value of `enable`. Exactly `true` is a yes. A no is one of Go's
    /// `strconv.ParseBool`, or one of the words no and off, in capitals or not, with or
    /// without space around it.
    pub fn parse(value: Option<&str>) -> Self {
        let Some(value) = value else {
            return Self::Off;
        };
        match value.trim().to_ascii_lowercase().as_str() {
            _ if value == "true" => Self::On,
            "false" | "f" | "0" | "no" | "off" => Self::Off,
            _ => Self::Unclear,
        }
    }
}

/// The problem of a [`Switch::Unclear`].
pub fn unclear_switch(value: Option<&str>) -> Problem {
    let rule = "it must be exactly true, or a plain no, and until it is, nothing changes";
    Problem::annotation(ENABLE, value, rule, "\"true\" or \"false\"")
}

/// Parses the source ranges in [`SOURCE_RANGES`]: CIDRs, separated by commas. Space around
/// them is ignored; an empty value has none.
pub(super) fn parse_source_ranges(value: &str) -> Result<Vec<String>, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let ranges: Vec<&str> = value.split(',').map(str::trim).collect();
    if ranges.iter().all(|range| is_cidr(range)) {
        return Ok(ranges.into_iter().map(str::to_owned).collect());
    }
    Err(Problem {
        subject: Subject::Field(format!("annotation {SOURCE_RANGES}")),
        value: Some(value.to_owned()),
        rule: "it must be a list of CIDRs, separated by commas".into(),
        example: "\"192.0.2.0/24,198.51.100.0/24\"".into(),
    })
}

fn is_cidr(range: &str) -> bool {
    let Some((address, length)) = range.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let is_number = length.bytes().all(|digit| digit.is_ascii_digit());
    is_number && length.parse::<u8>().is_ok_and(|length| length <= longest)
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
    fn a_switch_says_yes_or_no_or_is_unclear() {
        let cases = [
            (Switch::On, &["true"][..]),
            (
                Switch::Off,
                &["false", "False", " FALSE", "f", "0", "no", "off"],
            ),
            (
                Switch::Unclear,
                &[
                    "", " ", "ture", "True", "true ", "true\n", "1", "yes", "enabled", "\"true\"",
                ],
            ),
        ];
        assert_eq!(Switch::parse(None), Switch::Off);
        for (expected, values) in cases {
            for value in values {
                assert_eq!(Switch::parse(Some(value)), expected, "{value:?}");
            }
        }
    }

    #[test]
    fn source_ranges_are_cidrs_and_nothing_else() {
        let good: [(&str, &[&str]); 4] = [
            ("", &[]),
            ("  ", &[]),
            ("192.0.2.0/24", &["192.0.2.0/24"]),
            (
                " 10.0.0.0/8 , 2001:db8::/32 ",
                &["10.0.0.0/8", "2001:db8::/32"],
            ),
        ];
        for (value, expected) in good {
            assert_eq!(parse_source_ranges(value).expect(value), expected);
        }
        for value in [
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/8,",
            "office",
            "10.0.0.0/+8",
        ] {
            assert!(parse_source_ranges(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn many_problems_make_one_short_message() {
        let problem = parse_bandwidth(&"\u{1}".repeat(260_000)).expect_err("no bandwidth");
        let message = describe_problems(&vec![problem; 400], "mycloud.com");
        assert!(message.len() < 2_000, "{message}");
        assert!(message.ends_with("; and 395 more"), "{message}");
    }

    #[test]
    fn at_most_three_unknown_annotations_are_named() {
        let unknown = |number: usize| {
            let names: Vec<String> = (0..number).map(|index| format!("u{index}")).collect();
            describe_unknown(names.iter(), "mycloud.com")
        };
        assert_eq!(unknown(0), None);
        assert!(
            unknown(1)
                .expect("one")
                .starts_with("Annotation mycloud.com/u0 is unknown")
        );
        let many = unknown(15_000).expect("many");
        assert!(
            many.contains("mycloud.com/u2 ") && !many.contains("mycloud.com/u3 "),
            "{many}"
        );
        assert!(many.contains(" and 14997 more are unknown"), "{many}");
        assert!(many.len() < excerpt::MESSAGE_LIMIT, "{many}");
        let known = [PROVIDER.to_owned(), SOURCE_RANGES.to_owned()];
        assert_eq!(describe_unknown(known.iter(), "mycloud.com"), None);
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
