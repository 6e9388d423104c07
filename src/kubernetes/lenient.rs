//! Reads JSON of any shape. A value that has another shape than expected counts as missing,
//! so that one odd field costs neither its object nor the list around it. (kube reads a
//! list as a whole: an error in one object would hide all of them.)

use std::marker::PhantomData;

use k8s_openapi::jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a text; `None` for anything else.
pub(super) fn text<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(json)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// Reads an integer; `None` for anything else.
pub(super) fn integer<'de, D: Deserializer<'de>>(json: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(json)?.as_i64())
}

/// Reads a time; `None` for anything else, also for a time that Go admits and [`Timestamp`]
/// does not, such as one in the year 10000.
pub(super) fn time<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(text(json)?.and_then(|time| time.parse().ok()))
}

/// Reads a deletionTimestamp. The object is being deleted even if the time is unreadable;
/// it then counts as far in the future.
pub(super) fn deletion<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(match Value::deserialize(json)? {
        Value::Null => None,
        Value::String(time) => Some(time.parse().unwrap_or(Timestamp::MAX)),
        _ => Some(Timestamp::MAX),
    })
}

/// Reads an object whose fields are read leniently too; the default for anything else.
pub(super) fn object<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let object = json.deserialize_any(AnyShape::<Object<T>>(PhantomData))?;
    Ok(object.0.unwrap_or_default())
}

/// Reads the objects of a list; empty for anything else.
pub(super) fn objects<'de, D, T>(json: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = json.deserialize_any(AnyShape::<List<Object<T>>>(PhantomData))?;
    Ok(list.0.into_iter().filter_map(|element| element.0).collect())
}

/// Reads the texts of a list; empty for anything else.
pub(super) fn texts<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<String>, D::Error> {
    let list = json.deserialize_any(AnyShape::<List<Value>>(PhantomData))?;
    let texts = list.0.into_iter().filter_map(|element| match element {
        Value::String(text) => Some(text),
        _ => None,
    });
    Ok(texts.collect())
}

/// The needed entries of an object with arbitrary keys, such as annotations.
pub(super) trait Entries: Default {
    /// Whether the value of this key is needed; the others are skipped without a copy.
    fn needs(key: &str) -> bool;

    fn insert(&mut self, key: String, value: Value);
}

/// Reads the entries of an object that are needed; none for anything else.
pub(super) fn entries<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Entries,
{
    let entries = json.deserialize_any(AnyShape::<Needed<T>>(PhantomData))?;
    Ok(entries.0)
}

/// A type that is read from any JSON; from all that is neither a map nor a list, it is the
/// default.
trait Shape<'de>: Default {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct Object<T>(Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Object<T> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let object = T::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Self(Some(object)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(AnyShape(PhantomData))
    }
}

struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for List<T> {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Self(elements))
    }
}

#[derive(Default)]
struct Needed<T>(T);

impl<'de, T: Entries> Shape<'de> for Needed<T> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut entries = T::default();
        while let Some(key) = map.next_key::<String>()? {
            if T::needs(&key) {
                entries.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Self(entries))
    }
}

struct AnyShape<T>(PhantomData<T>);

impl<'de, T: Shape<'de>> Visitor<'de> for AnyShape<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list)
    }
}
