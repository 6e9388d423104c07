//! What the order of effects rests on, over a scripted API server and scripted
//! clouds: states that a real control plane shows for a moment only. The same
//! code against the real ones: `tests/`.

mod api_server;
mod cloud;
mod drift;
mod leader;
mod live;
mod proof;
mod takeover;
