//! The rules for values, shared by flags and fields of the file. Each rule takes the
//! text and returns the value, or a description of the rule.

use std::fs::File;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::duration;
use super::error::Violation;
use crate::plan::annotation::Annotation;
use crate::plan::naming::{is_dns_label, is_dns_subdomain};

/// A duration in Go's syntax within `range`.
pub fn duration_in(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, Violation> {
    move |text| {
        duration::parse(text)
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| {
                Violation::new(format!(
                    "it must be a duration such as 15s, 1m30s or 250ms, from {} to {}",
                    duration::write(*range.start()),
                    duration::write(*range.end())
                ))
            })
    }
}

/// A range of addresses: an address and the length of its prefix. Bits after the prefix
/// are an error, because they are more likely a mistake than meant to be ignored.
pub fn range(text: &str) -> Result<IpNet, Violation> {
    let range = text.parse::<IpNet>().ok();
    range
        .filter(|range| range.trunc() == *range)
        .ok_or_else(|| Violation::new("it must be a range of addresses such as 192.0.2.0/24"))
}

/// A whole number in decimal digits within `range`.
pub fn number_in(range: RangeInclusive<u32>) -> impl Fn(&str) -> Result<u32, Violation> {
    move |text| {
        text.parse()
            .ok()
            .filter(|number| range.contains(number) && !text.starts_with('+'))
            .ok_or_else(|| {
                Violation::new(format!(
                    "it must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ))
            })
    }
}

/// A value by the rule of an annotation.
pub fn value_of<T>(annotation: &Annotation<T>) -> impl Fn(&str) -> Result<T, Violation> {
    |text| {
        let value = annotation.parse(text);
        value.ok_or_else(|| Violation::new(annotation.about.rule_in_words()))
    }
}

/// One of the words, as its value.
pub fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, Violation> {
    move |text| {
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Violation::new(format!("it must be {}", words.join(" or ")))
            })
    }
}

/// A DNS label (RFC 1123): what Kubernetes allows as the name of a namespace.
pub fn dns_label(text: &str) -> Result<String, Violation> {
    if is_dns_label(text) {
        return Ok(text.to_owned());
    }
    Err(Violation::new(
        "it must be a DNS label: 1 to 63 characters of a-z, 0-9 and -, with a letter or digit first and last",
    ))
}

/// A DNS subdomain (RFC 1123): what Kubernetes allows as the name of most objects.
pub fn dns_subdomain(text: &str) -> Result<String, Violation> {
    if is_dns_subdomain(text) {
        return Ok(text.to_owned());
    }
    Err(Violation::new(
        "it must be a DNS subdomain: at most 253 characters, labels of a-z, 0-9 and - joined by dots",
    ))
}

/// A DNS subdomain that Kubernetes does not reserve.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/>
pub fn annotation_prefix(text: &str) -> Result<String, Violation> {
    let reserved = ["kubernetes.io", "k8s.io"];
    if reserved
        .iter()
        .any(|domain| text == *domain || text.ends_with(&format!(".{domain}")))
    {
        return Err(Violation::new(
            "it must be a domain of your own: Kubernetes keeps kubernetes.io and k8s.io for itself",
        ));
    }
    dns_subdomain(text)
}

/// A load balancer class of our own, such as `example.com/gold` or `gold`.
///
/// <https://kubernetes.io/docs/concepts/services-networking/service/#load-balancer-class>
pub fn class_name(text: &str) -> Result<String, Violation> {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    if let Some(domain) = domain {
        annotation_prefix(domain)?;
    }
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let is_name = bytes.len() <= 63 && bytes.iter().all(allowed);
    if is_name && is_end(bytes.first()) && is_end(bytes.last()) {
        return Ok(text.to_owned());
    }
    Err(Violation::new(
        "it must be 1 to 63 letters, digits, dots, underscores or -, with a letter or digit first and last, and may have a domain and a slash in front",
    ))
}

/// 1 to 63 characters that are safe in a header, a label and a file name.
pub fn cluster_id(text: &str) -> Result<String, Violation> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(Violation::new(
        "it must be 1 to 63 characters of A-Z, a-z, 0-9, dot, underscore and -",
    ))
}

/// Base URL of a cloud.
pub fn endpoint(text: &str) -> Result<Url, Violation> {
    let rule = "it must be an http or https URL without path, query or user";
    let Ok(url) = Url::parse(text) else {
        // A text that is not a URL may still contain a password.
        let shown = text.contains('@').then(|| "a URL with a user".to_owned());
        let rule = rule.to_owned();
        return Err(Violation { rule, shown });
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Violation {
            rule: rule.into(),
            shown: Some("a URL with a user".into()),
        });
    }
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if plain && url.port() != Some(0) {
        return Ok(url);
    }
    Err(Violation::new(rule))
}

