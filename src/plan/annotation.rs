//! The declaration of an annotation. The annotations themselves stand in the catalogue.

mod catalogue;
mod grammar;
mod switch;

use std::collections::BTreeMap;

pub use catalogue::{
    ALGORITHM, ALL, ENABLE, LB_BANDWIDTH, LB_CLOUD, LB_ID, LB_SPEC, PROVIDER, SOURCE_RANGES,
};
pub use switch::Switch;

use super::excerpt;
use super::problem::{Problem, ProblemKind, Subject};

/// The prefix of all names of ours on a Service, unless another one is configured.
pub const DEFAULT_PREFIX: &str = "mycloud.com";

/// Maximum number of unknown annotations that one Event names: a Service may have 15,000.
const UNKNOWN_NAMED: usize = 3;
/// Maximum size of the name of an annotation in bytes: the API server accepts 253 for the
/// prefix and 63 after it, so this cuts none.
const NAME_LIMIT: usize = 320;

/// An annotation with a value of the type `T`.
pub struct Annotation<T> {
    pub about: About,
    /// `None` for a value that breaks the rule.
    parse: fn(&str) -> Option<T>,
}

/// What there is to say about an annotation. Code in the texts stands in backticks.
pub struct About {
    /// Without our prefix; with its prefix if others define it.
    pub name: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
    /// The grammar of its values; completes "it must be …".
    pub rule: &'static str,
    /// A valid value.
    pub example: &'static str,
    pub when_absent: WhenAbsent,
    pub when_changed: WhenChanged,
}

/// What counts without the annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAbsent {
    /// The Service is invalid.
    Invalid,
    /// This value.
    Value(&'static str),
    /// No value, with this meaning.
    Means(&'static str),
}

/// What a change of the value does to a load balancer that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenChanged {
    /// It is made, or deleted.
    Switches,
    /// It moves: the new one is published before the old one is deleted.
    Moves,
    /// It is updated in place.
    Updates,
    /// Nothing: the annotation is written by this program, which restores it.
    Restored,
}

impl About {
    /// The problem of this value, or of the missing annotation.
    pub(super) fn problem(&self, value: Option<&str>) -> Problem {
        Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::Annotation(self.name),
            value: value.map(str::to_owned),
            rule: format!("it must be {}", self.rule.replace('`', "'")),
            example: format!("{:?}", self.example),
        }
    }
}

impl<T> Annotation<T> {
    /// Without our prefix.
    pub const fn name(&self) -> &'static str {
        self.about.name
    }

    /// The value among the annotations of a Service, or the default; `None` if neither is
    /// there.
    ///
    /// # Errors
    /// The value breaks the rule, or the annotation is required and missing.
    pub fn optional(&self, annotations: &BTreeMap<String, String>) -> Result<Option<T>, Problem> {
        let found = annotations.get(self.name()).map(String::as_str);
        let value = match (found, self.about.when_absent) {
            (Some(found), _) => found,
            (None, WhenAbsent::Value(default)) => default,
            (None, WhenAbsent::Means(_)) => return Ok(None),
            (None, WhenAbsent::Invalid) => return Err(self.about.problem(None)),
        };
        let parsed = (self.parse)(value);
        parsed.map_or_else(
            || Err(self.about.problem(Some(value))),
            |value| Ok(Some(value)),
        )
    }
}

impl<T: Default> Annotation<T> {
    /// The value among the annotations of a Service, or the default.
    ///
    /// # Errors
    /// As [`optional`](Self::optional).
    pub fn value(&self, annotations: &BTreeMap<String, String>) -> Result<T, Problem> {
        Ok(self.optional(annotations)?.unwrap_or_default())
    }
}

/// Whether this is the full name of an annotation that others define and this program reads.
pub fn is_of_others(annotation: &str) -> bool {
    annotation.contains('/') && ALL.iter().any(|known| known.name == annotation)
}

/// The message about the unknown annotations among those with our prefix; `None` if all
/// are known. It names the first ones and the number of the others.
pub fn describe_unknown<'a>(
    names: impl Iterator<Item = &'a String>,
    prefix: &str,
) -> Option<String> {
    let is_unknown = |name: &&String| !ALL.iter().any(|known| known.name == *name);
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

/// The most similar name among those with our prefix.
fn nearest(name: &str) -> &'static str {
    let ours = ALL.iter().map(|known| known.name);
    let ours = ours.filter(|known| !known.contains('/'));
    let nearest = ours.min_by_key(|known| (strsim::levenshtein(name, known), *known));
    nearest.unwrap_or_default()
}

#[cfg(test)]
mod tests;
