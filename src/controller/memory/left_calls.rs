//! The calls that an attempt has left behind: a cloud takes so long that the Service goes on
//! without it. While such a call is under way, no other attempt calls that cloud for the
//! Service; its end triggers an attempt, which takes what it has shown.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::per_service::PerService;
use crate::cloud::CloudError;
use crate::controller::attempt::SpecHash;
use crate::controller::error::ReconcileError;
use crate::controller::observe::cloud_query::QueryResult;
use crate::plan::naming::{CloudName, ServiceUid};

/// What a call has shown: the state of the cloud if it was a query, nothing if it changed
/// something, or its error.
pub type Answer = Result<Option<QueryResult>, CloudError>;

/// What an update was made for. After an edit, and with other Nodes, it is another update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    pub spec_hash: SpecHash,
    /// The version of the Nodes.
    pub nodes: u64,
}

/// What was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// A cloud may answer it with success and have something else than requested, so that the
    /// next attempt sends it again: this one waits for its delay.
    Update(Tried),
    Other,
}

/// What an attempt takes of a call that has ended.
pub enum Taken {
    Answer(Answer),
    /// The failure of an update for other Nodes: the one to send now has not been tried.
    Outdated(OutdatedFailure),
}

/// An update that failed when its Nodes were not the newest any more.
#[derive(Debug)]
pub struct OutdatedFailure {
    pub error: ReconcileError,
    pub tried: Tried,
}

enum Call {
    UnderWay(Left),
    Ended(Left, Answer),
}

/// The calls that attempts have left behind, by Service and cloud.
#[derive(Default)]
pub struct LeftCalls(PerService<BTreeMap<CloudName, Call>>);

impl LeftCalls {
    /// Records that a call is left behind.
    pub fn leave(&self, uid: &ServiceUid, cloud: &CloudName, what: Left) {
        let mut all = self.0.lock();
        let calls = all.entry(uid.clone()).or_default();
        calls.insert(cloud.clone(), Call::UnderWay(what));
    }

    /// Records the end of a call that was left behind.
    pub fn end(&self, uid: &ServiceUid, cloud: &CloudName, answer: Answer) {
        let mut all = self.0.lock();
        // Without an entry, the Service is gone.
        let call = all.get_mut(uid).and_then(|calls| calls.get_mut(cloud));
        if let Some(call) = call
            && let Call::UnderWay(what) = *call
        {
            *call = Call::Ended(what, answer);
        }
    }

    /// The clouds of all calls whose answers were not taken yet.
    pub fn clouds_for(&self, uid: &ServiceUid) -> BTreeSet<CloudName> {
        let all = self.0.lock();
        let calls = all.get(uid);
        calls.map_or_else(BTreeSet::new, |calls| calls.keys().cloned().collect())
    }

    /// Whether a call is under way.
    pub fn is_under_way(&self, uid: &ServiceUid, cloud: &CloudName) -> bool {
        self.has(uid, |(name, call)| {
            name == cloud && matches!(call, Call::UnderWay(_))
        })
    }

    /// Whether a call has ended, and no attempt has taken its answer.
    pub fn has_ended(&self, uid: &ServiceUid, cloud: &CloudName) -> bool {
        self.has(uid, |(name, call)| {
            name == cloud && matches!(call, Call::Ended(..))
        })
    }

    /// Whether any answer was not taken yet that brings something new for certain.
    pub fn has_news(&self, uid: &ServiceUid) -> bool {
        self.has(uid, |(_, call)| match call {
            Call::UnderWay(_) | Call::Ended(Left::Update(_), Ok(_)) => false,
            Call::Ended(Left::Update(_) | Left::Other, _) => true,
        })
    }

    /// Takes what a call that ended has shown, however long ago: a slow cloud that is asked
    /// again instead may be left behind again. That another update failed than the one to try
    /// `now` is no answer: this one has not been tried, and waits for no backoff. After an edit
    /// it means nothing; if only the Nodes are others, it is one more failure of that cloud.
    pub fn take(&self, uid: &ServiceUid, cloud: &CloudName, now: Tried) -> Option<Taken> {
        let mut all = self.0.lock();
        let calls = all.get_mut(uid)?;
        if matches!(calls.get(cloud), Some(Call::UnderWay(_))) {
            return None;
        }
        let call = calls.remove(cloud);
        if calls.is_empty() {
            all.remove(uid);
        }
        match call? {
            Call::Ended(Left::Update(tried), Err(_)) if tried.spec_hash != now.spec_hash => None,
            Call::Ended(Left::Update(tried), Err(error)) if tried != now => {
                let error = error.into();
                Some(Taken::Outdated(OutdatedFailure { error, tried }))
            }
            Call::Ended(_, answer) => Some(Taken::Answer(answer)),
            Call::UnderWay(_) => None,
        }
    }

