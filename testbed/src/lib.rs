//! Real parts to run my-cloud-controller-manager on.
