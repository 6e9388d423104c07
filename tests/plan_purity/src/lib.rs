//! Compiles `src/plan` without any dependency that could wait, look around, or answer
//! differently for the same question. What the standard library has of that kind is in
//! `clippy.toml` beside this crate, and `make check` denies it.

#[path = "../../../src"]
mod controller {
    pub mod plan;
}

pub use controller::plan;
