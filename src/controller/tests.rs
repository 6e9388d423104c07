//! Tests of the controller with a scripted API server and scripted clouds, for states
//! that a real control plane shows only for a moment. `tests/` runs the same code
//! against a real control plane.

pub(super) mod api_server;
mod changes;
pub(super) mod cloud;
mod drift;
mod existing;
pub(super) mod leader;
mod live;
mod nodes;
mod preview;
mod proof;
mod publication;
mod retained;
mod retained_orphans;
mod takeover;
mod wait;
mod webhooks;
