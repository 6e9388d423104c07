//! An input as a series of choices.

/// The part of an input that is not read yet. After its end every choice is the first one.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Chooses by one byte. The digit `0` chooses the first, so that an input can be
    /// written by hand.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        let byte = match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                byte.wrapping_sub(b'0')
            }
            None => 0,
        };
        of[usize::from(byte) % of.len()].clone()
    }

    /// Chooses yes or no.
    pub fn flag(&mut self) -> bool {
        self.pick(&[false, true])
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
