//! The declaration of an annotation. The annotations themselves stand in the catalogue.

mod catalogue;
mod deletion_policy;
mod grammar;
mod switch;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use catalogue::*;
pub use deletion_policy::DeletionPolicy;
pub(super) use grammar::address;
pub use switch::Switch;

use super::capabilities::Feature;
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
    parse: fn(&str) -> Option<T>,
}

/// What there is to say about an annotation. Code in the texts stands in backticks.
#[derive(Debug)]
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
    /// Whether `PORT.NAME` sets the value of the port of that name alone.
    pub per_port: bool,
    pub needs: Needs,
}

/// What a value needs of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// A cloud may have only some of the values.
    Value,
    /// A cloud may lack it.
    Feature(Feature),
    /// A cloud may lack it, and then it does what counts without the annotation.
    FeatureUnlessDefault(Feature),
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
    /// The change is refused: the load balancer stays as it was created.
    Refused,
    /// It stays as it is, or gets all that has changed meanwhile.
    Pauses,
    /// Nothing before the end of the management.
    CountsAtTheEnd,
    /// Nothing: the annotation is written by this program, which restores it.
    Restored,
}

impl About {
    /// The problem of this value, or of the missing annotation.
    pub(super) fn problem(&self, value: Option<&str>) -> Problem {
        self.problem_of(self.name, value)
    }

    fn problem_of(&self, name: &str, value: Option<&str>) -> Problem {
        Problem {
            kind: ProblemKind::Invalid,
            subject: Subject::annotation(name),
            value: value.map(str::to_owned),
            rule: self.rule_in_words(),
            example: format!("{:?}", self.example),
        }
    }

    /// The rule as a part of a message.
    pub fn rule_in_words(&self) -> String {
        format!("it must be {}", self.rule.replace('`', "'"))
    }

    /// The name of the annotation for one port of a Service.
    pub fn name_of_port(&self, port: &str) -> String {
        format!("{port}.{}", self.name)
    }

    /// The names under which a Service with these ports may have it.
    pub(super) fn names<'a>(
        &'a self,
        ports: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = Cow<'a, str>> {
        let of_ports = ports.filter(|port| self.per_port && !port.is_empty());
        let of_ports = of_ports.map(|port| self.name_of_port(port).into());
        std::iter::once(self.name.into()).chain(of_ports)
    }
}

impl<T> Annotation<T> {
    /// Without our prefix.
    pub const fn name(&self) -> &'static str {
        self.about.name
    }

    /// A text as a value; `None` if it breaks the rule.
    pub fn parse(&self, text: &str) -> Option<T> {
        (self.parse)(text)
    }

    /// The value among the annotations of a Service, or the default; `None` if neither is
    /// there.
    ///
    /// # Errors
    /// The value breaks the rule, or the annotation is required and missing.
    pub fn optional(&self, annotations: &BTreeMap<String, String>) -> Result<Option<T>, Problem> {
        self.read(annotations, self.name())
    }

    /// The value for one port: its own, or that of the Service, or the default.
    ///
    /// # Errors
    /// As [`optional`](Self::optional).
    pub fn of_port(
        &self,
        annotations: &BTreeMap<String, String>,
        port: &str,
    ) -> Result<Option<T>, Problem> {
        self.read(annotations, &self.found_name(annotations, port))
    }

    /// The problem of a value that is valid by itself: what it contradicts.
    pub(super) fn contradiction(
        &self,
        annotations: &BTreeMap<String, String>,
        port: &str,
        rule: &str,
    ) -> Problem {
        let name = self.found_name(annotations, port);
        let value = annotations.get(&*name).map(String::as_str);
        Problem {
            rule: rule.to_owned(),
            ..self.about.problem_of(&name, value)
        }
    }

    /// The name under which a port has its value.
    fn found_name(&self, annotations: &BTreeMap<String, String>, port: &str) -> Cow<'static, str> {
        let own = self.about.name_of_port(port);
        match annotations.contains_key(&own) {
            true => own.into(),
            false => self.name().into(),
        }
    }

    fn read(
        &self,
        annotations: &BTreeMap<String, String>,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let found = annotations.get(name).map(String::as_str);
        let value = match (found, self.about.when_absent) {
            (Some(found), _) => found,
            (None, WhenAbsent::Value(default)) => default,
            (None, WhenAbsent::Means(_)) => return Ok(None),
            (None, WhenAbsent::Invalid) => return Err(self.about.problem_of(name, None)),
        };
        let parsed = (self.parse)(value).map(Some);
        parsed.ok_or_else(|| self.about.problem_of(name, Some(value)))
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

    /// As [`of_port`](Self::of_port), for an annotation with a default.
    ///
    /// # Errors
    /// As [`optional`](Self::optional).
    pub fn value_of_port(
        &self,
        annotations: &BTreeMap<String, String>,
        port: &str,
    ) -> Result<T, Problem> {
        Ok(self.of_port(annotations, port)?.unwrap_or_default())
    }
}

/// Whether a name has its prefix; the names of ours have none here.
pub(super) fn is_full_name(name: &str) -> bool {
    name.contains('/')
}

/// Whether this is the full name of an annotation that others define and this program reads.
pub fn is_of_others(annotation: &str) -> bool {
    is_full_name(annotation) && ALL.iter().any(|known| known.name == annotation)
}

/// The rule of `provider`, with the clouds of the configuration.
pub fn rule_of_clouds(configured: &[&str]) -> String {
    format!(
        "it must be one or more of {}, separated by commas",
        configured.join(", ")
    )
}

/// The message about the unknown annotations among those with our prefix; `None` if all
/// are known. It names the first ones and the number of the others. `ports` are the names of
/// the ports of the Service.
pub fn describe_unknown<'a>(
    names: impl Iterator<Item = &'a String>,
    ports: impl Iterator<Item = &'a str> + Clone,
    prefix: &str,
) -> Option<String> {
    let known = || ALL.iter().flat_map(|about| about.names(ports.clone()));
    let is_unknown = |name: &&String| !known().any(|known| known == **name);
    let unknown: Vec<&String> = names.filter(is_unknown).collect();
    let full = |name: &str| excerpt::message(&format!("{prefix}/{name}"), NAME_LIMIT).into_owned();
    let nearest = |name: &str| {
        // That of another prefix is not meant.
        let ours = known().filter(|known| !is_full_name(known));
        let nearest = ours.min_by_key(|known| strsim::levenshtein(name, known));
        nearest.unwrap_or_default()
    };
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

#[cfg(test)]
mod tests;
