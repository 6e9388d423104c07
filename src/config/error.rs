//! Errors in the command line or the file, one line for each.

use std::fmt;

/// The location of an error. Flags come before the file; the file is in the order of
/// its lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A flag, with its dashes.
    Flag(&'static str),
    /// A file that cannot be read.
    File(String),
    /// A field of the file.
    Field {
        /// The path of the file as typed.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The path of the field (`clouds[1].endpoint`); empty for the document itself.
        path: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => formatter.write_str(flag),
            Self::File(file) => formatter.write_str(file),
            Self::Field { file, line, path } if path.is_empty() => {
                write!(formatter, "{file}:{line}")
            }
            Self::Field { file, line, path } => write!(formatter, "{file}:{line}: {path}"),
        }
    }
}

/// One error: its location, the invalid value, and the rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    pub place: Location,
    /// The value in quotes, or a description of it: `nothing`, `a list`, …
    pub found: String,
    /// A description of the valid values.
    pub rule: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, found, rule } = self;
        write!(formatter, "{place}: found {found}: {rule}")
    }
}

/// All errors of the flags and the file, one line for each; never empty when it is
/// returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn add(
        &mut self,
        place: Location,
        found: impl Into<String>,
        rule: impl Into<String>,
    ) {
        self.0.push(ConfigError {
            place,
            found: found.into(),
            rule: rule.into(),
        });
    }

    /// Returns `value` if there are no errors, otherwise all errors in order.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        Err(self)
    }

    /// The number of errors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors: flags first, then the file from top to bottom.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Checks a text by a rule; a violation is added with `place`.
    pub(super) fn check<T>(
        &mut self,
        place: Location,
        text: &str,
        rule: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match rule(text) {
            Ok(value) => Some(value),
            Err(violation) => {
                let found = violation.shown.unwrap_or_else(|| quote(text));
                self.add(place, found, violation.rule);
                None
            }
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            error.fmt(formatter)?;
        }
        Ok(())
    }
}

/// The rule that a value breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// A description of the valid values.
    pub rule: String,
    /// The text to show instead of a value that may contain a secret.
    pub shown: Option<String>,
}

impl Violation {
    pub fn new(rule: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            shown: None,
        }
    }
}

/// The value in quotes, on one line, cut to a readable length.
pub(super) fn quote(text: &str) -> String {
    const LIMIT: usize = 100;
    if text.chars().count() > LIMIT {
        let start: String = text.chars().take(LIMIT).collect();
        return format!("{start:?}…");
    }
    format!("{text:?}")
}
