//! The inputs that reach most of the code (`fuzz/corpus/`), and those that once did not have
//! the property of their target (`fuzz/failed/`), read again. This needs neither a nightly
//! toolchain nor a fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the properties are shared with the fuzzers and fail by panicking"
)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use targets::{Check, TARGETS};

/// The inputs of a target in a directory. Not every target has failed.
fn inputs(directory: &str, target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let files = std::fs::read_dir(fuzz.join(directory).join(target));
    let files = files.into_iter().flatten();
    files.map(|file| file.unwrap().path()).collect()
}

/// The inputs of a target that do not have its property.
fn failures(target: &str, check: Check) -> Vec<PathBuf> {
    let kept = inputs("corpus", target);
    assert!(!kept.is_empty(), "{target} has no inputs");
    let inputs = kept.into_iter().chain(inputs("failed", target));
    let fails = |path: &PathBuf| {
        let input = std::fs::read(path).unwrap();
        catch_unwind(AssertUnwindSafe(|| check(&input))).is_err()
    };
    inputs.filter(fails).collect()
}

#[test]
fn every_input_that_is_kept_has_the_property_of_its_target() {
    let failures = TARGETS
        .map(|(target, check)| failures(target, check))
        .concat();
    assert!(failures.is_empty(), "{failures:#?}");
}
