//! The address that a Service asks for.

use std::net::IpAddr;

use super::annotation::ADDRESS;
use super::problem::{Problem, ProblemKind, Subject};
use super::service::ServiceView;

const FIELD: &str = "spec.loadBalancerIP";

/// The addresses that a Service asks for, at most one of each family: those of the annotation,
/// or else of the field.
///
/// # Errors
/// A value is no address, or both ask for different ones.
pub(super) fn declared(service: &ServiceView) -> Result<Vec<IpAddr>, Problem> {
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
    let Ok(field) = text.trim().parse::<IpAddr>() else {
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
