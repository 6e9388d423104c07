//! A state in 64 bits.
//!
//! Two states with the same fingerprint count as one: among 60 million states
//! that happens with a probability of one in ten thousand.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::state::State;

/// The bytes of a state, to be hashed at once.
#[derive(Default)]
pub struct Fingerprints(Vec<u8>);

impl Fingerprints {
    /// The fingerprint of a state.
    pub fn of(&mut self, state: &State) -> u64 {
        self.0.clear();
        state.hash(self);
        self.finish()
    }
}

impl Hasher for Fingerprints {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A length.
    fn write_usize(&mut self, number: usize) {
        match u8::try_from(number) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            _ => {
                self.0.push(u8::MAX);
                self.write(&number.to_le_bytes());
            }
        }
    }

    /// The discriminant of an enum.
    fn write_isize(&mut self, number: isize) {
        self.write_usize(number.unsigned_abs());
    }

    fn finish(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.0);
        hasher.finish()
    }
}
