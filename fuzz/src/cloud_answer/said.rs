//! What an answer says, read in another way than by the code under test.

use std::collections::BTreeMap;
use std::net::IpAddr;

use my_cloud_controller_manager::cloud::Profile;
use serde_json::Value;
use serde_json::value::RawValue;

const CODES: [&str; 11] = [
    "NotFound",
    "AlreadyExists",
    "InvalidArgument",
    "QuotaExceeded",
    "PermissionDenied",
    "Unauthenticated",
    "Throttled",
    "Conflict",
    "FailedPrecondition",
    "Unavailable",
    "Internal",
];
const BASIC_FIELDS: [&str; 10] = [
    "err",
    "code",
    "lbId",
    "name",
    "nodes",
    "port",
    "nodePort",
    "spec",
    "bandwidth",
    "ip",
];
/// What a caller chooses.
const SETTINGS: [&str; 13] = [
    "nodes",
    "port",
    "nodePort",
    "spec",
    "bandwidth",
    "listeners",
    "algorithm",
    "sessionAffinity",
    "sourceRanges",
    "internal",
    "idleTimeoutSeconds",
    "tags",
    "addressFamilies",
];

/// An answer, field by field.
pub(super) struct Said {
    fields: BTreeMap<String, Box<RawValue>>,
    status: u16,
    pub(super) profile: Profile,
}

impl Said {
    pub(super) fn read(body: &[u8], status: u16, profile: Profile) -> Self {
        // A field that nobody reads may have bytes that are no text.
        let text = String::from_utf8_lossy(body);
        let fields = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(&text);
        let mut fields = fields.unwrap_or_default();
        if profile == Profile::Basic {
            fields.retain(|name, _| BASIC_FIELDS.contains(&name.as_str()));
        }
        fields.retain(|_, json| json.get() != "null");
        Self {
            fields,
            status,
            profile,
        }
    }

    pub(super) fn text(&self, field: &str) -> Option<String> {
        let json = self.fields.get(field)?;
        serde_json::from_str(json.get()).ok()
    }

    pub(super) fn json(&self, field: &str) -> Option<Value> {
        serde_json::from_str(self.fields.get(field)?.get()).ok()
    }

    pub(super) fn has(&self, field: &str) -> bool {
        let is_empty = self.text(field).is_some_and(|text| text.is_empty());
        self.fields.contains_key(field) && !is_empty
    }

    pub(super) fn code(&self) -> Option<String> {
        self.text("code")
            .filter(|code| CODES.contains(&code.as_str()))
    }

    pub(super) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
            && self.text("err").as_deref() == Some("")
            && self.code().is_none()
    }

    /// Whether the answer comes from the API, not from a gateway before it.
    pub(super) fn is_of_api(&self) -> bool {
        self.text("err").is_some() || self.code().is_some()
    }

    pub(super) fn not_found(&self) -> bool {
        if let Some(code) = self.code() {
            return code == "NotFound";
        }
        let Some(err) = self.text("err") else {
            return false;
        };
        let letters = err.chars().filter(|letter| letter.is_alphanumeric());
        let letters = letters.collect::<String>().to_ascii_lowercase();
        let is_basic = self.profile == Profile::Basic && (200..300).contains(&self.status);
        (self.status == 404 && !err.is_empty()) || (is_basic && letters.contains("notfound"))
    }

    /// The texts that may be addresses.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let ips = self.fields.get("ips");
        let listed = ips.and_then(|json| serde_json::from_str::<Vec<&RawValue>>(json.get()).ok());
        let listed = listed.unwrap_or_default();
        let listed = listed
            .iter()
            .filter_map(|ip| serde_json::from_str::<String>(ip.get()).ok());
        let ingress = self.ingress();
        let entries = ingress.iter();
        let entries = entries.flat_map(|entry| [&entry["ip"], &entry["hostname"]]);
        let entries = entries.filter_map(|text| text.as_str().map(str::to_owned));
        let shown = listed.chain(self.text("ip")).chain(self.text("hostname"));
        shown.chain(entries).filter_map(|text| ip(&text)).collect()
    }

    /// Whether an entry says that this address is a proxy's.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        let ingress = self.ingress();
        let mut entries = ingress.iter();
        entries.any(|entry| {
            let shown = entry["ip"].as_str().and_then(ip);
            let mode = entry["ipMode"].as_str().unwrap_or_default();
            shown == Some(address) && mode.eq_ignore_ascii_case("Proxy")
        })
    }

    fn ingress(&self) -> Vec<Value> {
        let json = self.fields.get("ingress");
        let entries = json.and_then(|json| serde_json::from_str::<Vec<&RawValue>>(json.get()).ok());
        let entries = entries.unwrap_or_default();
        let entries = entries.iter();
        entries
            .filter_map(|entry| serde_json::from_str(entry.get()).ok())
            .collect()
    }

    /// Whether nothing is said about the settings.
    pub(super) fn is_silent_on_settings(&self) -> bool {
        !SETTINGS
            .iter()
            .any(|field| self.fields.contains_key(*field))
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}
