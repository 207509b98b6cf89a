//! Inputs out of committed ones, the same for the same seed, target and iteration.

/// Longest input in bytes.
const MAX_INPUT: usize = 64 * 1024;

/// Numbers, brackets and the like at which readers tend to fail.
const TOKENS: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"99999999999999999999",
    b"{",
    b"}",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"=",
    b"#",
    b"$",
    b"\0",
    "\u{202e}é".as_bytes(),
];

/// The input of an iteration: the committed ones first, as they are.
pub(crate) fn input(seeds: &[Vec<u8>], seed: u64, target: &str, iteration: u64) -> Vec<u8> {
    if let Some(committed) = usize::try_from(iteration).ok().and_then(|at| seeds.get(at)) {
        return committed.clone();
    }
    let mut random = Random::new(seed, target, iteration);
    let mut bytes = random.pick(seeds).clone();
    for _ in 0..=random.below(8) {
        change(&mut bytes, seeds, &mut random);
        bytes.truncate(MAX_INPUT);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = random.length(bytes.len() - at);
    match random.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = *random.pick(&[0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]),
        2 if at < bytes.len() => bytes[at] = random.next() as u8,
        3 => {
            bytes.drain(at..at + length);
        }
        4 => insert(bytes, at, random.pick::<&[u8]>(&TOKENS)),
        5 => {
            let part = bytes[at..at + length].to_vec();
            insert(bytes, random.below(bytes.len() + 1), &part);
        }
        6 => {
            // Large inputs are slow to read, so most repetitions are short.
            let (few, many) = (1 << random.below(6), 1 << random.below(14));
            let part = bytes[at..at + length].repeat(if random.below(8) == 0 { many } else { few });
            insert(bytes, at, &part[..part.len().min(MAX_INPUT)]);
        }
        7 => {
            let other = random.pick(seeds);
            let from = random.below(other.len() + 1);
            let length = random.length(other.len() - from);
            insert(bytes, at, &other[from..from + length]);
        }
        _ => bytes.truncate(at),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn new(seed: u64, target: &str, iteration: u64) -> Self {
        let mut random = Self(seed);
        for byte in target.bytes().chain(iteration.to_le_bytes()) {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `bound`; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Mostly short.
    fn length(&mut self, most: usize) -> usize {
        let short = 1 << self.below(10);
        self.below(most.min(short) + 1)
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
