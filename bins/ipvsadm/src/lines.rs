//! Lines of a text as they come in.

use std::io::{self, BufRead};

/// Beyond this a line is none that anybody wrote.
const LONGEST: usize = 64 << 10;

/// The end of what was read, which is a line not yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// All whole lines that are there, and at the end whatever is left; `None` when there is nothing more. Waits only
    /// when there is no whole line.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::InvalidData`] for a line of more than 64 KiB.
    pub(super) fn read(&mut self, input: &mut dyn BufRead) -> io::Result<Option<String>> {
        loop {
            let piece = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            let (length, ended) = (piece.len(), piece.is_empty());
            let whole = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let (lines, rest) = piece.split_at(whole);
            self.rest.extend_from_slice(if whole == 0 { rest } else { lines });
            let found = (whole > 0 || ended).then(|| std::mem::replace(&mut self.rest, rest.to_vec()));
            input.consume(length);
            match found {
                Some(text) if text.is_empty() => return Ok(None),
                Some(text) => return Ok(Some(String::from_utf8_lossy(&text).into_owned())),
                None if self.rest.len() > LONGEST => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("a line is longer than {LONGEST} bytes"),
                    ));
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn all(mut input: impl BufRead) -> Vec<String> {
        let mut lines = Lines::default();
        std::iter::from_fn(|| lines.read(&mut input).unwrap()).collect()
    }

    #[test]
    fn what_is_there_at_once_comes_at_once_and_no_line_is_cut() {
        let text = "one\ntwo\n\nthree";
        assert_eq!(all(text.as_bytes()), ["one\ntwo\n\n", "three"]);
        for size in 1..20 {
            let pieces = all(BufReader::with_capacity(size, text.as_bytes()));
            assert_eq!(pieces.concat(), text, "{size}");
            assert!(
                pieces[..pieces.len() - 1].iter().all(|piece| piece.ends_with('\n')),
                "{size}: {pieces:?}"
            );
        }
        assert_eq!(all("".as_bytes()), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let endless = BufReader::new(io::repeat(b'a'));
        let error = Lines::default().read(&mut { endless }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let long = BufReader::new(io::repeat(b'a').take(LONGEST as u64 - 1).chain(&b"\nb"[..]));
        assert_eq!(all(long).concat().len(), LONGEST + 1);
    }
}
