//! The addresses in a response: `ip`, `ips`, `hostname` and `ingress`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{self, Entry, Field, First, Shown};
use super::object::Object;
use crate::cloud::address_policy::{ShownAddress, ShownAddresses};
use crate::cloud::body::excerpt;
use crate::plan::ip_mode::IpMode;

/// An entry of `ingress`. Something else than an object is kept as an address, which is then
/// refused.
struct IngressEntry(Vec<ShownAddress>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IngressBody<'a> {
    #[serde(borrow)]
    ip: Field<'a>,
    #[serde(borrow)]
    hostname: Field<'a>,
    #[serde(borrow)]
    ip_mode: Field<'a>,
}

impl Entry for IngressEntry {
    fn read(json: &RawValue) -> Self {
        let Shown::Value(Object(entry)) = Shown::<Object<IngressBody<'_>>>::from(Some(json)) else {
            return Self(vec![ShownAddress::ip(excerpt(json.get().as_bytes()), None)]);
        };
        let IngressBody {
            ip,
            hostname,
            ip_mode,
        } = entry;
        let mode = match field::word(ip_mode, &IpMode::ALL, IpMode::as_str) {
            Shown::Value(mode) => Some(mode),
            // One that is not known says nothing.
            Shown::Nothing | Shown::Unknown => None,
        };
        let ip = readable(ip).map(|ip| ShownAddress::ip(ip, mode));
        let hostname = readable(hostname).map(ShownAddress::hostname);
        Self(ip.into_iter().chain(hostname).collect())
    }
}

/// The addresses that these fields show, without those that are repeated.
pub(super) fn shown(
    ip: Field<'_>,
    ips: Field<'_>,
    hostname: Field<'_>,
    ingress: Field<'_>,
) -> ShownAddresses {
    let ips: First<String> = Shown::from(ips).unwrap_or_default();
    let ingress: First<IngressEntry> = Shown::from(ingress).unwrap_or_default();
    let mut shown = ShownAddresses {
        first: readable(ip),
        hostname: readable(hostname),
        others: Vec::new(),
        unread: ips.others + ingress.others,
    };
    let ips = ips.entries.into_iter();
    let ips = ips.map(|ip| ShownAddress::ip(ip, None));
    let entries = ingress.entries.into_iter().flat_map(|entry| entry.0);
    for address in ips.chain(entries) {
        if !shown.others.contains(&address) {
            shown.others.push(address);
        }
    }
    shown
}

/// A text; something else is the excerpt of its JSON.
fn readable(field: Field<'_>) -> Option<String> {
    match field::text(field) {
        Shown::Nothing => None,
        Shown::Value(text) => Some(text),
        Shown::Unknown => field.map(|json| excerpt(json.get().as_bytes())),
    }
}

#[cfg(test)]
mod tests;
