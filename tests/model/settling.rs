//! Whether every state can still settle (AG EF): stores the moves of all states
//! that need neither a fault nor the user, in little memory.

/// The natural moves of all states, in the order of the states' numbers.
#[derive(Default)]
pub struct NaturalMoves {
    /// For each state the targets of its moves, then their number: to be read
    /// from the end.
    bytes: Vec<u8>,
}

impl NaturalMoves {
    /// Stores the targets of the natural moves of the next state.
    pub fn push(&mut self, from: u32, to: &[u32]) {
        for to in to {
            self.write(zigzag(i64::from(*to) - i64::from(from)));
        }
        self.write(to.len() as u64);
    }

    /// The first state from which no natural moves lead to a settled one.
    pub fn first_stuck(&self, states: usize, settled: &[u32]) -> Option<u32> {
        let mut can_settle = vec![false; states];
        for number in settled {
            can_settle[*number as usize] = true;
        }
        // Most moves lead to a higher number, so a few rounds from the end do.
        let mut has_changed = true;
        while std::mem::take(&mut has_changed) {
            let mut end = self.bytes.len();
            for from in (0..states).rev() {
                for _ in 0..self.read(&mut end) {
                    let to = from as i64 + unzigzag(self.read(&mut end));
                    if can_settle[to as usize] && !can_settle[from] {
                        can_settle[from] = true;
                        has_changed = true;
                    }
                }
            }
        }
        let stuck = can_settle.iter().position(|can| !can)?;
        u32::try_from(stuck).ok()
    }

    /// Seven bits in a byte; the first byte written, read last, is marked.
    fn write(&mut self, mut number: u64) {
        let mut mark = 0x80;
        loop {
            self.bytes.push((number & 0x7f) as u8 | mark);
            number >>= 7;
            mark = 0;
            if number == 0 {
                return;
            }
        }
    }

    fn read(&self, end: &mut usize) -> u64 {
        let mut number = 0;
        loop {
            *end -= 1;
            let byte = self.bytes[*end];
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                return number;
            }
        }
    }
}

/// Small numbers for small differences of either sign.
fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[test]
fn moves_are_read_as_they_were_written() {
    let far = u32::MAX - 1;
    let mut moves = NaturalMoves::default();
    let all: [&[u32]; 4] = [&[1, 200, far, 0], &[], &[0], &[2, 70_000]];
    for (from, to) in (0..).zip(all) {
        moves.push(from, to);
    }
    let mut end = moves.bytes.len();
    for (from, expected) in all.iter().enumerate().rev() {
        let count = moves.read(&mut end);
        let mut read: Vec<i64> = (0..count)
            .map(|_| from as i64 + unzigzag(moves.read(&mut end)))
            .collect();
        read.reverse();
        let expected: Vec<i64> = expected.iter().map(|to| i64::from(*to)).collect();
        assert_eq!(read, expected, "of state {from}");
    }
}

#[test]
fn what_cannot_reach_a_settled_state_is_found() {
    let mut moves = NaturalMoves::default();
    // 3 and 4 go round and round; 1 reaches 2 by way of 0.
    let all: [&[u32]; 5] = [&[2], &[0], &[], &[4], &[3]];
    for (from, to) in (0..).zip(all) {
        moves.push(from, to);
    }
    assert_eq!(moves.first_stuck(5, &[2]), Some(3));
    assert_eq!(moves.first_stuck(5, &[2, 4]), None);
}
