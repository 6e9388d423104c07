//! The calls that were to change something at a cloud, counted.

use std::fmt;
use std::ops::AddAssign;

use testbed::cloud::Event;

use crate::faults;

/// Mutating calls of the clouds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    pub all: usize,
    /// Those that a fault struck.
    pub struck: usize,
    /// Those whose outcome was unknown to the caller.
    pub unknown: usize,
}

impl Writes {
    /// Counts a call.
    pub fn note(&mut self, call: &Event) {
        self.all += 1;
        self.struck += usize::from(call.fault.is_some());
        self.unknown += usize::from(faults::is_unknown(call));
    }
}

impl AddAssign for Writes {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.struck += other.struck;
        self.unknown += other.unknown;
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            all,
            struck,
            unknown,
        } = self;
        write!(
            formatter,
            "{all:3} writes to clouds, {struck:3} struck, {unknown:3} with an unknown outcome"
        )
    }
}
