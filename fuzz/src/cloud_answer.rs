//! The answer of a cloud to a call about one load balancer.
//!
//! Whatever the cloud answers: the load balancer that was asked for is returned, or none;
//! it counts as ours only if the answer says so; "it does not exist" is concluded only if
//! the API itself says it; and ids, names, addresses and messages keep their bounds.

mod said;

use std::net::IpAddr;

use http::StatusCode;
use my_cloud_controller_manager::cloud::{
    Answer, Asked, CloudError, ErrorKind, Profile, Rejection, Which,
};
use my_cloud_controller_manager::plan::ip_mode::IpMode;
use my_cloud_controller_manager::plan::load_balancer::{LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{is_dns_label, is_dns_subdomain, is_plain};
use serde_json::Value;

use super::choices::Choices;
use super::text::assert_one_short_line;
use super::world;
use said::Said;

/// The most addresses of a load balancer.
const ADDRESSES: usize = 16;
const STATUSES: [u16; 16] = [
    200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 412, 422, 429, 500, 503, 599,
];

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Create,
    Update,
    QueryById,
    QueryByName,
    Delete,
}

const CALLS: [Call; 5] = [
    Call::Create,
    Call::Update,
    Call::QueryById,
    Call::QueryByName,
    Call::Delete,
];

/// Three choices (profile, call, status), then the body.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let profile = choices.pick(&[Profile::Standard, Profile::Basic]);
    let call = choices.pick(&CALLS);
    let status = choices.pick(&STATUSES);
    let body = choices.rest();
    let said = Said::read(body, status, profile);
    let (request, before) = (world::request(), world::load_balancer(profile));
    let asked = match call {
        Call::Create => Asked::Create(&request),
        Call::Update => Asked::Update {
            before: &before,
            request: &request,
        },
        Call::QueryById => Asked::Query(Which::Id(&before.id)),
        Call::QueryByName => Asked::Query(Which::Name(&before.name)),
        Call::Delete => Asked::Delete,
    };
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        body: body.to_vec(),
    };
    let read = world::in_runtime(|| world::cloud(profile).read_answer(asked, answer));
    match read {
        Ok(Some(found)) => {
            assert!(call != Call::Delete && said.succeeded());
            check_bounds(&found);
            check_identity(&found, call, &said);
            check_owner(&found, call, &said);
            check_content(&found, call, &said);
        }
        Ok(None) if call == Call::Delete => assert!(said.succeeded() || said.not_found()),
        Ok(None) => assert!(said.not_found(), "absence must be said"),
        Err(error) => check_error(&error, &said),
    }
}

/// The bounds of what may be returned, which no answer exceeds.
pub fn check_bounds(found: &LoadBalancer) {
    assert!(world::is_id(found.id.as_str()), "{found:?}");
    assert!(is_plain(found.name.as_str()), "{found:?}");
    if let Some(owner) = &found.owner {
        assert!(is_plain(owner.cluster.as_str()) && is_plain(owner.uid.as_str()));
        // Both become a part of a URL.
        assert!(owner.namespace.is_empty() || is_dns_label(&owner.namespace));
        assert!(owner.name.is_empty() || is_dns_subdomain(&owner.name));
    }
    let addresses = &found.addresses;
    assert!(addresses.ips.len() <= ADDRESSES, "{addresses:?}");
    for (index, ip) in addresses.ips.iter().enumerate() {
        assert!(is_public(*ip), "{ip}");
        assert!(!addresses.ips[..index].contains(ip), "{ip} twice");
    }
    assert!(addresses.hostnames.len() <= ADDRESSES, "{addresses:?}");
    assert!(addresses.hostnames.is_sorted_by(|one, next| one < next));
    for hostname in &addresses.hostnames {
        assert!(is_dns_subdomain(hostname), "{hostname:?}");
        assert!(hostname.parse::<IpAddr>().is_err(), "{hostname}");
    }
    addresses
        .refused
        .iter()
        .for_each(|text| assert_one_short_line(text));
    if let State::Error(message) = &found.state {
        assert_one_short_line(message);
    }
}

/// Whether a load balancer can have an address.
fn is_public(ip: IpAddr) -> bool {
    let is_special = match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0) == 0xfe80 || ip.to_ipv4_mapped().is_some(),
    };
    let services: ipnet::IpNet = world::SERVICE_RANGE.parse().unwrap();
    let is_service = services.contains(&ip);
    !(is_special || is_service || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

fn check_identity(found: &LoadBalancer, call: Call, said: &Said) {
    let asked = world::load_balancer(said.profile);
    match call {
        Call::Update => assert!(
            found.id == asked.id && found.name == asked.name,
            "{found:?}"
        ),
        Call::Create | Call::QueryByName => assert_eq!(found.name, asked.name),
        Call::QueryById => assert_eq!(found.id, asked.id),
        Call::Delete => {}
    }
    // No id and no name is made up.
    if said.has("lbId") || matches!(call, Call::Create | Call::QueryByName) {
        assert_eq!(said.text("lbId").as_deref(), Some(found.id.as_str()));
    }
    if said.has("name") || call == Call::QueryById {
        assert_eq!(said.text("name").as_deref(), Some(found.name.as_str()));
    }
}

fn check_owner(found: &LoadBalancer, call: Call, said: &Said) {
    let ours = world::owner();
    if matches!(call, Call::Create | Call::Update) {
        assert!(found.belongs_to(&ours), "{found:?}");
    }
    let part = |owner: &Value, name: &str| owner[name].as_str().unwrap_or_default().to_owned();
    let shown = said.json("owner");
    let shown = shown.map(|owner| (part(&owner, "cluster"), part(&owner, "uid")));
    let is_complete = |(cluster, uid): &(String, String)| !cluster.is_empty() && !uid.is_empty();
    let is_ours = match shown.filter(is_complete) {
        Some((cluster, uid)) => cluster == ours.cluster.as_str() && uid == ours.uid.as_str(),
        None => found.name == ours.load_balancer_name(),
    };
    assert_eq!(found.belongs_to(&ours), is_ours, "{found:?}");
}

fn check_content(found: &LoadBalancer, call: Call, said: &Said) {
    let before = world::load_balancer(said.profile);
    let shown = said.addresses();
    let is_known = |ip: &IpAddr| call == Call::Update && before.addresses.ips.contains(ip);
    let mut ips = found.addresses.ips.iter();
    assert!(ips.all(|ip| shown.contains(ip) || is_known(ip)), "made up");
    let mut ips = found.addresses.ips.iter();
    let is_proxy = |ip: &IpAddr| found.addresses.modes.get(*ip) == Some(IpMode::Proxy);
    assert!(ips.all(|ip| !is_proxy(ip) || said.is_proxy(*ip)), "made up");
    if found.state == State::Active && said.has("state") {
        let state = said.text("state").unwrap_or_default();
        assert_eq!(state.to_ascii_lowercase(), "active");
    }
    // Silence about the settings means that they are as requested.
    if call == Call::Update && said.is_silent_on_settings() {
        assert!(found.meets(&world::request().spec), "{found:?}");
    }
}

fn check_error(error: &CloudError, said: &Said) {
    assert_one_short_line(&error.to_string());
    let is_statement = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NameTaken
            | ErrorKind::Conflict
            | ErrorKind::Rejected(Rejection::InvalidArgument)
    );
    assert!(!is_statement || said.is_of_api(), "{error}");
    if error.kind() == ErrorKind::Fenced {
        assert_eq!(said.code().as_deref(), Some("FailedPrecondition"));
    }
}
