//! The tags of a load balancer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Maximum number of tags in an annotation, and of default tags: both together are within
/// the 50 of the strictest of the large clouds.
const TAGS: usize = 20;
/// Maximum length of a key in bytes.
const KEY: usize = 63;
/// Maximum length of a value in bytes.
const VALUE: usize = 128;

/// The tags that this program gives a load balancer, by key. Those that others give it are none
/// of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Reads `key=value`, separated by commas; an empty text has none. `None` if it breaks the
    /// rule of the annotation `tags`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut tags = BTreeMap::new();
        let texts = text.split(',').map(str::trim);
        for tag in texts.filter(|_| !text.trim().is_empty()) {
            let (key, value) = tag.split_once('=')?;
            let (key, value) = (key.trim(), value.trim());
            let is_new = tags.insert(key.to_owned(), value.to_owned()).is_none();
            if !(is_new && is_key(key) && is_value(value)) {
                return None;
            }
        }
        (tags.len() <= TAGS).then_some(Self(tags))
    }

    /// These tags, and those of `others` that have other keys.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (key, value) in &others.0 {
            let own = self.0.entry(key.clone());
            own.or_insert_with(|| value.clone());
        }
        self
    }

    /// The keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.0.iter();
        tags.map(|(key, value)| (&**key, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_key(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    (1..=KEY).contains(&key.len()) && key.bytes().all(is_plain)
}

fn is_value(value: &str) -> bool {
    value.len() <= VALUE && value.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let tags = Tags::parse(text)?.0.into_iter();
        let tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
        Some(tags.join(","))
    }

    #[test]
    fn tags_are_keys_and_values() {
        let long_key = format!("{}=", "k".repeat(KEY));
        let long_value = format!("k={}", "v".repeat(VALUE));
        let many: Vec<String> = (10..10 + TAGS).map(|index| format!("k{index}=")).collect();
        let many = many.join(",");
        let good = [
            ("", ""),
            (" ", ""),
            ("team=web", "team=web"),
            (" b=2 , a = 1", "a=1,b=2"),
            ("example.com/a-b_c=", "example.com/a-b_c="),
            ("url=https://x/?a=b", "url=https://x/?a=b"),
            (&long_key, &long_key),
            (&long_value, &long_value),
            (&many, &many),
        ];
        for (text, expected) in good {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_none_is_told() {
        let long_key = format!("{}=", "k".repeat(KEY + 1));
        let long_value = format!("k={}", "v".repeat(VALUE + 1));
        let many: Vec<String> = (0..=TAGS).map(|index| format!("k{index}=")).collect();
        let many = many.join(",");
        let bad = [
            "team",
            "=web",
            "a=1,",
            ",a=1",
            "a=1,a=2",
            "a b=1",
            "a=b c",
            "a=\u{e9}",
            "a=1\n2",
            "a:b=1",
            &long_key,
            &long_value,
            &many,
        ];
        for text in bad {
            assert_eq!(shown(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_tags_of_a_service_override_those_of_the_configuration() {
        let parse = |text: &str| Tags::parse(text).expect("tags");
        let both = parse("team=web").or(&parse("team=none,stage=test"));
        assert_eq!(both, parse("team=web,stage=test"));
    }
}
