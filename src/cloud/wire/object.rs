//! A JSON object, and nothing else.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A value that is read from a JSON object. Derived readers also read a list, by the order
/// of their fields: `["gone", "NotFound"]` would count as the answer that there is no load
/// balancer, and a list of four texts as an owner.
#[derive(Debug)]
pub(in crate::cloud) struct Object<T>(pub(in crate::cloud) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(OnlyMap(PhantomData)).map(Self)
    }
}

struct OnlyMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Body {
        err: String,
    }

    #[test]
    fn a_list_is_no_object() {
        let read = serde_json::from_str::<Object<Body>>;
        assert_eq!(read(r#"{"err": "x", "more": []}"#).expect("one").0.err, "x");
        assert!(read(r#"["x"]"#).is_err());
        assert!(read("null").is_err() && read("[]").is_err());
    }
}
