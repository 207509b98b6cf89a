/// Whether one number comes after another, on a circle: after the greatest comes the least (RFC 1982).
pub(super) const fn is_newer(number: u32, than: u32) -> bool {
    number.wrapping_sub(than).wrapping_sub(1) < i32::MAX as u32
}

/// What was heard of the senders that hold the key, the latest heard first. Who is heard no more makes room.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders([Option<Sender>; 16]);

#[derive(Clone, Copy, Debug)]
struct Sender {
    address: [u8; 4],
    /// Greatest number heard.
    latest: u32,
    /// Which of the numbers before it were heard: bit n stands for `latest - n`.
    heard: u64,
}

impl Senders {
    /// Takes a number unless it was heard before, or is too old to tell. The sender has shown that it has the key, so
    /// others can not push it out.
    pub(super) fn accept(&mut self, address: [u8; 4], sequence: u32) -> bool {
        let known = self.0.iter().position(|known| known.is_some_and(|known| known.address == address));
        let at = known.unwrap_or(self.0.len() - 1);
        let sender = match known.and_then(|at| self.0[at]) {
            None => Some(Sender { address, latest: sequence, heard: 1 }),
            Some(sender) => sender.hear(sequence),
        };
        let Some(sender) = sender else { return false };
        self.0[..=at].rotate_right(1);
        self.0[0] = Some(sender);
        true
    }
}

impl Sender {
    fn hear(self, sequence: u32) -> Option<Self> {
        if is_newer(sequence, self.latest) {
            let heard = self.heard.checked_shl(sequence.wrapping_sub(self.latest)).unwrap_or(0) | 1;
            return Some(Self { latest: sequence, heard, ..self });
        }
        let bit = 1_u64.checked_shl(self.latest.wrapping_sub(sequence))?;
        (self.heard & bit == 0).then_some(Self { heard: self.heard | bit, ..self })
    }
}
