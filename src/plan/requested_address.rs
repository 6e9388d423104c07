//! The address that a Service asks for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::annotation::{ADDRESS, PROVIDER, address};
use super::naming::CloudName;
use super::node_addresses::IpFamily;
use super::problem::{Problem, ProblemKind, Subject};
use super::service::ServiceView;

const FIELD: &str = "spec.loadBalancerIP";

/// The addresses that a Service asks for, at most one of each family: those of the annotation,
/// or else of the field.
///
/// # Errors
/// A value is no address or one of a family that the Service does not have, or both ask for
/// different ones.
pub(super) fn declared(service: &ServiceView) -> Result<Vec<IpAddr>, Problem> {
    let addresses = either(service)?;
    let has = |family: IpFamily| service.ip_families.iter().any(|one| one == family);
    let mut families = addresses.iter().map(|address| IpFamily::of(*address));
    let Some(foreign) = families.find(|family| !has(*family)) else {
        return Ok(addresses);
    };
    let (subject, value) = stated(service);
    let families: Vec<&str> = service.ip_families.iter().map(IpFamily::as_str).collect();
    Err(Problem {
        kind: ProblemKind::Invalid,
        subject,
        value: Some(value),
        rule: format!(
            "the Service has no addresses of the family {}, but of {} (spec.ipFamilies)",
            foreign.as_str(),
            families.join(" and "),
        ),
        example: match foreign {
            IpFamily::V4 => "\"2001:db8::7\"",
            IpFamily::V6 => "\"192.0.2.7\"",
        }
        .to_owned(),
    })
}

/// Those of the annotation, or else of the field.
fn either(service: &ServiceView) -> Result<Vec<IpAddr>, Problem> {
    let annotation = ADDRESS.optional(&service.annotations)?;
    let Some(text) = &service.requested_ip else {
        return Ok(annotation.unwrap_or_default());
    };
    let problem = |rule: String, example: String| Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::field(FIELD),
        value: Some(text.clone()),
        rule,
        example,
    };
    let Ok(field) = address(text) else {
        let rule = "it must be an IP address".to_owned();
        return Err(problem(rule, format!("{:?}", ADDRESS.about.example)));
    };
    match annotation {
        Some(addresses) if !addresses.contains(&field) => Err(problem(
            "the annotation address asks for another one".to_owned(),
            format!("\"{}\"", addresses[0]),
        )),
        Some(addresses) => Ok(addresses),
        None => Ok(vec![field]),
    }
}

/// Checks that a Service asks for its addresses on one cloud. The others could only refuse them,
/// however often they are asked.
///
/// # Errors
/// The Service names several clouds.
pub(super) fn on_one_cloud(
    service: &ServiceView,
    asked: &[IpAddr],
    clouds: &BTreeSet<CloudName>,
) -> Result<(), Problem> {
    if asked.is_empty() || clouds.len() < 2 {
        return Ok(());
    }
    let (subject, value) = stated(service);
    let names: Vec<&str> = clouds.iter().map(CloudName::as_str).collect();
    Err(Problem {
        kind: ProblemKind::Invalid,
        subject,
        value: Some(value),
        rule: format!(
            "only one cloud can give an address, and {} names {}; name one of them, or leave the \
             address to the clouds",
            PROVIDER.name(),
            names.join(", "),
        ),
        example: format!("{}: \"{}\"", PROVIDER.name(), names[0]),
    })
}

/// Where a Service asks for its address, and in which words.
pub(super) fn stated(service: &ServiceView) -> (Subject, String) {
    match (
        service.annotations.get(ADDRESS.name()),
        &service.requested_ip,
    ) {
        (None, Some(text)) => (Subject::field(FIELD), text.clone()),
        (text, _) => (
            Subject::annotation(ADDRESS.name()),
            text.cloned().unwrap_or_default(),
        ),
    }
}
