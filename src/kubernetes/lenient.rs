//! Reads JSON of any shape. A value that has another shape than expected counts as missing,
//! so that one odd field costs neither its object nor the list around it. (kube reads a
//! list as a whole: an error in one object would hide all of them.)
//!
//! Where a missing value would be a decision, such as "no load balancer is wanted", the
//! functions with `_field` in their name also tell that the value is odd.

use std::marker::PhantomData;

use k8s_openapi::jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that was read, and whether its JSON has another shape than expected. The value
/// is then the default, or the readable part of a list. `null` counts as missing, as in Go.
#[derive(Clone, Debug, Default)]
pub(super) struct Field<T> {
    pub(super) value: T,
    pub(super) is_odd: bool,
}

impl<T> Field<T> {
    /// The value; adds the name of the field to `odd` if it is odd.
    pub(super) fn read(self, name: &'static str, odd: &mut Vec<&'static str>) -> T {
        if self.is_odd {
            odd.push(name);
        }
        self.value
    }
}

/// Reads a text.
pub(super) fn text_field<'de, D>(json: D) -> Result<Field<Option<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Shaped::deserialize(json)?.optional())
}

/// Reads a text; `None` for anything else.
pub(super) fn text<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    Ok(text_field(json)?.value)
}

/// Reads an integer.
pub(super) fn integer_field<'de, D>(json: D) -> Result<Field<Option<i64>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Shaped::deserialize(json)?.optional())
}

/// Reads a time. One that Go admits and [`Timestamp`] does not, such as one in the year
/// 10000, is odd.
pub(super) fn time_field<'de, D>(json: D) -> Result<Field<Option<Timestamp>>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = text_field(json)?;
    let value: Option<Timestamp> = text.value.as_ref().and_then(|time| time.parse().ok());
    let is_odd = text.is_odd || text.value.is_some() && value.is_none();
    Ok(Field { value, is_odd })
}

/// Reads a time; `None` for anything else.
pub(super) fn time<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(time_field(json)?.value)
}

/// Reads a deletionTimestamp. The object is being deleted even if the time is one that
/// [`Timestamp`] does not admit; it then counts as far in the future.
pub(super) fn deletion_field<'de, D>(json: D) -> Result<Field<Option<Timestamp>>, D::Error>
where
    D: Deserializer<'de>,
{
    let time = text_field(json)?;
    let value = time.value.map(|time| time.parse().ok());
    let value = value.map(|time| time.unwrap_or(Timestamp::MAX));
    let is_odd = time.is_odd;
    Ok(Field {
        value: value.or(is_odd.then_some(Timestamp::MAX)),
        is_odd,
    })
}

/// Reads an object whose fields are read leniently too.
pub(super) fn object_field<'de, D, T>(json: D) -> Result<Field<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let object = json.deserialize_any(AnyShape::<Object<T>>(PhantomData))?;
    Ok(object.0.field())
}

/// Reads an object whose fields are read leniently too; the default for anything else.
pub(super) fn object<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(object_field(json)?.value)
}

/// Reads the objects of a list. It is odd if one of them is.
pub(super) fn objects_field<'de, D, T>(json: D) -> Result<Field<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    objects_up_to::<D, T, { usize::MAX }>(json)
}

/// Reads the objects of a list, of a longer one only `MOST` and one more.
pub(super) fn objects_up_to<'de, D, T, const MOST: usize>(
    json: D,
) -> Result<Field<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = json.deserialize_any(AnyShape::<List<Object<T>, MOST>>(PhantomData))?;
    Ok(list.0.field().readable(|element| match element.0 {
        Shaped::Is(object) => Some(object),
        Shaped::Missing | Shaped::Odd => None,
    }))
}

/// Reads the objects of a list; empty for anything else.
pub(super) fn objects<'de, D, T>(json: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(objects_field(json)?.value)
}

/// Reads the texts of a list. It is odd if one of them is.
pub(super) fn texts_field<'de, D>(json: D) -> Result<Field<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    texts_up_to::<D, { usize::MAX }>(json)
}

/// Reads the texts of a list, of a longer one only `MOST` and one more.
pub(super) fn texts_up_to<'de, D, const MOST: usize>(
    json: D,
) -> Result<Field<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let list = json.deserialize_any(AnyShape::<List<Shaped<String>, MOST>>(PhantomData))?;
    Ok(list.0.field().readable(|element| match element {
        Shaped::Is(text) => Some(text),
        Shaped::Missing | Shaped::Odd => None,
    }))
}

