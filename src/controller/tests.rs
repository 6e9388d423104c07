//! What the order of effects rests on, over a scripted API server and scripted
//! clouds: states that a real control plane shows for a moment only. The same
//! code against the real ones: `tests/`.

pub(super) mod api_server;
pub(super) mod cloud;
mod drift;
pub(super) mod leader;
mod live;
mod proof;
mod takeover;
