//! One mapping of the file: its fields by name, and their errors.

use std::collections::BTreeMap;

use super::error::{ConfigErrors, Location, Violation};
use super::yaml::{Content, Field, Node};
use crate::plan::excerpt;

/// Maximum size in bytes of the name of a field in an error.
const NAME_LIMIT: usize = 100;

/// The fields of a mapping, by name.
pub struct Fields<'node> {
    file: &'node str,
    /// The path before the names of the fields: empty, or `clouds[1].`.
    prefix: String,
    line: u64,
    fields: BTreeMap<&'node str, &'node Node>,
}

impl<'node> Fields<'node> {
    /// Reads the mapping at `path` of `file`. Unknown and repeated fields are errors and
    /// are left out. `None` if the node is not a mapping, which is an error too.
    pub fn open(
        file: &'node str,
        path: &str,
        node: &'node Node,
        known: &[&str],
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let mut section = Self {
            file,
            prefix: if path.is_empty() {
                String::new()
            } else {
                format!("{path}.")
            },
            line: node.line,
            fields: BTreeMap::new(),
        };
        match &node.content {
            Content::Nothing => {}
            Content::Mapping(fields) => {
                for field in fields {
                    section.insert(field, known, errors);
                }
            }
            other => {
                let place = Location::Field {
                    file: file.to_owned(),
                    line: node.line,
                    path: path.to_owned(),
                };
                errors.add(place, describe(other), "it must be a mapping of fields");
                return None;
            }
        }
        Some(section)
    }

    fn insert(&mut self, field: &'node Field, known: &[&str], errors: &mut ConfigErrors) {
        let place = |section: &Self| section.place_at(field.line, &field.name);
        if !known.contains(&field.name.as_str()) {
            let rule = format!("the fields here are {}", known.join(", "));
            errors.add(place(self), "an unknown field", rule);
        } else if self.fields.contains_key(field.name.as_str()) {
            errors.add(
                place(self),
                "a repeated field",
                "a field may appear only once",
            );
        } else {
            self.fields.insert(&field.name, &field.value);
        }
    }

    fn place_at(&self, line: u64, name: &str) -> Location {
        Location::Field {
            file: self.file.to_owned(),
            line,
            // An unknown name may have line breaks, and any length.
            path: format!("{}{}", self.prefix, excerpt::message(name, NAME_LIMIT)),
        }
    }

    /// The location of the field, or of the mapping that lacks it.
    pub fn place(&self, name: &str) -> Location {
        let line = self.fields.get(name).map_or(self.line, |node| node.line);
        self.place_at(line, name)
    }

    /// The text of a scalar. `None` if the field is absent, empty (`field:`) or not a
    /// scalar, which is an error.
    pub fn text(&self, name: &str, errors: &mut ConfigErrors) -> Option<&'node str> {
        match &self.fields.get(name)?.content {
            Content::Nothing => None,
            Content::Scalar(text) => Some(text),
            other => {
                errors.add(self.place(name), describe(other), "it must be one value");
                None
            }
        }
    }

    /// The value of the field by its rule. `None` as for [`Fields::text`], or if the text
    /// violates the rule.
    pub fn read<T>(
        &self,
        name: &str,
        rule: impl FnOnce(&str) -> Result<T, Violation>,
        errors: &mut ConfigErrors,
    ) -> Option<T> {
        let text = self.text(name, errors)?;
        errors.check(self.place(name), text, rule)
    }

    /// Like [`Fields::read`], but the empty text also means "none".
    pub fn read_unless_empty<T>(
        &self,
        name: &str,
        rule: impl FnOnce(&str) -> Result<T, Violation>,
        errors: &mut ConfigErrors,
    ) -> Option<T> {
        let text = self.text(name, errors)?;
        if text.is_empty() {
            return None;
        }
        errors.check(self.place(name), text, rule)
    }

    /// The values of a list of scalars, by their rule. A value that violates it is an error
    /// and is left out; an absent or empty field is an empty list.
    pub fn read_list<T>(
        &self,
        name: &str,
        rule: impl Fn(&str) -> Result<T, Violation>,
        errors: &mut ConfigErrors,
    ) -> Vec<T> {
        let mut values = Vec::new();
        let items = self.list(name, errors).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let place = self.place_at(item.line, &format!("{name}[{index}]"));
            match &item.content {
                Content::Scalar(text) => values.extend(errors.check(place, text, &rule)),
                other => errors.add(place, describe(other), "it must be one value"),
            }
        }
        values
    }

    /// The items of a list. `None` as for [`Fields::text`].
    pub fn list(&self, name: &str, errors: &mut ConfigErrors) -> Option<&'node [Node]> {
        match &self.fields.get(name)?.content {
            Content::Nothing => None,
            Content::List(items) => Some(items),
            other => {
                errors.add(self.place(name), describe(other), "it must be a list");
                None
            }
        }
    }
}

fn describe(content: &Content) -> String {
    match content {
        Content::Nothing => "nothing".into(),
        Content::Scalar(text) => super::error::quote(text),
        Content::List(_) => "a list".into(),
        Content::Mapping(_) => "a mapping".into(),
    }
}