    fn has(&self, uid: &ServiceUid, is_it: impl Fn((&CloudName, &Call)) -> bool) -> bool {
        let all = self.0.lock();
        all.get(uid).is_some_and(|calls| calls.iter().any(is_it))
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    /// Keeps the calls of these Services, and those that are under way: a list from before
    /// a Service was created must not make another attempt call its cloud at the same time.
    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        let is_under_way = |call: &Call| matches!(call, Call::UnderWay(_));
        let mut all = self.0.lock();
        all.retain(|uid, calls| alive.contains(uid) || calls.values().any(is_under_way));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{ErrorKind, Operation, Verb};
    use crate::plan::CloudView;

    const CLOUD: &str = "cloud1";
    const NOW: Tried = tried(1, 1);

    const fn tried(spec: u64, nodes: u64) -> Tried {
        let spec_hash = SpecHash::for_test(spec);
        Tried { spec_hash, nodes }
    }

    fn names() -> (ServiceUid, CloudName) {
        (ServiceUid::new("u"), CloudName::new(CLOUD))
    }

    fn error() -> CloudError {
        let operation = Operation {
            cloud: CloudName::new(CLOUD),
            verb: Verb::Create,
        };
        CloudError::new(operation, ErrorKind::NameTaken, "taken".to_owned())
    }

    #[test]
    fn an_answer_is_taken_once_and_only_after_the_end() {
        let (calls, (uid, cloud)) = (LeftCalls::default(), names());
        assert!(calls.take(&uid, &cloud, NOW).is_none());
        calls.leave(&uid, &cloud, Left::Other);
        assert!(calls.is_under_way(&uid, &cloud) && !calls.has_news(&uid));
        assert!(calls.take(&uid, &cloud, NOW).is_none(), "it has not ended");
        assert!(!calls.is_under_way(&uid, &CloudName::new("cloud2")));
        calls.end(&uid, &cloud, Ok(Some(CloudView::Absent.into())));
        assert!(!calls.is_under_way(&uid, &cloud) && calls.has_ended(&uid, &cloud));
        assert_eq!(calls.clouds_for(&uid), BTreeSet::from([cloud.clone()]));
        let Some(Taken::Answer(Ok(Some(answer)))) = calls.take(&uid, &cloud, NOW) else {
            panic!("no answer");
        };
        assert_eq!(answer.view, CloudView::Absent);
        assert!(calls.take(&uid, &cloud, NOW).is_none() && !calls.has_news(&uid));
        assert_eq!(calls.clouds_for(&uid), BTreeSet::new());
    }

    #[test]
    fn the_answer_for_a_service_that_is_gone_is_dropped() {
        let (calls, (uid, cloud)) = (LeftCalls::default(), names());
        calls.leave(&uid, &cloud, Left::Other);
        calls.forget(&uid);
        calls.end(&uid, &cloud, Err(error()));
        assert!(!calls.has_news(&uid));
    }

    #[test]
    fn an_update_that_went_well_ends_no_delay() {
        let (calls, (uid, cloud)) = (LeftCalls::default(), names());
        calls.leave(&uid, &cloud, Left::Update(NOW));
        calls.end(&uid, &cloud, Ok(None));
        assert!(calls.has_ended(&uid, &cloud) && !calls.has_news(&uid));
        calls.leave(&uid, &cloud, Left::Update(NOW));
        calls.end(&uid, &cloud, Err(error()));
        assert!(calls.has_news(&uid), "its failure is to be shown");
    }

    #[test]
    fn the_failure_of_another_update_is_no_answer() {
        let (calls, (uid, cloud)) = (LeftCalls::default(), names());
        let cases = [
            (Left::Update(NOW), "an answer", "the same"),
            (Left::Update(tried(2, 1)), "nothing", "before an edit"),
            (Left::Update(tried(2, 2)), "nothing", "before an edit"),
            (Left::Update(tried(1, 2)), "outdated", "of other Nodes"),
            (Left::Other, "an answer", "a query"),
        ];
        for (what, expected, why) in cases {
            calls.leave(&uid, &cloud, what);
            calls.end(&uid, &cloud, Err(error()));
            let taken = match calls.take(&uid, &cloud, NOW) {
                Some(Taken::Answer(_)) => "an answer",
                Some(Taken::Outdated(failure)) => {
                    assert_eq!(failure.tried, tried(1, 2));
                    "outdated"
                }
                None => "nothing",
            };
            assert_eq!(taken, expected, "{why}");
            assert!(!calls.has_ended(&uid, &cloud), "{why}: taken");
        }
        calls.leave(&uid, &cloud, Left::Update(tried(2, 2)));
        calls.end(&uid, &cloud, Ok(None));
        assert!(calls.take(&uid, &cloud, NOW).is_some(), "a success counts");
    }

    #[test]
    fn a_list_without_the_service_drops_no_call_that_is_under_way() {
        let (calls, (uid, cloud)) = (LeftCalls::default(), names());
        calls.leave(&uid, &cloud, Left::Other);
        calls.retain(&HashSet::new());
        assert!(calls.is_under_way(&uid, &cloud));
        calls.end(&uid, &cloud, Err(error()));
        calls.retain(&HashSet::new());
        assert!(!calls.has_ended(&uid, &cloud));
    }
}
