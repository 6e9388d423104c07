//! The parts together over a scripted API server, in paused time. The same
//! against a real one: `tests/election.rs`.

mod candidate;
mod leader;
mod leadership;
mod release;
mod requests;
mod server;
mod standby;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// A Lease as another replica writes it.
pub(super) fn lease_of(holder: &str, seconds: i32) -> Lease {
    Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(Timestamp::now())),
            acquire_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    }
}
