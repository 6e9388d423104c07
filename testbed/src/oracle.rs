//! Checks from outside whether the guarantees hold; it shares no code with the
//! program that it checks.
//!
//! [`inspect`] checks the present state, at a moment when nothing changes any
//! more. [`Ledger`] checks the calls on the way there, against the
//! [`DesiredHistory`] of what users asked for. [`untouched`] and [`preserved`]
//! check what the program must leave alone on the Services themselves.

mod desired;
mod desired_history;
mod guarantee;
mod ledger;
mod services;
mod state;

pub use desired::{Desired, Nodes};
pub use desired_history::DesiredHistory;
pub use guarantee::{Guarantee, Violation};
pub use ledger::Ledger;
pub use services::{preserved, untouched};
pub use state::{inspect, verify};
