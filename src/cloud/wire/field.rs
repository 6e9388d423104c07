//! The fields of a response. Each is read by itself, so that a value that this program does
//! not know costs its field only.

use std::fmt;
use std::marker::PhantomData;
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

    /// The same; a value that is not known says nothing if the cloud lacks the feature of the
    /// field.
    pub(super) fn unless_lacking(self, has_feature: bool) -> Self {
        match self {
            Self::Unknown if !has_feature => Self::Nothing,
            shown => shown,
        }
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

/// The value of a closed set that a text names, in whatever case: a cloud may write `tcp` for
/// `TCP`, and the same in its answer to what was sent.
pub(super) fn named<T: Copy>(text: &str, all: &[T], name_of: fn(T) -> &'static str) -> Option<T> {
    let mut all = all.iter().copied();
    all.find(|one| name_of(*one).eq_ignore_ascii_case(text))
}

/// A value of a closed set ([`named`]).
pub(super) fn word<T: Copy>(
    field: Field<'_>,
    all: &[T],
    name_of: fn(T) -> &'static str,
) -> Shown<T> {
    match text(field) {
        Shown::Value(text) => named(&text, all, name_of).map_or(Shown::Unknown, Shown::Value),
        Shown::Nothing => Shown::Nothing,
        Shown::Unknown => Shown::Unknown,
    }
}

/// Values of a closed set ([`named`]).
pub(super) fn words<T: Copy, C: FromIterator<T>>(
    field: Field<'_>,
    all: &[T],
    name_of: fn(T) -> &'static str,
) -> Shown<C> {
    match Shown::<Vec<String>>::from(field) {
        Shown::Value(texts) => {
            let values = texts.iter().map(|text| named(text, all, name_of));
            let values: Option<C> = values.collect();
            values.map_or(Shown::Unknown, Shown::Value)
        }
        Shown::Nothing => Shown::Nothing,
        Shown::Unknown => Shown::Unknown,
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

/// An entry of a list that is read whatever it is.
pub(super) trait Entry: Sized {
    fn read(json: &RawValue) -> Self;
}

/// A text, or the excerpt of the JSON of something else.
impl Entry for String {
    fn read(json: &RawValue) -> Self {
        serde_json::from_str(json.get()).unwrap_or_else(|_| excerpt(json.get().as_bytes()))
    }
}

/// The first entries of a list of addresses, and the number of the others.
#[derive(Debug)]
pub(super) struct First<T> {
    /// At most [`bounds::ADDRESSES`].
    pub(super) entries: Vec<T>,
    pub(super) others: usize,
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            others: 0,
        }
    }
}

impl<'de, T: Entry> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Entry> Visitor<'de> for Entries<T> {
            type Value = First<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of addresses")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
                let mut first = First::default();
                while first.entries.len() < bounds::ADDRESSES
                    && let Some(entry) = list.next_element::<&RawValue>()?
                {
                    first.entries.push(T::read(entry));
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    first.others += 1;
                }
                Ok(first)
            }
        }
        json.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::node_addresses::IpFamily;

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
    fn words_of_a_closed_set_are_read_in_any_case() {
        let read = |json: &str| word(Some(&raw(json)), &IpFamily::ALL, IpFamily::as_str);
        for json in [r#""IPv6""#, r#""ipv6""#, r#""IPV6""#] {
            assert_eq!(read(json), Shown::Value(IpFamily::V6), "{json}");
        }
        assert_eq!(read(r#""""#), Shown::Nothing);
        for json in [r#""IPv8""#, r#"" IPv6""#, "6"] {
            assert_eq!(read(json), Shown::Unknown, "{json}");
        }
        let all = |json: &str| -> Shown<Vec<IpFamily>> {
            words(Some(&raw(json)), &IpFamily::ALL, IpFamily::as_str)
        };
        let both = vec![IpFamily::V6, IpFamily::V4];
        assert_eq!(all(r#"["ipv6","IPV4"]"#), Shown::Value(both));
        assert_eq!(all(r#"["ipv6","IPv8"]"#), Shown::Unknown);
        assert_eq!(all("6"), Shown::Unknown);
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
        let first: First<String> = serde_json::from_str(&many).expect("a list");
        assert_eq!(first.entries.len(), bounds::ADDRESSES);
        assert_eq!(first.entries.len() + first.others, 60_001);
    }
}
