//! no-duplicate, no-leak: whatever old state of the Services a replica is
//! shown, it makes nothing for a Service that is gone and takes nothing from
//! one that is there; and when it sees the truth again, all is as it should be.
//!
//! Reads of a single Service and all writes pass: only the view is old. The
//! intervals are short, so that the old view is acted upon again and again.

mod elsewhere;
mod frozen;
mod incomplete;
mod relisted;
mod stage;
