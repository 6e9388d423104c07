//! The API's document and the simulator say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testbed::cloud::{
    Capabilities, CloudSimulatorOptions, Code, FEATURES, IngressEntry, Limits, Profile, Spec, Verb,
};

use super::{Cloud, quiet, wanted, with};

/// The document.
struct Document(Value);

/// The fields of a schema, with whether the profile `basic` has them, and those
/// that are required.
#[derive(Default)]
struct Fields {
    known: BTreeMap<String, bool>,
    required: BTreeSet<String>,
}

impl Document {
    fn read() -> Self {
        let text = include_str!("../../../docs/cloud-api.openapi.yaml");
        Self(serde_saphyr::from_str(text).expect("YAML"))
    }

    fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "there is no schema {name}");
        schema
    }

    /// The fields of a schema and of all that it is made of.
    fn fields(&self, name: &str) -> Fields {
        let mut fields = Fields::default();
        self.collect(self.schema(name), &mut fields);
        fields
    }

    fn collect(&self, schema: &Value, fields: &mut Fields) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            self.collect(self.schema(name), fields);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.collect(part, fields);
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let basic = field["x-basic"] == true;
            fields.known.insert(name.clone(), basic);
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.filter_map(|name| name.as_str().map(str::to_owned));
        fields.required.extend(required);
    }

    /// Fails unless the answer has all required fields of the schema, and
    /// none that the profile does not have.
    fn check(&self, schema: &str, answer: &Value, profile: Profile) {
        let fields = self.fields(schema);
        let answer = answer.as_object().expect("an object");
        for field in answer.keys() {
            let known = fields.known.get(field);
            let allowed = known.is_some_and(|basic| profile == Profile::Standard || *basic);
            assert!(allowed, "{schema} has no {field} ({profile:?}): {answer:?}");
        }
        for field in &fields.required {
            assert!(
                answer.contains_key(field),
                "{schema} lacks {field}: {answer:?}"
            );
        }
    }
}

