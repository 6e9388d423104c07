//! Names and ids of clusters, Services, clouds and load balancers.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::annotation::DEFAULT_PREFIX;

/// The longest name that a cloud accepts: one DNS label.
const NAME_LIMIT: usize = 63;
/// Hexadecimal digits of the hash in a name: 64 bits. The probability that any two
/// of a million load balancers collide is 3e-8.
const HASH_DIGITS: usize = 16;
/// The longest text in bytes by which a cloud may name anything: that of a DNS name.
const TEXT_LIMIT: usize = 253;
/// How the cluster id of an owner begins that was taken off.
const FORMERLY: &str = "formerly ";
/// How the UID of an owner begins that is on a load balancer which others made.
const EXISTING: &str = "existing-";
/// The longest label of a DNS name in bytes.
const LABEL_LIMIT: usize = 63;

/// Whether a text from a cloud can be an id or a name: 1 to 253 visible characters of
/// ASCII. It then has neither line breaks nor characters that look like others, and can be
/// logged as it is.
pub fn is_plain(text: &str) -> bool {
    (1..=TEXT_LIMIT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a DNS label of lower-case letters, digits and `-`, as the name of a
/// namespace is.
pub fn is_dns_label(text: &str) -> bool {
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=LABEL_LIMIT).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is DNS labels, separated by dots: at most 253 characters.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= TEXT_LIMIT && text.split('.').all(is_dns_label)
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        /// A clone shares the text.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(text.as_ref().into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// The id of this cluster and installation at every cloud; by default
    /// [`ClusterId::of_installation`].
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    ClusterId
}
text_newtype! {
    /// `metadata.uid` of a Service; a recreated Service of the same name has another one.
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    ServiceUid
}
text_newtype! {
    /// The configured name of a cloud (`cloud1`).
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    CloudName
}
text_newtype! {
    /// The id that a cloud assigned to a load balancer. Untrusted: never part of a path.
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    LoadBalancerId
}
text_newtype! {
    /// The name of a load balancer; ours are derived by [`Owner::load_balancer_name`]. The same
    /// in another case is the same name, because a cloud may show it in capitals.
    LoadBalancerName
}

impl PartialEq for LoadBalancerName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for LoadBalancerName {}

impl Ord for LoadBalancerName {
    fn cmp(&self, other: &Self) -> Ordering {
        let letters = |name: &Self| name.0.to_ascii_lowercase();
        letters(self).cmp(&letters(other))
    }
}

impl PartialOrd for LoadBalancerName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for LoadBalancerName {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.to_ascii_lowercase().hash(hasher);
    }
}

impl LoadBalancerId {
    /// Checks an id from outside.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // The record is a list that is separated by commas: a comma would shift the ids of
        // the other clouds.
        if !is_plain(text) || text.contains(',') {
            return Err("it must have 1 to 253 visible ASCII characters and no comma");
        }
        Ok(Self::new(text))
    }
}

impl LoadBalancerName {
    /// Checks a name from outside.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !is_plain(text) {
            return Err("it must have 1 to 253 visible ASCII characters");
        }
        Ok(Self::new(text))
    }
}

impl ClusterId {
    /// The id of an installation that has none in its configuration: the UID of the
    /// namespace kube-system, and with another prefix than the default a hash of the
    /// prefix, so that the load balancers of two installations in one cluster differ in
    /// owner and name.
    pub fn of_installation(kube_system: &str, prefix: &str) -> Self {
        if prefix == DEFAULT_PREFIX {
            return Self::new(kube_system);
        }
        let number = hash([prefix, "annotation-prefix"]);
        Self::new(format!("{kube_system}-{number:0HASH_DIGITS$x}"))
    }
}

/// Namespace and name of a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    pub namespace: String,
    pub name: String,
}

