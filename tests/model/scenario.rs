//! The scenarios: what the user does, and how the clouds behave.

use crate::state::{Kind, Spec};

/// A scenario. The edits happen in this order, each at any time or never.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// What the Service wants when it is created.
    pub spec: Spec,
    pub edits: &'static [Edit],
    pub planted: Planted,
    /// Whether providing and deleting a load balancer takes time.
    pub is_slow: bool,
    /// Whether a reconcile may go on without a cloud whose response is awaited.
    pub leaves: bool,
}

/// An edit by a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Changes `spec.type` away from LoadBalancer, or disables `enable`.
    Leave(Kind),
    /// Undoes [`Edit::Leave`].
    Return,
    /// Names other clouds.
    Clouds(u8),
    /// Changes the bandwidth.
    Bandwidth,
    /// Writes the id of a stranger's load balancer into our annotations.
    Forge,
    /// Deletes the Service.
    Delete,
    /// Creates a new Service of the same name, which has a new UID.
    Recreate,
}

/// A stranger's load balancer on the first cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// Under the name that we derive for our Service.
    UnderOurName,
    /// Under a name of their own.
    Elsewhere,
}

const FIRST: u8 = 0b01;
const SECOND: u8 = 0b10;
/// Both clouds.
pub const BOTH: u8 = 0b11;

const PLAIN: Scenario = Scenario {
    name: "",
    spec: Spec {
        kind: Kind::LoadBalancer,
        clouds: FIRST,
        bandwidth: 0,
        retains: false,
    },
    edits: &[],
    planted: Planted::Nothing,
    is_slow: false,
    leaves: false,
};

/// All scenarios.
pub const SCENARIOS: [Scenario; 15] = [
    Scenario {
        name: "deleted and recreated",
        edits: &[Edit::Delete, Edit::Recreate],
        ..PLAIN
    },
    Scenario {
        name: "type changed away",
        edits: &[Edit::Leave(Kind::ClusterIp), Edit::Delete],
        ..PLAIN
    },
    Scenario {
        name: "enable removed and put back",
        edits: &[Edit::Leave(Kind::NotEnabled), Edit::Return],
        ..PLAIN
    },
    Scenario {
        name: "deleted and retained",
        spec: Spec {
            retains: true,
            ..PLAIN.spec
        },
        edits: &[Edit::Delete, Edit::Recreate],
        ..PLAIN
    },
    Scenario {
        name: "retained, then enabled again",
        spec: Spec {
            retains: true,
            ..PLAIN.spec
        },
        edits: &[Edit::Leave(Kind::NotEnabled), Edit::Return],
        ..PLAIN
    },
    Scenario {
        name: "moved to another cloud",
        edits: &[Edit::Clouds(SECOND), Edit::Delete],
        ..PLAIN
    },
    Scenario {
        name: "moved between slow clouds",
        edits: &[Edit::Clouds(SECOND)],
        is_slow: true,
        ..PLAIN
    },
    Scenario {
        name: "deleted on a slow cloud",
        edits: &[Edit::Delete],
        is_slow: true,
        ..PLAIN
    },
    Scenario {
        name: "two clouds, then one",
        spec: Spec {
            clouds: BOTH,
            ..PLAIN.spec
        },
        edits: &[Edit::Clouds(FIRST)],
        ..PLAIN
    },
    Scenario {
        name: "two clouds, one left behind",
        spec: Spec {
            clouds: BOTH,
            ..PLAIN.spec
        },
        edits: &[Edit::Clouds(FIRST)],
        leaves: true,
        ..PLAIN
    },
    Scenario {
        name: "deleted while a cloud is left behind",
        spec: Spec {
            clouds: BOTH,
            ..PLAIN.spec
        },
        edits: &[Edit::Delete],
        leaves: true,
        ..PLAIN
    },
    Scenario {
        name: "edited and deleted",
        edits: &[Edit::Bandwidth, Edit::Delete],
        ..PLAIN
    },
    Scenario {
        name: "name taken by somebody else",
        edits: &[Edit::Clouds(SECOND), Edit::Delete],
        planted: Planted::UnderOurName,
        ..PLAIN
    },
    Scenario {
        name: "record forged",
        edits: &[Edit::Forge, Edit::Delete],
        planted: Planted::Elsewhere,
        ..PLAIN
    },
    Scenario {
        name: "record forged for another cloud",
        spec: Spec {
            clouds: SECOND,
            ..PLAIN.spec
        },
        edits: &[Edit::Forge, Edit::Delete],
        planted: Planted::Elsewhere,
        ..PLAIN
    },
];

impl Scenario {
    /// Whether the user takes the only cloud of the Service out of the record.
    pub fn hides_a_cloud(&self) -> bool {
        self.edits.contains(&Edit::Forge) && self.spec.clouds & FIRST == 0
    }

    /// Whether the Service names other clouds at some time.
    pub fn moves(&self) -> bool {
        let is_move = |edit: &Edit| matches!(edit, Edit::Clouds(_));
        self.edits.iter().any(is_move)
    }
}
