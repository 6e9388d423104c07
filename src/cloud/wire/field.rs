//! The fields of a response. Each is read by itself, so that a value that this program does
//! not know costs its field only.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::cloud::body::excerpt;
use crate::cloud::bounds;

/// The JSON of a field; `None` if it is missing or null, which mean the same: a cloud
/// written in Go sends null for an empty list.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// What a response says of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<T> {
    Nothing,
    Value(T),
    /// A value that this program does not know, such as a protocol of a later API.
    Unknown,
}

impl<'a, T: Deserialize<'a>> From<Field<'a>> for Shown<T> {
    fn from(field: Field<'a>) -> Self {
        match field.map(|json| serde_json::from_str(json.get())) {
            None => Self::Nothing,
            Some(Ok(value)) => Self::Value(value),
            Some(Err(_)) => Self::Unknown,
        }
    }
}

impl<T> Shown<T> {
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    pub(super) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Shown<U> {
        match self {
            Self::Nothing => Shown::Nothing,
            Self::Value(value) => Shown::Value(convert(value)),
            Self::Unknown => Shown::Unknown,
        }
    }

    /// The value, or the default if the response shows none that is known.
    pub(super) fn unwrap_or_default(self) -> T
    where
        T: Default,
    {
        self.or_assumed(T::default())
    }

    /// The value, or the assumed one if the response shows nothing. One that is not known
    /// is the default, as in the response to a query.
    pub(super) fn or_assumed(self, assumed: T) -> T
    where
        T: Default,
    {
        match self {
            Self::Value(value) => value,
            Self::Nothing => assumed,
            Self::Unknown => T::default(),
        }
    }
}

/// A text; an empty one means the same as a missing field.
pub(super) fn text(field: Field<'_>) -> Shown<String> {
    match Shown::from(field) {
        Shown::Value(text) if String::is_empty(&text) => Shown::Nothing,
        shown => shown,
    }
}

/// The back ends of a load balancer.
#[derive(Debug, Default)]
pub(super) struct BackEnds {
    pub(super) addresses: Vec<IpAddr>,
    /// Whether an entry is not an IP address, such as the name of a virtual machine.
    pub(super) has_others: bool,
}

impl<'de> Deserialize<'de> for BackEnds {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = BackEnds;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of addresses")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BackEnds, A::Error> {
                let mut back_ends = BackEnds::default();
                while let Some(entry) = list.next_element::<&RawValue>()? {
                    match serde_json::from_str(entry.get()) {
                        Ok(address) => back_ends.addresses.push(address),
                        Err(_) => back_ends.has_others = true,
                    }
                }
                Ok(back_ends)
            }
        }
        json.deserialize_seq(Entries)
    }
}

/// The first texts of a list, and the number of all.
#[derive(Debug, Default)]
pub(super) struct FirstTexts {
    /// At most [`bounds::ADDRESSES`]. An entry that is not a text is the excerpt of its JSON.
    pub(super) texts: Vec<String>,
    pub(super) total: usize,
}

impl<'de> Deserialize<'de> for FirstTexts {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = FirstTexts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstTexts, A::Error> {
                let mut first = FirstTexts::default();
                while first.total < bounds::ADDRESSES
                    && let Some(entry) = list.next_element::<&RawValue>()?
                {
                    first.total += 1;
                    let text = serde_json::from_str(entry.get());
                    let json = |_| excerpt(entry.get().as_bytes());
                    first.texts.push(text.unwrap_or_else(json));
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    first.total += 1;
                }
                Ok(first)
            }
        }
        json.deserialize_seq(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("JSON")
    }

    #[test]
    fn a_value_that_is_not_known_is_told_from_one_that_is_missing() {
        let number = raw("0.5");
        assert_eq!(Shown::<u32>::from(Some(&*number)), Shown::Unknown);
        assert_eq!(Shown::<u32>::from(None), Shown::Nothing);
        assert_eq!(text(Some(&raw(r#""""#))), Shown::Nothing);
        assert_eq!(text(Some(&raw(r#""a""#))), Shown::Value("a".to_owned()));
        assert_eq!(text(Some(&number)), Shown::Unknown);
    }

    #[test]
    fn a_back_end_by_name_costs_no_other() {
        let back_ends: BackEnds =
            serde_json::from_str(r#"["10.0.0.1","vm-7",3,"10.0.0.2"]"#).expect("a list");
        assert_eq!(back_ends.addresses.len(), 2);
        assert!(back_ends.has_others);
    }

    #[test]
    fn of_many_addresses_only_the_first_are_kept() {
        let many = format!("[{}1]", "\"192.0.2.1\",".repeat(60_000));
        let first: FirstTexts = serde_json::from_str(&many).expect("a list");
        assert_eq!(
            (first.texts.len(), first.total),
            (bounds::ADDRESSES, 60_001)
        );
    }
}
