//! A page of a list, read item by item: no item is in memory with another, and none that
//! is not kept costs memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::cloud::bounds;

/// Reads a page: calls `take` with each item, and returns the token of the next page, if
/// there is one.
///
/// # Errors
/// The page does not match the API, has too many items, or `take` failed.
pub(in crate::cloud) fn read_page(
    body: &[u8],
    take: impl FnMut(&RawValue) -> Result<(), String>,
) -> Result<Option<String>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let token = Page(take).deserialize(&mut json)?;
    json.end()?;
    Ok(token.filter(|token| !token.is_empty()))
}

struct Page<F>(F);

impl<'de, F: FnMut(&RawValue) -> Result<(), String>> DeserializeSeed<'de> for Page<F> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&RawValue) -> Result<(), String>> Visitor<'de> for Page<F> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a page of a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut token = None;
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "items" => fields.next_value_seed(Items(&mut self.0))?,
                "nextPageToken" => token = fields.next_value::<Option<String>>()?,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        if token
            .as_ref()
            .is_some_and(|token| token.len() > bounds::PAGE_TOKEN)
        {
            let most = bounds::PAGE_TOKEN;
            return Err(A::Error::custom(format!(
                "a page token of more than {most} bytes"
            )));
        }
        Ok(token)
    }
}

struct Items<'f, F>(&'f mut F);

impl<'de, F: FnMut(&RawValue) -> Result<(), String>> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&RawValue) -> Result<(), String>> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of load balancers")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(item) = items.next_element::<&RawValue>()? {
            count += 1;
            if count > bounds::PAGE_ITEMS {
                let most = bounds::PAGE_ITEMS;
                return Err(A::Error::custom(format!(
                    "a page of more than {most} items"
                )));
            }
            (self.0)(item).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
