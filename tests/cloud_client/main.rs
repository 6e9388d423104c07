//! The client of the clouds' API against a server that answers whatever a test
//! tells it to, and against the cloud simulator.

// The lint's exception for tests does not reach the functions that they share.
#![allow(clippy::expect_used)]

mod answers;
mod attach;
mod edge;
mod families;
mod hostile;
mod incomplete;
mod lists;
mod requests;
mod setup;
mod simulator;
mod traffic;
