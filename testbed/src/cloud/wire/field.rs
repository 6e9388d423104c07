//! Fields of requests, read as the document describes them.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The largest number up to which all whole numbers are floats.
const LARGEST: f64 = (1_u64 << 53) as f64;

/// Reads a field that is there. It must have a value: null is none.
pub(in crate::cloud) fn given<'de, D, T>(json: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(json).map(Some)
}

/// Reads an object. Derived readers also read a list, by the order of their fields.
pub(in crate::cloud) fn object<'de, D, T>(json: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Map::deserialize(json).and_then(read).map(Some)
}

/// Reads a list of objects.
pub(in crate::cloud) fn objects<'de, D, T>(json: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let list = Vec::<Map<String, Value>>::deserialize(json)?;
    list.into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn read<T: DeserializeOwned, E: Error>(object: Map<String, Value>) -> Result<T, E> {
    serde_json::from_value(Value::Object(object)).map_err(E::custom)
}

/// Reads a whole number. In JSON, `80.0` is one too.
pub(in crate::cloud) fn whole<'de, D>(json: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    let value = Value::deserialize(json)?;
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() <= LARGEST;
    // Cannot lose anything: it is whole and within the bounds.
    let rounded = value.as_f64().filter(is_whole).map(|number| number as i64);
    let number = value.as_i64().or(rounded);
    let number = number.ok_or_else(|| D::Error::custom(format!("{value} is no whole number")));
    number.map(Some)
}
