//! Real parts to run my-cloud-controller-manager on.

pub mod back_end;
pub mod cloud;
pub mod loopback;
