//! What can happen, by name.

use crate::scenario::Edit;
use crate::state::Id;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The user does the next thing.
    Edit(Edit),
    /// The user's DELETE races this replica's finalizer patch and wins.
    RacedDelete(usize),
    /// The watch catches up.
    Watch(usize),
    /// Fault: a new list of the watch shows the Service as it was before its last change.
    OldList(usize),
    /// A replica gets the Lease. Fault: while another believes that it leads.
    Elect(usize),
    /// One of two leaders learns that it leads no more: its process ends.
    StepDown(usize),
    /// The same; the request it had just sent may arrive later.
    StepDownAfterSending(usize),
    /// Fault: the process ends at once and starts again.
    Crash(usize),
    /// Fault: the same; the request it had just sent may arrive later.
    CrashAfterSending(usize),
    /// A leader observes and plans.
    Start(usize),
    /// Fault: the same, and a cloud does not answer.
    StartWithout(usize, u8),
    /// A leader's next step is done and answered.
    Step(usize),
    /// Fault: the next request gets no answer; it may arrive later, at once or never.
    StepUnanswered(usize),
    /// Fault: the next request is done and answered, and may arrive once more.
    StepTwice(usize),
    /// Fault: the next read gets no answer.
    StepUnread(usize),
    /// A leader lists a cloud, and sweeps.
    List(usize, u8),
    /// Fault: the list lacks the newest load balancer.
    ListLacking(usize, u8),
    /// A request that nobody waits for arrives.
    Arrive(usize),
    /// It never arrives.
    Lose(usize),
    /// A slow cloud gets on with a load balancer.
    Progress(Id),
}
