//! A fault in one round.

use my_cloud_controller_manager::plan::naming::CloudName;

use crate::expected::cloud_name;
use crate::story::Edit;

/// What goes wrong in a round.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The index of the action that is struck, among those that are performed.
    pub action: usize,
    pub kind: FaultKind,
    /// A cloud (by its index) that is unreachable in this round.
    pub unreachable: Option<usize>,
}

/// How an action goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It fails without an effect.
    FailsBefore,
    /// It takes effect, and its response is lost.
    FailsAfter,
    /// It takes effect, and then the process crashes.
    CrashAfter,
    /// A user makes an edit right before it.
    Meanwhile(Edit),
}

impl Fault {
    pub fn unreachable(self) -> Option<CloudName> {
        self.unreachable.map(cloud_name)
    }
}
