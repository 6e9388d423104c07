//! What the queue keeps of a key, and of the lane in which keys wait for the same places.

use tokio::time::Instant;

use crate::controller::workqueue::Need;
use crate::controller::workqueue::lane::Lane;
use crate::controller::workqueue::places::CloudSet;
use crate::priority::Priority;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId {
    pub(super) clouds: CloudSet,
    /// Whether the keys also wait for the first list of the clouds.
    pub(super) after_list: bool,
}

#[derive(Debug, Default)]
pub(super) struct Parking {
    pub(super) lane: Lane,
    /// The reconciles that hold places as members of this lane.
    pub(super) running: usize,
}

#[derive(Debug)]
pub(super) struct Item {
    /// Orders the keys of a namespace; kept while the key waits for a place.
    pub(super) arrival: u64,
    /// When the key became due.
    pub(super) since: Instant,
    pub(super) priority: Priority,
    /// Whether the condition says what the key waits for.
    pub(super) is_explained: bool,
    /// Whether its last attempt went on without a cloud that had no place. The key keeps its
    /// arrival then.
    pub(super) went_on: bool,
    pub(super) state: ItemState,
}

#[derive(Debug)]
pub(super) enum ItemState {
    Delayed(Instant),
    Ready,
    Parked {
        lane: LaneId,
        explain_at: Option<Instant>,
    },
    Running(Running),
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) began: Instant,
    /// The lane and the priority of the places that the reconcile holds.
    pub(super) held: Option<(LaneId, Priority)>,
    /// The clouds of these whose places are not returned when the reconcile ends.
    pub(super) kept: CloudSet,
    /// The key was added again meanwhile.
    pub(super) again: Option<Priority>,
}

impl LaneId {
    pub(super) fn of(need: &Need) -> Self {
        Self {
            clouds: need.clouds.clone(),
            after_list: need.after_list,
        }
    }
}
