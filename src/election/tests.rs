//! The election over a scripted API server, in paused time; `tests/election/` has the
//! same against a real API server. [`client`] tests the HTTP client.

mod candidate;
mod client;
mod leader;
mod leadership;
mod release;
mod requests;
mod server;
mod standby;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use parking_lot::Mutex;

use super::Clock;
use super::lease_object::LeaseObject;

/// A Lease as another replica writes it.
pub(super) fn lease_of(holder: &str, seconds: i32) -> LeaseObject {
    LeaseObject {
        spec: LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(Timestamp::now())),
            acquire_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        },
        ..LeaseObject::default()
    }
}

/// A wall clock that a test sets, as after a suspend of the machine; it does not run
/// by itself.
#[derive(Clone)]
pub(super) struct WrongClock(Arc<Mutex<SystemTime>>);

impl Default for WrongClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::now())))
    }
}

impl WrongClock {
    /// The clock for a candidate.
    pub(super) fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::with_wall(move || *wall.0.lock())
    }

    pub(super) fn turn_forward(&self, by: Duration) {
        *self.0.lock() += by;
    }

    pub(super) fn turn_back(&self, by: Duration) {
        *self.0.lock() -= by;
    }
}
