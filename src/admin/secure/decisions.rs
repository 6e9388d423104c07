//! A cache of the decisions of the API server about tokens, for one minute.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// Lifetime of a decision; a revoked token is accepted for this long.
const LIFETIME: Duration = Duration::from_secs(60);
/// Maximum number of cached decisions, also for a client that tries many tokens.
const MAX_DECISIONS: usize = 1024;

/// The decision about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Allowed,
    /// The user of the token is not authorized.
    Denied {
        user: String,
    },
    /// The token does not authenticate a user.
    Unknown,
}

/// The hash of a verb and a token, so that the cache contains no token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(verb: &str, token: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(verb)
            .chain_update([0])
            .chain_update(token);
        Self(hash.finalize().into())
    }
}

#[derive(Default)]
pub(super) struct Decisions(Mutex<HashMap<TokenHash, (Decision, Instant)>>);

impl Decisions {
    /// The cached decision; `None` if there is none or it has expired.
    pub(super) fn get(&self, key: &TokenHash) -> Option<Decision> {
        let decisions = self.0.lock();
        let (decision, at) = decisions.get(key)?;
        (at.elapsed() < LIFETIME).then(|| decision.clone())
    }

    /// Inserts a decision. At the limit the oldest denial is removed first, so that a
    /// flood of invalid tokens does not evict the valid ones.
    pub(super) fn insert(&self, key: TokenHash, decision: Decision) {
        let mut decisions = self.0.lock();
        decisions.retain(|_, (_, at)| at.elapsed() < LIFETIME);
        if decisions.len() >= MAX_DECISIONS && !decisions.contains_key(&key) {
            let least = decisions
                .iter()
                .min_by_key(|(_, (decision, at))| (*decision == Decision::Allowed, *at));
            if let Some(least) = least.map(|(key, _)| *key) {
                decisions.remove(&least);
            }
        }
        decisions.insert(key, (decision, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_decision_is_cached_for_a_minute() {
        let decisions = Decisions::default();
        let key = TokenHash::of("get", "token");
        assert_eq!(decisions.get(&key), None);
        decisions.insert(key, Decision::Allowed);
        advance(LIFETIME - Duration::from_millis(1)).await;
        assert_eq!(decisions.get(&key), Some(Decision::Allowed));
        assert_eq!(decisions.get(&TokenHash::of("head", "token")), None);
        assert_eq!(decisions.get(&TokenHash::of("get", "another")), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(decisions.get(&key), None, "expired");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_invalid_tokens_is_bounded_and_evicts_no_valid_token() {
        let decisions = Decisions::default();
        let right = TokenHash::of("get", "right");
        decisions.insert(right, Decision::Allowed);
        for number in 0..3 * MAX_DECISIONS {
            let wrong = TokenHash::of("get", &format!("wrong-{number}"));
            decisions.insert(wrong, Decision::Unknown);
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(decisions.get(&right), Some(Decision::Allowed));
        assert_eq!(decisions.0.lock().len(), MAX_DECISIONS);
    }
}
