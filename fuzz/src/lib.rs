//! What comes from outside, and the properties that hold whatever it is.
//!
//! Each module has the function `check`, which reads an input and panics if its property
//! does not hold. The fuzzers (`fuzz_targets/`) call it with inputs of their own; the test
//! `tests/fuzz_corpora.rs` includes these files and calls it with the inputs that are kept
//! in `corpus/` and `failed/`.
//!
//! | module | input |
//! |---|---|
//! | [`cloud_answer`] | the answer of a cloud to a call about one load balancer |
//! | [`list_page`] | a page of a cloud's list |
//! | [`service_json`], [`node_json`] | an object of the API server |
//! | [`annotations`] | the annotations of a Service, to its desired state |
//! | [`config_file`] | the configuration file |
//! | [`plan`] | an observed state, to the actions of its plan |
//!
//! [`choices`] reads an input, [`world`] has what is constant in all of them, [`text`] the
//! rule for texts that are repeated, and [`desired_state`] the properties of a desired state.

pub mod annotations;
pub mod choices;
pub mod cloud_answer;
pub mod config_file;
pub mod desired_state;
pub mod list_page;
pub mod node_json;
pub mod plan;
pub mod service_json;
pub mod text;
pub mod world;

/// A property of an input.
pub type Check = fn(&[u8]);

/// The fuzzers by name, which is also that of the directory of their inputs.
pub const TARGETS: [(&str, Check); 7] = [
    ("annotations", annotations::check),
    ("cloud_answer", cloud_answer::check),
    ("config_file", config_file::check),
    ("list_page", list_page::check),
    ("node_json", node_json::check),
    ("plan", plan::check),
    ("service_json", service_json::check),
];
