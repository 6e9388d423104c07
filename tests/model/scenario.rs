//! What the user does and what the clouds are like, one small world each.

use crate::state::{Kind, Wish};

/// One story. The edits happen in this order, each at any time or never.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// What the Service asks for when it is made.
    pub wish: Wish,
    pub edits: &'static [Edit],
    pub planted: Planted,
    /// Whether load balancers take a while to serve and to go.
    pub is_slow: bool,
}

/// Something that a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `spec.type` away from LoadBalancer, or `enable` off.
    Leave(Kind),
    /// And back.
    Return,
    /// Names other clouds.
    Clouds(u8),
    /// Asks for another bandwidth.
    Bandwidth,
    /// Writes the id of somebody else's load balancer into our annotations.
    Forge,
    /// Deletes the Service.
    Delete,
    /// Makes a new one of the same name, which has a new UID.
    Recreate,
}

/// Somebody else's load balancer on the first cloud.
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
const BOTH: u8 = 0b11;

const PLAIN: Scenario = Scenario {
    name: "",
    wish: Wish {
        kind: Kind::LoadBalancer,
        clouds: FIRST,
        bandwidth: 0,
    },
    edits: &[],
    planted: Planted::Nothing,
    is_slow: false,
};

/// All stories.
pub const SCENARIOS: [Scenario; 10] = [
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
        wish: Wish {
            clouds: BOTH,
            ..PLAIN.wish
        },
        edits: &[Edit::Clouds(FIRST)],
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
];

impl Scenario {
    /// Whether the Service names other clouds at some time.
    pub fn moves(&self) -> bool {
        let is_move = |edit: &Edit| matches!(edit, Edit::Clouds(_));
        self.edits.iter().any(is_move)
    }
}
