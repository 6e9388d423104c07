//! The client of the clouds' API against a server that answers whatever a test
//! tells it to, and against the cloud simulator.

mod answers;
mod edge;
mod lists;
mod requests;
mod traffic;
