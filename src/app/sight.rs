//! Whether the watches show anything. A leader that sees nothing would go on to renew its
//! Lease and do nothing; first it is not ready, and then it makes way.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::AppError;
use crate::election::Role;
use crate::kubernetes::pulse::Pulse;

/// Shortest time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// The signs of life of the watches. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulses {
    pub(super) services: Pulse,
    pub(super) nodes: Pulse,
}

impl Pulses {
    /// Each watch: the name of its readiness check, its kind, and its signs of life.
    pub(super) fn each(&self) -> [(&'static str, &'static str, Pulse); 2] {
        [
            ("services-watched", "service", self.services.clone()),
            ("nodes-watched", "node", self.nodes.clone()),
        ]
    }

    /// The kind of the watch that has been silent for longest, and for how long.
    fn longest_silence(&self) -> (&'static str, Duration) {
        let (services, nodes) = (self.services.silence(), self.nodes.silence());
        if services >= nodes {
            ("service", services)
        } else {
            ("node", nodes)
        }
    }
}

/// # Errors
/// The watch of this kind has been silent for the limit.
pub(super) fn check(kind: &str, pulse: &Pulse, limit: Duration) -> Result<(), String> {
    let silence = pulse.silence();
    if silence < limit {
        return Ok(());
    }
    let seconds = silence.as_secs();
    Err(format!(
        "the watch of {kind} objects has shown no sign of life for {seconds} s"
    ))
}

/// Keeps `sees` true while no watch has been silent for the limit, for ever.
pub(super) async fn follow(pulses: Pulses, limit: Duration, sees: watch::Sender<bool>) {
    loop {
        let (_, silence) = pulses.longest_silence();
        let now = silence < limit;
        sees.send_if_modified(|sees| std::mem::replace(sees, now) != now);
        sleep(limit.saturating_sub(silence).max(LOOK)).await;
    }
}

/// Completes when this replica leads and sees nothing.
pub(super) async fn blind_leader(
    pulses: Pulses,
    mut sees: watch::Receiver<bool>,
    mut roles: watch::Receiver<Role>,
) -> AppError {
    loop {
        let is_blind = !*sees.borrow_and_update();
        let leads = matches!(*roles.borrow_and_update(), Role::Leader(_));
        if is_blind && leads {
            let (kind, silence) = pulses.longest_silence();
            return AppError::Blind { kind, silence };
        }
        let changed = tokio::select! {
            changed = sees.changed() => changed,
            changed = roles.changed() => changed,
        };
        if changed.is_err() {
            // The process is about to end.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::election::sole_leader;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_leader_makes_way_when_one_watch_has_been_silent_for_the_limit() {
        let pulses = Pulses::default();
        let (sees, seen) = watch::channel(true);
        let (roles, role) = watch::channel(Role::Standby);
        tokio::spawn(follow(pulses.clone(), 60 * SECOND, sees));
        let mut blind = Box::pin(blind_leader(pulses.clone(), seen.clone(), role));
        for _ in 0..10 {
            pulses.services.beat();
            pulses.nodes.beat();
            sleep(59 * SECOND).await;
            assert!(*seen.borrow(), "signs of life every 59 s");
        }
        pulses.services.beat();
        sleep(2 * SECOND).await;
        assert!(!*seen.borrow(), "the Nodes are silent");
        let waiting = timeout(SECOND, &mut blind).await;
        assert!(waiting.is_err(), "a standby stays, whatever it sees");
        roles.send_replace(Role::Leader(sole_leader(1)));
        let error = timeout(SECOND, &mut blind).await.expect("at once");
        assert!(
            matches!(error, AppError::Blind { kind: "node", .. }),
            "{error}"
        );
        pulses.nodes.beat();
        sleep(SECOND).await;
        assert!(*seen.borrow(), "it sees again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_watch_is_the_reason_for_which_a_replica_is_not_ready() {
        let pulse = Pulse::default();
        advance(44 * SECOND).await;
        assert_eq!(check("node", &pulse, 45 * SECOND), Ok(()));
        advance(SECOND).await;
        let why = check("node", &pulse, 45 * SECOND).expect_err("silent");
        assert!(
            why.contains("node objects") && why.contains("45 s"),
            "{why}"
        );
    }
}