impl<T> Field<Vec<T>> {
    /// The readable elements.
    fn readable<U>(self, read: impl Fn(T) -> Option<U>) -> Field<Vec<U>> {
        let all = self.value.len();
        let value: Vec<U> = self.value.into_iter().filter_map(read).collect();
        Field {
            is_odd: self.is_odd || value.len() < all,
            value,
        }
    }
}

/// The needed entries of an object with arbitrary keys, such as annotations.
pub(super) trait Entries: Default {
    /// Whether the value of this key is needed; the others are skipped without a copy.
    fn needs(key: &str) -> bool;

    /// Adds an entry; returns whether its value could be read.
    fn insert(&mut self, key: String, value: Shaped<String>) -> bool;
}

/// Reads the entries of an object that are needed. It is odd if one of them is.
pub(super) fn entries_field<'de, D, T>(json: D) -> Result<Field<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Entries,
{
    let entries = json.deserialize_any(AnyShape::<Needed<T>>(PhantomData))?;
    let Needed { entries, is_odd } = entries;
    Ok(Field {
        value: entries,
        is_odd,
    })
}

/// Reads the entries of an object that are needed; none for anything else.
pub(super) fn entries<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Entries,
{
    Ok(entries_field(json)?.value)
}

/// What was found where a value of one shape is expected.
#[derive(Default)]
pub(super) enum Shaped<T> {
    #[default]
    Missing,
    Odd,
    Is(T),
}

impl<T: Default> Shaped<T> {
    fn field(self) -> Field<T> {
        let is_odd = matches!(self, Self::Odd);
        let value = match self {
            Self::Is(value) => value,
            Self::Missing | Self::Odd => T::default(),
        };
        Field { value, is_odd }
    }
}

impl<T> Shaped<T> {
    fn optional(self) -> Field<Option<T>> {
        let is_odd = matches!(self, Self::Odd);
        let value = match self {
            Self::Is(value) => Some(value),
            Self::Missing | Self::Odd => None,
        };
        Field { value, is_odd }
    }
}

impl<'de> Shape<'de> for Shaped<String> {
    fn odd() -> Self {
        Self::Odd
    }

    fn from_text(text: &str) -> Self {
        Self::Is(text.to_owned())
    }
}

impl<'de> Shape<'de> for Shaped<i64> {
    fn odd() -> Self {
        Self::Odd
    }

    fn from_integer(number: i64) -> Self {
        Self::Is(number)
    }
}

impl<'de, T> Deserialize<'de> for Shaped<T>
where
    Self: Shape<'de>,
{
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(AnyShape(PhantomData))
    }
}

/// A type that is read from any JSON: the default from `null`, [`Shape::odd`] from any other
/// JSON than the one that it expects. What is not expected is skipped, never built: JSON
/// that is nested too deeply for serde_json to build would otherwise be an error.
trait Shape<'de>: Default {
    fn odd() -> Self;

    fn from_text(_: &str) -> Self {
        Self::odd()
    }

    fn from_integer(_: i64) -> Self {
        Self::odd()
    }

    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::odd())
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::odd())
    }
}

struct Object<T>(Shaped<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(Shaped::Missing)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Object<T> {
    fn odd() -> Self {
        Self(Shaped::Odd)
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let object = T::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Self(Shaped::Is(object)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(AnyShape(PhantomData))
    }
}

/// At most `MOST` elements and one more, which tells that there are more.
struct List<T, const MOST: usize>(Shaped<Vec<T>>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Shaped::Missing)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Shape<'de> for List<T, MOST> {
    fn odd() -> Self {
        Self(Shaped::Odd)
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= MOST
            && let Some(element) = list.next_element()?
        {
            elements.push(element);
        }
        if elements.len() > MOST {
            while list.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(Self(Shaped::Is(elements)))
    }
}

#[derive(Default)]
struct Needed<T> {
    entries: T,
    is_odd: bool,
}

impl<'de, T: Entries> Shape<'de> for Needed<T> {
    fn odd() -> Self {
        Self {
            entries: T::default(),
            is_odd: true,
        }
    }

    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut needed = Self::default();
        while let Some(key) = map.next_key::<String>()? {
            if T::needs(&key) {
                let is_readable = needed.entries.insert(key, map.next_value()?);
                needed.is_odd |= !is_readable;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(needed)
    }
}

struct AnyShape<T>(PhantomData<T>);

impl<'de, T: Shape<'de>> Visitor<'de> for AnyShape<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::odd())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Ok(T::from_integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::odd(), T::from_integer))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::odd())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(text))
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
