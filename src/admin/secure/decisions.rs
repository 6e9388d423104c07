//! What the API server said of tokens within the last minute.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// How long a decision holds; a token that is revoked is let in for so long.
const HOLDS: Duration = Duration::from_secs(60);
/// Most decisions that are kept. Whoever tries tokens one after the other makes
/// no more of them.
const MOST: usize = 1024;

/// What a token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Its user may.
    Allowed,
    /// Its user may not.
    Denied {
        /// Who.
        user: String,
    },
    /// It is nobody's.
    Unknown,
}

/// A token's hash: what is kept opens no door.
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
    /// What was decided, if it still holds.
    pub(super) fn get(&self, key: &TokenHash) -> Option<Decision> {
        let kept = self.0.lock();
        let (decision, at) = kept.get(key)?;
        (at.elapsed() < HOLDS).then(|| decision.clone())
    }

    /// Keeps a decision. When there are too many, the oldest refusal goes, so
    /// that a flood of wrong tokens does not cost the right ones theirs.
    pub(super) fn keep(&self, key: TokenHash, decision: Decision) {
        let mut kept = self.0.lock();
        kept.retain(|_, (_, at)| at.elapsed() < HOLDS);
        if kept.len() >= MOST && !kept.contains_key(&key) {
            let least = kept
                .iter()
                .min_by_key(|(_, (decision, at))| (*decision == Decision::Allowed, *at));
            if let Some(least) = least.map(|(key, _)| *key) {
                kept.remove(&least);
            }
        }
        kept.insert(key, (decision, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_decision_holds_for_a_minute() {
        let decisions = Decisions::default();
        let key = TokenHash::of("get", "token");
        assert_eq!(decisions.get(&key), None);
        decisions.keep(key, Decision::Allowed);
        advance(HOLDS - Duration::from_millis(1)).await;
        assert_eq!(decisions.get(&key), Some(Decision::Allowed));
        assert_eq!(decisions.get(&TokenHash::of("head", "token")), None);
        assert_eq!(decisions.get(&TokenHash::of("get", "another")), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(decisions.get(&key), None, "it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_wrong_tokens_is_bounded_and_costs_the_right_ones_nothing() {
        let decisions = Decisions::default();
        let right = TokenHash::of("get", "right");
        decisions.keep(right, Decision::Allowed);
        for number in 0..3 * MOST {
            let wrong = TokenHash::of("get", &format!("wrong-{number}"));
            decisions.keep(wrong, Decision::Unknown);
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(decisions.get(&right), Some(Decision::Allowed));
        assert_eq!(decisions.0.lock().len(), MOST);
    }
}
