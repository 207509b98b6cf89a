use crate::wire::recent::Recent;

/// Whether one number comes after another, on a circle: after the greatest comes the least (RFC 1982).
pub(super) const fn is_newer(number: u32, than: u32) -> bool {
    number.wrapping_sub(than).wrapping_sub(1) < i32::MAX as u32
}

/// What was heard of each sender.
#[derive(Clone, Debug)]
pub(super) struct Senders(Recent<[u8; 4], Heard>);

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Greatest number.
    latest: u32,
    /// Which of the numbers up to it: bit n stands for `latest - n`.
    numbers: u64,
}

impl Senders {
    pub(super) const fn new() -> Self {
        Self(Recent::new())
    }

    /// Takes a number unless it was heard before, or is too old to tell.
    pub(super) fn accept(&mut self, address: [u8; 4], sequence: u32) -> bool {
        let heard = match self.0.get(address) {
            None => Some(Heard { latest: sequence, numbers: 1 }),
            Some(heard) => heard.and(sequence),
        };
        if let Some(heard) = heard {
            self.0.put(address, heard);
        }
        heard.is_some()
    }
}

impl Heard {
    fn and(self, sequence: u32) -> Option<Self> {
        if is_newer(sequence, self.latest) {
            let numbers = self.numbers.checked_shl(sequence.wrapping_sub(self.latest)).unwrap_or(0) | 1;
            return Some(Self { latest: sequence, numbers });
        }
        let bit = 1_u64.checked_shl(self.latest.wrapping_sub(sequence))?;
        (self.numbers & bit == 0).then_some(Self { numbers: self.numbers | bit, ..self })
    }
}
