//! The guarantees of the README, as far as they can be checked from outside.

use std::fmt;

/// A guarantee, by its name in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    OnlyOurs,
    OneWriter,
    NoDuplicate,
    NoLeak,
    NoHijack,
    NoLostWrite,
    NeverEmpty,
    Explained,
    /// Not a row of the README: in the end each Service has what it asks for.
    Converged,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::OnlyOurs => "only-ours",
            Self::OneWriter => "one-writer",
            Self::NoDuplicate => "no-duplicate",
            Self::NoLeak => "no-leak",
            Self::NoHijack => "no-hijack",
            Self::NoLostWrite => "no-lost-write",
            Self::NeverEmpty => "never-empty",
            Self::Explained => "explained",
            Self::Converged => "converged",
        })
    }
}

/// An observation that contradicts a guarantee.
#[derive(Clone, Debug)]
pub struct Violation {
    pub guarantee: Guarantee,
    pub observation: String,
}

impl Violation {
    pub fn new(guarantee: Guarantee, observation: impl Into<String>) -> Self {
        Self {
            guarantee,
            observation: observation.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            guarantee,
            observation,
        } = self;
        write!(formatter, "{guarantee}: {observation}")
    }
}

impl std::error::Error for Violation {}
