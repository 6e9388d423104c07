//! The same in other words: what an answer says, worded as a cloud might keep it.

use ipnet::IpNet;
use serde_json::{Map, Value};

/// The units of a bandwidth in kibibits per second.
const UNITS: [(char, u64); 3] = [('G', 1 << 20), ('M', 1 << 10), ('K', 1)];

/// Words an answer otherwise, and every load balancer in it. Ids, owners and tags are the
/// caller's data, and stay.
pub(super) fn reword(answer: &mut Map<String, Value>) {
    for (field, value) in answer {
        match field.as_str() {
            "name" | "spec" | "algorithm" | "state" | "protocol" | "proxyProtocol"
            | "appProtocol" | "type" | "ipMode" => replace(value, other_case),
            "protocols" | "algorithms" | "features" | "addressFamilies" => {
                members(value).for_each(|member| replace(member, other_case));
            }
            "bandwidth" => replace(value, in_kibibits),
            "sourceRanges" => {
                members(value).for_each(|member| replace(member, with_host_bits));
            }
            "healthCheck" | "sessionAffinity" => {
                value.as_object_mut().into_iter().for_each(reword);
            }
            "items" | "listeners" | "ingress" => {
                members(value)
                    .filter_map(Value::as_object_mut)
                    .for_each(reword);
            }
            _ => {}
        }
    }
}

fn members(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

fn replace(value: &mut Value, word: impl Fn(&str) -> String) {
    if let Value::String(text) = value {
        *text = word(text);
    }
}

/// In capitals; in small letters if it is in capitals.
fn other_case(text: &str) -> String {
    let capitals = text.to_ascii_uppercase();
    match capitals == text {
        true => text.to_ascii_lowercase(),
        false => capitals,
    }
}

/// 10M is 10240K.
fn in_kibibits(text: &str) -> String {
    let unit = |(unit, factor)| Some((text.strip_suffix(unit)?, factor));
    let number = UNITS.into_iter().find_map(unit);
    let kibibits =
        number.and_then(|(number, factor)| number.parse::<u64>().ok()?.checked_mul(factor));
    kibibits.map_or_else(|| text.to_owned(), |number| format!("{number}K"))
}

/// 10.0.0.0/8 is 10.255.255.255/8.
fn with_host_bits(text: &str) -> String {
    let last = |range: IpNet| format!("{}/{}", range.broadcast(), range.prefix_len());
    let last = text.parse().map(last);
    last.map_or_else(|_| text.to_owned(), |text| text.to_ascii_uppercase())
}