/// A regular file that this process can read now. A pipe could wait for its writer for ever,
/// and a device may have no end.
pub fn readable_file(text: &str) -> Result<PathBuf, Violation> {
    let path = PathBuf::from(text);
    let opened = std::fs::metadata(&path).and_then(|metadata| match metadata.is_file() {
        true => File::open(&path).map(Some),
        false => Ok(None),
    });
    match opened {
        Ok(Some(_)) => Ok(path),
        Ok(None) => Err(Violation::new(
            "it must be a regular file, not a directory, a pipe or a device",
        )),
        Err(error) => Err(Violation::new(format!(
            "it must be a file that can be read ({error})"
        ))),
    }
}

/// An address to listen on; port 0 takes any free one.
pub fn listen_address(text: &str) -> Result<SocketAddr, Violation> {
    text.parse()
        .map_err(|_| Violation::new("it must be IP:PORT, such as 0.0.0.0:8080 or [::1]:8080"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T>(rule: impl Fn(&str) -> Result<T, Violation>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule(text).is_ok(), "{text:?} must be accepted");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn numbers_are_plain_and_within_their_range() {
        accepts(
            number_in(1..=1000),
            &["1", "16", "1000"],
            &[
                "0",
                "1001",
                "-1",
                "+5",
                "1.5",
                "",
                "ten",
                "0x10",
                "99999999999",
            ],
        );
    }

    #[test]
    fn durations_keep_their_range_and_say_it() {
        let rule = duration_in(Duration::from_millis(100)..=Duration::from_secs(600));
        accepts(
            &rule,
            &["100ms", "30s", "10m"],
            &["0s", "-5s", "99ms", "10m1s", "30"],
        );
        assert!(rule("0").unwrap_err().rule.ends_with("from 100ms to 10m"));
    }

    #[test]
    fn names_are_dns_names() {
        let long = "a".repeat(64);
        accepts(
            dns_label,
            &["cloud1", "a", "a-b", "1"],
            &["", "-a", "a-", "A", "a.b", "a_b", &long],
        );
        accepts(
            dns_subdomain,
            &["mycloud.com", "a", "a.b-c.d"],
            &["", ".a", "a..b", "a/", "A.b"],
        );
        accepts(
            annotation_prefix,
            &["mycloud.com", "lb.example.org", "notkubernetes.io"],
            &[
                "kubernetes.io",
                "service.beta.kubernetes.io",
                "k8s.io",
                "mycloud.com/",
            ],
        );
    }

    #[test]
    fn ranges_are_addresses_with_a_prefix() {
        accepts(
            range,
            &["192.0.2.0/24", "127.0.0.0/8", "::/0", "2001:db8::/32"],
            &[
                "",
                "192.0.2.1",
                "192.0.2.1/24",
                "192.0.2.0/33",
                "a/8",
                "192.0.2.0 /24",
            ],
        );
    }

    #[test]
    fn endpoints_are_bare_urls() {
        accepts(
            endpoint,
            &[
                "http://cloud1-api:8080",
                "https://10.0.0.1",
                "http://[::1]:80/",
            ],
            &[
                "ftp://x",
                "cloud1-api:8080",
                "http://",
                "http://x/api",
                "http://x?a=b",
                "http://x#a",
                "http://user@x",
                "http://x:0",
                "",
                "http://x:99999",
                "unix:/run/x",
            ],
        );
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_repeated() {
        for text in ["http://user:secret@host", "http://user:secret@host:99999"] {
            let shown = endpoint(text).unwrap_err().shown;
            assert!(
                shown.is_some_and(|shown| !shown.contains("secret")),
                "{text}"
            );
        }
    }

    #[test]
    fn files_must_be_readable_now() {
        accepts(
            readable_file,
            &[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")],
            &[
                env!("CARGO_MANIFEST_DIR"),
                "/nowhere/token",
                "/dev/zero",
                "a\0b",
            ],
        );
    }

    #[test]
    fn cluster_ids_and_addresses() {
        let long = "x".repeat(64);
        accepts(
            cluster_id,
            &["prod.eu_1-A", "7"],
            &["", "a b", "a/b", "ä", &long],
        );
        accepts(
            listen_address,
            &["0.0.0.0:8080", "127.0.0.1:0", "[::]:8080"],
            &[
                ":8080",
                "8080",
                "localhost:8080",
                "0.0.0.0",
                "1.2.3.4:70000",
            ],
        );
    }
}
