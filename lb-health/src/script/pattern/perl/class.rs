//! Classes in brackets.

use super::Translator;

impl Translator<'_> {
    /// The `]` of the class that begins at this place.
    pub(super) fn class_end(&self, mut at: usize) -> usize {
        at += 1 + usize::from(self.text.get(at + 1) == Some(&b'^'));
        at += usize::from(self.text.get(at) == Some(&b']'));
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 2,
                b']' => break,
                _ => at += self.posix(at).unwrap_or(1),
            }
        }
        at
    }

    /// The length of `[:name:]`.
    fn posix(&self, at: usize) -> Option<usize> {
        let name = self.text[at..].strip_prefix(b"[:")?;
        let length = name.iter().position(|byte| !byte.is_ascii_alphabetic() && *byte != b'^')?;
        name[length..].starts_with(b":]").then_some(length + 4)
    }

    /// A class in brackets.
    pub(super) fn class(&mut self) {
        let end = self.class_end(self.at);
        let negated = self.peek(1) == Some(b'^');
        self.copy(1 + usize::from(negated));
        if self.peek(0) == Some(b']') {
            self.literal(1, b']', true);
        }
        // Whether what comes before may begin a range.
        let mut single = false;
        while self.at < end
            && let Some(byte) = self.peek(0)
        {
            if byte == b'-' {
                let ends_range = self.at + 1 < end && !self.is_set(self.at + 1);
                if single && ends_range {
                    self.copy(1);
                    self.member();
                } else {
                    self.literal(1, b'-', true);
                }
                single = false;
            } else {
                single = !self.is_set(self.at);
                self.member();
            }
        }
        self.copy(1);
    }

    /// Whether a member of a class stands for more than one character.
    fn is_set(&self, at: usize) -> bool {
        match self.text.get(at) {
            Some(b'\\') => self.text.get(at + 1).is_some_and(|byte| b"dDsSwWhHvVpPN".contains(byte)),
            _ => self.posix(at).is_some(),
        }
    }

    /// One member of a class.
    fn member(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some(b'\\'), Some(b'b')) => self.literal(2, 0x08, true),
            (Some(b'\\'), Some(b'd' | b'D' | b's' | b'S' | b'w' | b'W')) => self.copy(2),
            (Some(b'\\'), Some(kind @ (b'h' | b'v'))) => self.replace(2, blanks(kind)),
            (Some(b'\\'), Some(kind @ (b'H' | b'V'))) => {
                self.replace(2, &format!("[^{}]", blanks(kind.to_ascii_lowercase())));
            }
            (Some(b'\\'), Some(b'N')) => self.replace(2, r"[^\n]"),
            (Some(b'\\'), Some(b'p' | b'P')) => {
                self.copy(2);
                if self.peek(0) == Some(b'{') {
                    self.copy_until(b'}');
                }
                self.copy(1);
            }
            (Some(b'\\'), _) => self.character(true),
            (Some(byte), _) => match self.posix(self.at) {
                Some(length) => self.copy(length),
                None => self.literal(1, byte, true),
            },
            (None, _) => {}
        }
    }
}

/// Perl's horizontal or vertical space.
pub(super) const fn blanks(kind: u8) -> &'static str {
    if kind == b'h' { r"\x09\x20\xA0" } else { r"\x0A-\x0D\x85" }
}