#[test]
fn it_has_every_verb_and_every_code_with_its_status() {
    let document = Document::read();
    let paths: BTreeSet<&str> = document.0["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .map(String::as_str)
        .collect();
    let expected = Verb::ALL.map(|verb| format!("/api/v1/lb/{}", verb.as_str()));
    assert_eq!(paths, expected.iter().map(String::as_str).collect());
    assert_eq!(document.schema("Code")["enum"], json!(Code::ALL));
    let responses = document.0["components"]["responses"]
        .as_object()
        .expect("responses");
    for code in Code::ALL {
        let named = format!("`{code}`:");
        let described = responses.iter().find(|(_, response)| {
            response["description"]
                .as_str()
                .is_some_and(|text| text.contains(&named))
        });
        let (name, _) = described.unwrap_or_else(|| panic!("no response describes {code}"));
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        let status = match code {
            Code::Internal => "default".into(),
            code => code.status().to_string(),
        };
        let uses = |path: &&str| {
            document.0["paths"][*path]["post"]["responses"][status.as_str()] == reference
        };
        assert!(paths.iter().any(uses), "{code} comes with {status}");
    }
}

#[tokio::test]
async fn real_answers_have_the_documents_fields() {
    let document = Document::read();
    for profile in [Profile::Standard, Profile::Basic] {
        let cloud = Cloud::start(CloudSimulatorOptions { profile, ..quiet() }).await;
        let full = json!({
            "sessionAffinity": { "type": "ClientIP", "timeoutSeconds": 600 },
            "sourceRanges": ["10.0.0.0/8"],
            "healthCheck": { "protocol": "HTTP", "port": 32_000, "path": "/" },
            "internal": false,
            "idleTimeoutSeconds": 350,
            "tags": { "team": "web" },
            "address": cloud.simulator.addresses().hosts().nth(5),
            "addresses": [cloud.simulator.addresses().hosts().nth(5)],
            "addressFamilies": ["IPv4"],
        });
        let body = with(wanted("web", "u1"), full);
        let create = document.fields("CreateRequest");
        let sent: BTreeSet<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(
            sent,
            create.known.keys().collect(),
            "this test sends every field"
        );

        let created = cloud.call(Verb::Create, &body).await.json();
        document.check("ChangeAnswer", &created, profile);
        let which = json!({ "lbId": created["lbId"] });
        let updated = cloud
            .call(Verb::Update, &with(body, which.clone()))
            .await
            .json();
        document.check("ChangeAnswer", &updated, profile);
        let shown = cloud.call(Verb::Query, &which).await.json();
        document.check("LoadBalancer", &shown, profile);
        if profile == Profile::Standard {
            let list = cloud.call(Verb::List, &json!({})).await.json();
            document.check("ListAnswer", &list, profile);
            document.check("LoadBalancer", &list["items"][0], profile);
            let id = created["lbId"].as_str().expect("an id");
            let told = json!([{"ip": "192.0.2.1", "ipMode": "Proxy"}, {"hostname": "a.example"}]);
            let told: Vec<IngressEntry> = serde_json::from_value(told).expect("entries");
            let edited = cloud.simulator.edit(id, |found| found.ingress = told);
            edited.await.expect("an edit");
            let shown = cloud.call(Verb::Query, &which).await.json();
            document.check("LoadBalancer", &shown, profile);
            for entry in shown["ingress"].as_array().expect("entries") {
                document.check("Ingress", entry, profile);
            }
        }
        cloud.simulator.set_capabilities(Some(every_capability()));
        let told = cloud.call(Verb::Capabilities, &json!({})).await.json();
        if profile == Profile::Standard {
            document.check("CapabilitiesAnswer", &told, profile);
            document.check("SpecLimits", &told["specs"][0], profile);
        } else {
            document.check("Error", &told, profile);
        }
        let deleted = cloud.call(Verb::Delete, &which).await.json();
        document.check("Success", &deleted, profile);
        let absent = cloud.call(Verb::Query, &which).await.json();
        document.check("Error", &absent, profile);
    }
}

/// Every field of an answer about capabilities.
fn every_capability() -> Capabilities {
    Capabilities {
        specs: Some(vec![Spec {
            name: "standard".into(),
            max_bandwidth: Some("1G".into()),
            max_listeners: Some(50),
            max_back_ends: Some(200),
        }]),
        limits: Some(Limits {
            load_balancers: Some(100),
            used: None,
        }),
        ..Capabilities::all()
    }
}

#[test]
fn the_document_names_every_capability() {
    let document = Document::read();
    let named = &document.schema("CapabilitiesAnswer")["properties"]["features"]["description"];
    let named = named.as_str().expect("a text");
    for feature in FEATURES {
        assert!(named.contains(&format!("`{feature}`")), "{feature}");
    }
}

/// Schemathesis (`make fuzz-simulator`) found each of these accepted.
#[tokio::test]
async fn what_the_document_does_not_allow_is_refused() {
    let cloud = Cloud::quiet().await;
    let change = |field: &str, value: Value| {
        let mut body = wanted("web", "u1");
        body[field] = value;
        body
    };
    let creates = [
        change("owner", json!(["cluster", "n", "n", "u1"])),
        change("owner", Value::Null),
        change("spec", Value::Null),
        change("listeners", json!([])),
        change("listeners", json!([["http", "TCP", 80, 30_080]])),
        change("bandwidth", json!("05M")),
        change("bandwidth", json!("0M")),
        change("address", json!("")),
        change("addresses", json!([""])),
        change("addresses", json!("10.0.0.1")),
        change("sessionAffinity", json!({})),
        change(
            "sessionAffinity",
            json!({ "type": "None", "timeoutSeconds": 0 }),
        ),
        change("healthCheck", json!({ "path": "" })),
        change("healthCheck", json!({ "path": "/a\u{e9}" })),
        change("port", json!(80.5)),
        change("idleTimeoutSeconds", json!(0)),
        change("idleTimeoutSeconds", json!(6_001)),
        change("tags", json!([["team", "web"]])),
        change("tags", json!({ "": "web" })),
        change("tags", json!({ "team": 1 })),
    ];
    let others = [
        (Verb::Query, json!({ "lbId": null, "name": "web" })),
        (Verb::Query, json!({ "lbId": "", "name": "web" })),
        (Verb::List, json!({ "pageSize": 0 })),
        (Verb::List, json!({ "pageToken": null })),
        (Verb::List, json!({ "owner": [] })),
    ];
    let creates = creates.into_iter().map(|body| (Verb::Create, body));
    for (verb, body) in creates.chain(others) {
        let answer = cloud.call(verb, &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.text("code"), "InvalidArgument", "{body}");
    }
    for (header, value) in [("Idempotency-Key", ""), ("Fencing-Token", "+5")] {
        let request = cloud.request(Verb::Create, &wanted("web", "u1"));
        let answer = request
            .header(header, value)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 400, "{header}: {value:?}");
    }
    // A number is whole however it is written.
    let whole = change("port", json!(80.0));
    let created = cloud.call(Verb::Create, &whole).await;
    assert_eq!(created.status, 200, "{created:?}");
}
