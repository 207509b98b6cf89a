//! Bytes that say where in which stream they belong.

#![allow(dead_code, reason = "every test program uses its part")]

use std::io::{self, Error, Read};

/// The byte at a place of a stream. Differs between streams and between neighbouring blocks, so that lost, doubled
/// and swapped pieces of any size are seen.
const fn byte(stream: u64, at: u64) -> u8 {
    let mut x = (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 29;
    (x >> (8 * (at % 8))) as u8
}

/// Writes `size` bytes of a stream, beginning at `at`, in chunks.
pub(crate) fn pattern(
    stream: u64,
    at: u64,
    size: usize,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(100_003);
    let mut done = 0;
    while done < size {
        let length = (size - done).min(100_003);
        chunk.clear();
        chunk.extend((0..length).map(|offset| byte(stream, at + (done + offset) as u64)));
        write(&chunk)?;
        done += length;
    }
    Ok(())
}

/// Reads a stream and fails at the first wrong byte.
pub(crate) struct Check {
    stream: u64,
    at: u64,
    buffer: Vec<u8>,
}

impl Check {
    pub(crate) fn new(stream: u64) -> Self {
        Self { stream, at: 0, buffer: vec![0; 128 << 10] }
    }

    /// Until the end; returns how many bytes came.
    pub(crate) fn read_to_end(&mut self, mut source: impl Read) -> io::Result<usize> {
        let start = self.at;
        while self.read(&mut source, usize::MAX)? > 0 {}
        Ok((self.at - start) as usize)
    }

    /// Exactly so many bytes.
    pub(crate) fn read_exactly(&mut self, mut source: impl Read, mut size: usize) -> io::Result<()> {
        while size > 0 {
            let read = self.read(&mut source, size)?;
            if read == 0 {
                return Err(Error::other(format!("ended at {}", self.at)));
            }
            size -= read;
        }
        Ok(())
    }

    fn read(&mut self, source: &mut impl Read, most: usize) -> io::Result<usize> {
        let most = most.min(self.buffer.len());
        let read = source.read(&mut self.buffer[..most])?;
        for &found in &self.buffer[..read] {
            if found != byte(self.stream, self.at) {
                return Err(Error::other(format!("wrong byte {found} at {} of {}", self.at, self.stream)));
            }
            self.at += 1;
        }
        Ok(read)
    }
}
