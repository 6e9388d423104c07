//! A whole candidate over the scripted API server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use crate::election::elector::Elector;
use crate::election::lease::HeldLease;
use crate::election::lease_error::LeaseErrorLog;
use crate::election::observed_lease::ObservedLease;
use crate::election::{Candidate, Clock, ElectionError, Leadership, Observation, Role, Timing};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Running {
    pub(super) task: JoinHandle<Result<(), ElectionError>>,
    pub(super) roles: watch::Receiver<Role>,
    pub(super) observed_lease: Arc<ObservedLease>,
    pub(super) release: CancellationToken,
    pub(super) seen: Arc<Mutex<Vec<Observation>>>,
}

pub(super) fn start(identity: &str, server: &Server) -> Running {
    start_by(Clock::system(), identity, server)
}

/// Starts a candidate with this clock.
pub(super) fn start_by(clock: Clock, identity: &str, server: &Server) -> Running {
    let timing = Timing::default();
    let candidate = Candidate {
        namespace: "namespace".to_owned(),
        lease: "lease".to_owned(),
        identity: identity.to_owned(),
        timing,
        clock,
        sees: watch::channel(true).1,
    };
    let observed_lease = Arc::new(ObservedLease::new(timing.lease_duration));
    let (roles, receiver) = watch::channel(Role::Standby);
    let release = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let elector = Elector {
        timing,
        clock: candidate.clock.clone(),
        sees: candidate.sees.clone(),
        identity: identity.to_owned(),
        lease: HeldLease::new(server.service(), &candidate, observed_lease.clone()),
        observed_lease: observed_lease.clone(),
        roles,
        observe: Arc::new(move |observation| notes.lock().push(observation)),
        release: release.clone(),
        end_process: Arc::new(|| panic!("the runtime is not stuck")),
        log: LeaseErrorLog::new("the election"),
    };
    Running {
        task: tokio::spawn(elector.run()),
        roles: receiver,
        observed_lease,
        release,
        seen,
    }
}

impl Running {
    pub(super) async fn leads(&mut self) -> Leadership {
        let role = self.roles.wait_for(|role| matches!(role, Role::Leader(_)));
        match &*role.await.expect("the candidate runs") {
            Role::Leader(leadership) => leadership.clone(),
            Role::Standby => unreachable!("waited for a leader"),
        }
    }

    pub(super) fn is_standby(&self) -> bool {
        matches!(*self.roles.borrow(), Role::Standby)
    }

    pub(super) async fn lost(self) -> ElectionError {
        let result = self.task.await.expect("no panic");
        let error = result.expect_err("leadership was lost");
        let seen = self.seen.lock();
        assert_eq!(seen.last(), Some(&Observation::Lost));
        assert!(matches!(*self.roles.borrow(), Role::Standby));
        error
    }
}
