//! What is wrong with a Service, for its author: the value, the rule and a remedy.

use serde::Serialize;

use super::annotation;
use super::excerpt;

/// Maximum number of problems that one message names: a Service may have thousands of
/// invalid ports.
const PROBLEMS_NAMED: usize = 5;

/// An invalid value in a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    pub kind: ProblemKind,
    pub subject: Subject,
    /// The value in the Service; `None` if it is missing.
    pub value: Option<String>,
    /// The rule that the value breaks.
    pub rule: String,
    /// A valid value.
    pub example: String,
}

/// Who can mend a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ProblemKind {
    /// No cloud takes the value.
    Invalid,
    /// A cloud that the Service names cannot do what the value asks for.
    Unsupported,
    /// A cloud that the Service names has not told yet whether it can do what the value asks
    /// for.
    Untold,
}

/// The kind of all problems of a Service together: it is invalid if one value is.
pub fn kind(problems: &[Problem]) -> ProblemKind {
    let kinds = problems.iter().map(|problem| problem.kind);
    kinds.min().unwrap_or(ProblemKind::Invalid)
}

/// The annotation or field that has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Subject {
    /// The name without its prefix, or the full name of an annotation that others define.
    Annotation(String),
    /// The path in the Service, such as `spec.ports[1].protocol`.
    Field(String),
}

impl Subject {
    pub(super) fn annotation(name: &str) -> Self {
        Self::Annotation(name.to_owned())
    }

    pub(super) fn field(path: &str) -> Self {
        Self::Field(path.to_owned())
    }

    fn describe(&self, prefix: &str) -> String {
        match self {
            Self::Annotation(full) if annotation::is_full_name(full) => {
                format!("annotation {full}")
            }
            Self::Annotation(name) => format!("annotation {prefix}/{name}"),
            Self::Field(path) => path.clone(),
        }
    }
}

impl Problem {
    /// The message for conditions, Events and logs. `prefix` is the configured
    /// prefix of annotations.
    pub fn describe(&self, prefix: &str) -> String {
        let Self {
            kind,
            subject,
            value,
            rule,
            example,
        } = self;
        let subject = subject.describe(prefix);
        let found = match value {
            Some(value) => format!("{subject} is {}", excerpt::quoted(value)),
            None => format!("{subject} is missing"),
        };
        match kind {
            ProblemKind::Invalid | ProblemKind::Unsupported => {
                format!("{found}: {rule}, for example {example}")
            }
            // The value may be right.
            ProblemKind::Untold => format!("{found}: {rule}"),
        }
    }
}

/// What the values with these problems are, without the prefix of annotations.
pub fn subjects(problems: &[Problem]) -> String {
    first_ones(problems, [", ", " and "], |problem| {
        match &problem.subject {
            Subject::Annotation(name) => format!("annotation {name}"),
            Subject::Field(path) => path.clone(),
        }
    })
}

/// The message for all problems of a Service.
pub fn describe_problems(problems: &[Problem], prefix: &str) -> String {
    first_ones(problems, ["; ", "; and "], |problem| {
        problem.describe(prefix)
    })
}

/// A list of the first ones, and the number of the others after the last separator.
fn first_ones(
    problems: &[Problem],
    [separator, last]: [&str; 2],
    name: impl Fn(&Problem) -> String,
) -> String {
    let named = problems.iter().take(PROBLEMS_NAMED);
    let named: Vec<String> = named.map(name).collect();
    let named = named.join(separator);
    match problems.len().saturating_sub(PROBLEMS_NAMED) {
        0 => named,
        more => format!("{named}{last}{more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(value: &str) -> Problem {
        Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::annotation("lb-bandwidth"),
            value: Some(value.to_owned()),
            rule: "it must be a number".into(),
            example: "\"10M\"".into(),
        }
    }

    #[test]
    fn a_message_names_subject_value_rule_and_example() {
        let message = |subject| {
            let problem = Problem {
                subject,
                ..problem("fast")
            };
            problem.describe("mycloud.com")
        };
        let rest = " is \"fast\": it must be a number, for example \"10M\"";
        let cases = [
            (
                Subject::annotation("lb-bandwidth"),
                "annotation mycloud.com/lb-bandwidth",
            ),
            (
                Subject::annotation("example.com/ranges"),
                "annotation example.com/ranges",
            ),
            (Subject::field("spec.ports[0].port"), "spec.ports[0].port"),
        ];
        for (subject, name) in cases {
            assert_eq!(message(subject), format!("{name}{rest}"));
        }
    }

    #[test]
    fn many_problems_make_one_short_message() {
        let problems = vec![problem(&"\u{1}".repeat(260_000)); 400];
        let message = describe_problems(&problems, "mycloud.com");
        assert!(message.len() < 2_000, "{message}");
        assert!(message.ends_with("; and 395 more"), "{message}");
        let subjects = subjects(&problems);
        assert!(
            subjects.ends_with("lb-bandwidth and 395 more"),
            "{subjects}"
        );
    }
}