impl ServiceKey {
    /// Whether a Service can have this name: both parts are DNS labels (RFC 1123). Other
    /// texts would lead to another object, because they become a part of a URL.
    pub fn is_valid(&self) -> bool {
        is_dns_label(&self.namespace) && is_dns_label(&self.name)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The owner of a load balancer, as stored at the cloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    pub cluster: ClusterId,
    /// The namespace of the Service; informational.
    pub namespace: String,
    /// The name of the Service; informational.
    pub name: String,
    pub uid: ServiceUid,
}

impl Owner {
    /// The namespace and name of the Service.
    pub fn service_key(&self) -> ServiceKey {
        ServiceKey {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether both are the same Service object of the same cluster. Only cluster and
    /// UID are compared.
    pub fn is_same_service(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.uid == other.uid
    }

    /// The owner of a load balancer that was taken off: equal to that of no Service, because no
    /// cluster id has a space. So nobody adopts, changes or deletes a load balancer that was
    /// retained, not even by its name.
    #[must_use]
    pub fn former(self) -> Self {
        Self {
            cluster: ClusterId::new(format!("{FORMERLY}{}", self.cluster)),
            ..self
        }
    }

    /// Whether it was taken off ([`former`](Self::former)).
    pub fn is_former(&self) -> bool {
        self.cluster.as_str().starts_with(FORMERLY)
    }

    /// The owner that this Service puts on a load balancer which others made
    /// ([`super::existing`]): equal to that of no Service, because no UID begins like that. So
    /// nothing that proves a load balancer to be ours proves it for such a one: it is never
    /// deleted, neither for its Service nor by the sweep.
    #[must_use]
    pub fn on_existing(self) -> Self {
        if self.is_on_existing() {
            return self;
        }
        Self {
            uid: ServiceUid::new(format!("{EXISTING}{}", self.uid)),
            ..self
        }
    }

    /// Whether it is [`on_existing`](Self::on_existing).
    pub fn is_on_existing(&self) -> bool {
        self.uid.as_str().starts_with(EXISTING)
    }

    /// The owner of the Service itself, without what marks it on a load balancer of others.
    pub fn of_service(&self) -> Cow<'_, Self> {
        match self.uid.as_str().strip_prefix(EXISTING) {
            None => Cow::Borrowed(self),
            Some(uid) => Cow::Owned(Self {
                uid: ServiceUid::new(uid),
                ..self.clone()
            }),
        }
    }

    /// The beginning of the names of this owner's listeners on a load balancer that others
    /// made: 20 characters of `[a-z0-9-]`.
    pub fn listener_mark(&self) -> String {
        let number = hash([self.cluster.as_str(), self.uid.as_str(), "listener"]);
        format!("k8s-{number:0HASH_DIGITS$x}")
    }

    /// Whether a listener with this name is of this owner, on a load balancer that others made. A
    /// cloud may show names in another case.
    pub fn has_listener(&self, name: &str) -> bool {
        let mark = self.listener_mark();
        let beginning = name.get(..mark.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(&mark))
    }

    /// The name of this owner's load balancer.
    pub fn load_balancer_name(&self) -> LoadBalancerName {
        LoadBalancerName::derive(self)
    }
}

impl LoadBalancerName {
    /// `<namespace>-<name>-<hash of cluster id and Service UID>`: at most 63
    /// characters of `[a-z0-9-]`, starting with a letter or digit.
    ///
    /// The hash alone makes the name unique; the readable part is truncated.
    fn derive(owner: &Owner) -> Self {
        let number = hash([owner.cluster.as_str(), owner.uid.as_str(), "load-balancer"]);
        let readable: String = format!("{}-{}", owner.namespace, owner.name)
            .chars()
            .map(|letter| letter.to_ascii_lowercase())
            .filter(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-'))
            .take(NAME_LIMIT - HASH_DIGITS - 1)
            .collect();
        let readable = readable.trim_matches('-');
        Self::new(format!("{readable}-{number:0HASH_DIGITS$x}"))
    }
}

/// The first [`HASH_DIGITS`] digits of a hash. Lengths are hashed too, so that different
/// parts never concatenate to the same input.
fn hash<const N: usize>(parts: [&str; N]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let number = digest.iter().take(HASH_DIGITS / 2);
    number.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(cluster: &str, namespace: &str, name: &str, uid: &str) -> Owner {
        Owner {
            cluster: ClusterId::new(cluster),
            namespace: namespace.into(),
            name: name.into(),
            uid: ServiceUid::new(uid),
        }
    }

    #[test]
    fn name_is_pinned_because_existing_load_balancers_are_found_by_it() {
        let name = owner("cluster", "default", "web", "uid-1").load_balancer_name();
        assert_eq!(name.as_str(), "default-web-d376baf085343e54");
    }

    #[test]
    fn name_of_a_long_service_name_fits_a_dns_label() {
        let name = owner("c", &"n".repeat(63), &"s".repeat(63), "u").load_balancer_name();
        assert_eq!(name.as_str().len(), NAME_LIMIT);
        assert!(
            name.as_str()
                .chars()
                .all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-'))
        );
    }

    #[test]
    fn ids_and_names_from_outside_are_short_and_visible() {
        let long = "x".repeat(TEXT_LIMIT + 1);
        for text in ["", "a b", "a\nb", "\u{e9}", "a\u{202e}b", "\u{7f}", &long] {
            assert!(LoadBalancerId::parse(text).is_err(), "{text:?}");
            assert!(LoadBalancerName::parse(text).is_err(), "{text:?}");
        }
        for text in ["lb-1", "arn:aws:lb/x~!", &long[1..]] {
            assert_eq!(LoadBalancerId::parse(text), Ok(LoadBalancerId::new(text)));
            assert_eq!(
                LoadBalancerName::parse(text),
                Ok(LoadBalancerName::new(text))
            );
        }
        assert!(
            LoadBalancerId::parse("x,lb-2").is_err(),
            "it would shift the record"
        );
    }

    #[test]
    fn a_name_in_another_case_is_the_same() {
        let [ours, shown] = ["web-1a", "WEB-1A"].map(LoadBalancerName::new);
        assert_eq!(ours, shown);
        assert_eq!(shown.as_str(), "WEB-1A", "as the cloud shows it");
        let known = std::collections::BTreeSet::from([shown.clone()]);
        assert!(known.contains(&ours));
        let sorted = std::collections::BTreeSet::from([shown]);
        assert!(sorted.contains(&ours));
        assert!(ours < LoadBalancerName::new("WEB-1B"));
    }

    #[test]
    fn dns_names_are_told_from_other_texts() {
        let label = "a".repeat(LABEL_LIMIT);
        for text in ["web", "a-1", "0", &label] {
            assert!(is_dns_label(text) && is_dns_subdomain(text), "{text}");
        }
        let long = format!("{label}a");
        for text in ["", "-a", "a-", "A", "a/b", "a?b", "..", "a b", &long] {
            assert!(!is_dns_label(text) && !is_dns_subdomain(text), "{text}");
        }
        assert!(is_dns_subdomain("a.b-c.d") && !is_dns_label("a.b"));
    }

    #[test]
    fn a_listener_is_told_by_its_mark_in_any_case() {
        let [ours, theirs] = ["1", "2"].map(|uid| owner("a", "default", "web", uid));
        let name = format!("{}-http", ours.listener_mark());
        for name in [&name, &name.to_ascii_uppercase(), &ours.listener_mark()] {
            assert!(
                ours.has_listener(name) && !theirs.has_listener(name),
                "{name}"
            );
        }
        for name in [
            "",
            "http",
            "k8s-",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert!(!ours.has_listener(name), "{name}");
        }
    }

    #[test]
    fn name_differs_by_cluster_and_by_uid() {
        let names = [
            owner("a", "default", "web", "1"),
            owner("b", "default", "web", "1"),
            owner("a", "default", "web", "2"),
            owner("a1", "default", "web", ""),
        ]
        .map(|owner| owner.load_balancer_name());
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn the_default_id_tells_installations_apart_and_keeps_the_names_of_the_default_prefix() {
        let id = |prefix: &str| ClusterId::of_installation("5a3c1d0e", prefix);
        assert_eq!(id(DEFAULT_PREFIX), ClusterId::new("5a3c1d0e"));
        let other = id("lb.example.org");
        assert_eq!(other.as_str(), "5a3c1d0e-22b17f8049133ca6");
        assert_ne!(other, id("lb.example.com"));
        assert_ne!(
            other,
            ClusterId::of_installation("another", "lb.example.org")
        );
    }

    #[test]
    fn only_dns_labels_name_a_service() {
        let is_valid = |namespace: &str, name: &str| {
            let (namespace, name) = (namespace.into(), name.into());
            ServiceKey { namespace, name }.is_valid()
        };
        assert!(is_valid("default", "web-2") && is_valid("1", &"s".repeat(NAME_LIMIT)));
        let invalid = [
            "", "-web", "web-", "Web", "a/b", "..", "a.b", "a?b", "a%2fb", "a#b", "wéb", "a\nb",
        ];
        for text in invalid {
            assert!(!is_valid("default", text), "{text:?}");
            assert!(!is_valid(text, "web"), "{text:?}");
        }
        assert!(!is_valid("default", &"s".repeat(NAME_LIMIT + 1)));
    }
}
