//! Guarantee one-writer: the election on a real API server, with candidates in
//! this process.
//!
//! [`term`]: who leads, and until when. [`races`] and [`shapes`]: where
//! kube-leader-election by itself has two leaders or none, and what ours makes of
//! it. [`clocks`]: clocks that are wrong. [`candidate`] and [`bare`]: who stands
//! for election; [`gate`]: what may stand between a candidate and kube-apiserver.

mod bare;
mod candidate;
mod clocks;
mod gate;
mod races;
mod shapes;
mod term;
