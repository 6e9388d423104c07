//! What a cloud tells about itself.
//!
//! A name that this program does not know is left out, because it belongs to a later API. A
//! value of another type or out of range makes the whole answer unusable: what a cloud can do
//! must not be concluded from a part of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::field;
use super::object::Object;
use crate::cloud::body::excerpt;
use crate::cloud::{Quota, Told, bounds};
use crate::plan::canonical;
use crate::plan::capabilities::{Capabilities, Feature, Limits};
use crate::plan::load_balancer::{Algorithm, Protocol};

/// An answer about capabilities. A field that is missing or null says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cloud) struct CapabilitiesBody {
    protocols: Option<Vec<String>>,
    algorithms: Option<Vec<String>>,
    features: Option<Vec<String>>,
    specs: Option<Vec<Object<SpecBody>>>,
    limits: Option<Object<LimitsBody>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecBody {
    name: String,
    #[serde(default)]
    max_bandwidth: Option<String>,
    #[serde(default)]
    max_listeners: Option<u64>,
    #[serde(default)]
    max_back_ends: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LimitsBody {
    load_balancers: Option<u64>,
    used: Option<u64>,
}

impl CapabilitiesBody {
    /// Converts the answer. `baseline` has what it does not say, and whether the cloud has a
    /// list: that is a property of the profile.
    ///
    /// # Errors
    /// The answer has too many items, or a value out of range.
    pub(in crate::cloud) fn into_told(self, baseline: Capabilities) -> Result<Told, String> {
        let Self {
            protocols,
            algorithms,
            features,
            specs,
            limits,
        } = self;
        let has_list = baseline.has(Feature::List);
        let mut features = known("features", features, &Feature::ALL, Feature::as_str)?
            .unwrap_or(baseline.features);
        if has_list {
            features.insert(Feature::List);
        } else {
            features.remove(&Feature::List);
        }
        let capabilities = Capabilities {
            protocols: known("protocols", protocols, &Protocol::ALL, Protocol::as_str)?
                .unwrap_or(baseline.protocols),
            algorithms: known("algorithms", algorithms, &Algorithm::ALL, Algorithm::as_str)?
                .unwrap_or(baseline.algorithms),
            features,
            limits: baseline.limits,
            specs: specs.map(read_specs).transpose()?.or(baseline.specs),
        };
        let Object(limits) = limits.unwrap_or(Object(LimitsBody::default()));
        let LimitsBody {
            load_balancers,
            used,
        } = limits;
        let quota = Quota {
            limit: number("limits.loadBalancers", load_balancers)?,
            used: number("limits.used", used)?,
        };
        Ok(Told {
            capabilities,
            quota,
        })
    }
}

/// The names that this program knows, in whatever case; `None` if the cloud says nothing.
fn known<T: Copy + Ord>(
    field: &str,
    names: Option<Vec<String>>,
    all: &[T],
    name_of: fn(T) -> &'static str,
) -> Result<Option<BTreeSet<T>>, String> {
    let Some(names) = names else {
        return Ok(None);
    };
    within(field, names.len())?;
    let find = |name: String| field::named(&name, all, name_of);
    Ok(Some(names.into_iter().filter_map(find).collect()))
}

fn read_specs(specs: Vec<Object<SpecBody>>) -> Result<BTreeMap<String, Limits>, String> {
    within("specs", specs.len())?;
    let mut read = BTreeMap::new();
    for Object(spec) in specs {
        let SpecBody {
            name,
            max_bandwidth,
            max_listeners,
            max_back_ends,
        } = spec;
        if name.is_empty() || name.len() > bounds::SPEC_NAME {
            let most = bounds::SPEC_NAME;
            return Err(format!(
                "a spec has a name that is not 1 to {most} bytes long"
            ));
        }
        let listeners = number("maxListeners", max_listeners)?;
        let back_ends = number("maxBackEnds", max_back_ends)?;
        let limits = Limits {
            listeners: listeners.and_then(|most| usize::try_from(most).ok()),
            back_ends: back_ends.and_then(|most| usize::try_from(most).ok()),
            bandwidth: max_bandwidth.map(|text| bandwidth(&text)).transpose()?,
        };
        if read.insert(name.clone(), limits).is_some() {
            let name = excerpt(name.as_bytes());
            return Err(format!("the spec \"{name}\" is there twice"));
        }
    }
    Ok(read)
}

fn bandwidth(text: &str) -> Result<u64, String> {
    canonical::kilobits(text).ok_or_else(|| {
        let text = excerpt(text.as_bytes());
        format!("maxBandwidth \"{text}\" is not a number followed by K, M or G")
    })
}

fn number(field: &str, number: Option<u64>) -> Result<Option<u64>, String> {
    match number {
        Some(number) if number > bounds::LIMIT => {
            Err(format!("{field} {number} is more than {}", bounds::LIMIT))
        }
        number => Ok(number),
    }
}

fn within(field: &str, items: usize) -> Result<(), String> {
    if items <= bounds::CAPABILITY_ITEMS {
        return Ok(());
    }
    let most = bounds::CAPABILITY_ITEMS;
    Err(format!("{field} has more than {most} items"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value) -> Result<Told, String> {
        let body: Object<CapabilitiesBody> =
            serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
        body.0.into_told(Capabilities::standard())
    }

    #[test]
    fn what_the_answer_leaves_out_is_what_the_profile_says() {
        for nothing in [
            json!({"err": ""}),
            json!({"protocols": null, "specs": null}),
        ] {
            let told = read(&nothing).expect("an answer");
            assert_eq!(told.capabilities, Capabilities::standard());
            assert_eq!(told.quota, Quota::default());
        }
    }

    #[test]
    fn all_that_is_known_is_read_and_the_rest_is_left_out() {
        let told = read(&json!({
            "protocols": ["tcp", "QUIC"],
            "algorithms": ["Round-Robin", "weighted"],
            "features": ["HEALTHCHECKS", "teleport"],
            "specs": [{
                "name": "large", "maxBandwidth": "1G", "maxListeners": 50, "maxBackEnds": 200
            }, {"name": "small"}],
            "limits": {"loadBalancers": 100, "used": 12},
            "more": 1,
        }));
        let told = told.expect("an answer");
        let large = Limits {
            listeners: Some(50),
            bandwidth: Some(1_000_000),
            back_ends: Some(200),
        };
        let expected = Capabilities {
            protocols: [Protocol::Tcp].into(),
            algorithms: [Algorithm::RoundRobin].into(),
            features: [Feature::HealthChecks, Feature::List].into(),
            limits: Limits::default(),
            specs: Some(BTreeMap::from([
                ("large".to_owned(), large),
                ("small".to_owned(), Limits::default()),
            ])),
        };
        assert_eq!(told.capabilities, expected);
        let quota = Quota {
            limit: Some(100),
            used: Some(12),
        };
        assert_eq!(told.quota, quota);
    }

    #[test]
    fn whether_there_is_a_list_is_said_by_the_profile() {
        let body = CapabilitiesBody {
            features: Some(vec!["list".into()]),
            ..CapabilitiesBody::default()
        };
        let told = body.into_told(Capabilities::basic()).expect("an answer");
        assert!(!told.capabilities.has(Feature::List));
    }

    #[test]
    fn a_wrong_type_or_a_number_out_of_range_is_no_answer() {
        let spec = |fields: Value| json!({ "specs": [fields] });
        let name = "x".repeat(bounds::SPEC_NAME + 1);
        let many = vec!["TCP"; bounds::CAPABILITY_ITEMS + 1];
        let bad = [
            json!({"protocols": "TCP"}),
            json!({"protocols": [6]}),
            json!({"features": {"list": true}}),
            json!({ "protocols": many }),
            json!({"specs": [["small"]]}),
            spec(json!({})),
            spec(json!({"name": ""})),
            spec(json!({ "name": name })),
            spec(json!({"name": "a", "maxListeners": -1})),
            spec(json!({"name": "a", "maxListeners": 0.5})),
            spec(json!({"name": "a", "maxListeners": "50"})),
            spec(json!({"name": "a", "maxBackEnds": bounds::LIMIT + 1})),
            spec(json!({"name": "a", "maxBandwidth": "fast"})),
            spec(json!({"name": "a", "maxBandwidth": 5})),
            json!({"specs": [{"name": "a"}, {"name": "a"}]}),
            json!({"limits": [100, 12]}),
            json!({"limits": {"used": -1}}),
            json!({"limits": {"loadBalancers": 1e30}}),
        ];
        for body in bad {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
