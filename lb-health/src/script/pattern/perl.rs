//! Perl's syntax in that of `fancy_regex`.
//!
//! Patterns are written for Perl (or PCRE2, which reads them alike) and are matched on bytes by `fancy_regex`. The two
//! read some texts differently, and these are rewritten here: `$`, `\Z` and, with `(?m)`, `^` at the end of a text
//! that ends with a line feed; escapes; a `{` that is not a quantifier; the inside of a bracketed class, where Perl has
//! no set operations; bytes that are not ASCII.

mod class;

use self::class::blanks;

/// An expression for `fancy_regex`.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) text: String,
    /// For each byte of the text, the byte of the pattern that it comes from.
    origins: Vec<usize>,
}

impl Translation {
    pub(super) fn of(pattern: &str) -> Self {
        let mut translator = Translator {
            text: pattern.as_bytes(),
            at: 0,
            done: Self::default(),
            flags: Flags::default(),
            groups: Vec::new(),
            captures: 0,
        };
        translator.captures = translator.count_captures();
        translator.run();
        translator.done
    }

    /// The byte of the pattern that a byte of the text comes from.
    pub(super) fn origin(&self, at: usize) -> Option<usize> {
        self.origins.get(at).copied()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// `(?m)`: `^` and `$` match at each line.
    multi_line: bool,
    /// `(?x)`: blanks and comments are skipped.
    extended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    LookAhead,
    LookBehind,
}

struct Translator<'a> {
    text: &'a [u8],
    /// The next byte of the pattern.
    at: usize,
    done: Translation,
    flags: Flags,
    /// The open groups, each with the flags that hold again behind it.
    groups: Vec<(Kind, Flags)>,
    /// How many groups of the pattern can be referred to by number.
    captures: usize,
}

/// The end of the text, or the place before its last line feed, as an expression that may consume the line feed.
const END: &str = r"(?:\n?\z)";
/// The same without consuming anything.
const BEFORE_END: &str = r"(?=\n?\z)";
/// The start of a line, but not the one behind the last line feed.
const LINE_START: &str = r"(?:\A|^(?!\z))";

impl Translator<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.escape(),
                b'[' => self.class(),
                b'(' => self.open(),
                b')' => {
                    if let Some((_, flags)) = self.groups.pop() {
                        self.flags = flags;
                    }
                    self.replace(1, ")");
                }
                b'$' if self.flags.multi_line => self.replace(1, "$"),
                b'$' => self.end(1),
                b'^' if self.flags.multi_line && !self.is_literal(self.at + 1) => {
                    self.replace(1, LINE_START);
                }
                b'{' => self.brace(),
                b'}' => self.replace(1, r"\}"),
                b'#' if self.flags.extended => {
                    let line = self.text[self.at..].iter().position(|&byte| byte == b'\n');
                    self.at = line.map_or(self.text.len(), |length| self.at + length);
                }
                0x80.. => self.literal(1, byte, false),
                _ => self.replace(1, char::from(byte).encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn count_captures(&self) -> usize {
        let (mut captures, mut at) = (0, 0);
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 1,
                b'[' => at = self.class_end(at),
                b'(' => {
                    let rest = &self.text[at + 1..];
                    let named = [&b"?<"[..], b"?'", b"?P<"].iter().any(|start| rest.starts_with(start));
                    let behind = rest.starts_with(b"?<=") || rest.starts_with(b"?<!");
                    captures += usize::from(named && !behind || !rest.starts_with(b"?"));
                }
                _ => {}
            }
            at += 1;
        }
        captures
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Writes `with` instead of the next bytes.
    fn replace(&mut self, bytes: usize, with: &str) {
        self.done.text.push_str(with);
        self.done.origins.resize(self.done.text.len(), self.at);
        self.at = self.text.len().min(self.at + bytes);
    }

    /// Writes the next bytes as they are.
    fn copy(&mut self, bytes: usize) {
        let end = self.text.len().min(self.at + bytes);
        let part = String::from_utf8_lossy(&self.text[self.at..end]).into_owned();
        self.replace(bytes, &part);
    }

    /// Writes one byte that matches itself.
    fn literal(&mut self, bytes: usize, byte: u8, in_class: bool) {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.replace(bytes, char::from(byte).encode_utf8(&mut [0; 4]));
            }
            // Outside of a class `\xC3` would stand for U+00C3, which has two bytes.
            0x80.. if !in_class => self.replace(bytes, &format!(r"[\x{byte:02X}]")),
            _ => self.replace(bytes, &format!(r"\x{byte:02X}")),
        }
    }

    /// `$` without `(?m)`, and `\Z`.
    fn end(&mut self, bytes: usize) {
        // An expression without look-around needs no steps back, see `Pattern`.
        let end = if self.is_last(self.at + bytes) { END } else { BEFORE_END };
        self.replace(bytes, end);
    }

    /// Whether whatever matches at this place of the pattern is the last part of a match.
    fn is_last(&self, mut at: usize) -> bool {
        for (kind, _) in self.groups.iter().rev() {
            match self.text.get(at) {
                Some(b'|') => at = self.group_end(at),
                Some(b')') => {}
                _ => return false,
            }
            match kind {
                Kind::LookAhead => return true,
                Kind::LookBehind => return false,
                Kind::Plain => at += 1,
            }
            if self.is_quantifier(at) {
                return false;
            }
        }
        matches!(self.text.get(at), None | Some(b'|'))
    }

    /// Where the group ends that this place is in.
    fn group_end(&self, mut at: usize) -> usize {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 1,
                b'[' => at = self.class_end(at),
                b'(' => depth += 1,
                b')' if depth == 0 => break,
                b')' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// A letter or digit that has to occur exactly once.
    fn is_literal(&self, at: usize) -> bool {
        self.text.get(at).is_some_and(u8::is_ascii_alphanumeric) && !self.is_quantifier(at + 1)
    }

    fn is_quantifier(&self, at: usize) -> bool {
        match self.text.get(at) {
            Some(b'*' | b'+' | b'?') => true,
            Some(b'{') => self.count(at).is_some(),
            _ => false,
        }
    }

    /// The length of `{n}`, `{n,}`, `{n,m}` or `{,m}`, and whether its first number is missing.
    fn count(&self, at: usize) -> Option<(usize, bool)> {
        let inside = self.text[at..].strip_prefix(b"{")?;
        let end = inside.iter().position(|&byte| byte == b'}')?;
        let mut numbers = inside[..end].split(|&byte| byte == b',');
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let (first, second) = (numbers.next()?, numbers.next());
        let any = !first.is_empty() || second.is_some_and(|second| !second.is_empty());
        let sound = digits(first) && second.is_none_or(digits) && numbers.next().is_none() && any;
        sound.then_some((end + 2, first.is_empty()))
    }

    fn brace(&mut self) {
        let Some((length, without_first)) = self.count(self.at) else { return self.replace(1, r"\{") };
        match &self.text[self.at..self.at + length] {
            b"{1,}" => self.replace(length, "+"),
            b"{0,}" => self.replace(length, "*"),
            _ if without_first => {
                self.replace(1, "{0");
                self.copy(length - 1);
            }
            _ => self.copy(length),
        }
    }

    fn open(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"(?#") {
            let end = rest.iter().position(|&byte| byte == b')');
            self.at += end.map_or(rest.len(), |end| end + 1);
            return;
        }
        if rest.starts_with(b"(?") && self.flag_group() {
            return;
        }
        let kinds: [(&[u8], Kind); 4] = [
            (b"(?=", Kind::LookAhead),
            (b"(?!", Kind::LookAhead),
            (b"(?<=", Kind::LookBehind),
            (b"(?<!", Kind::LookBehind),
        ];
        let look = kinds.into_iter().find(|(start, _)| rest.starts_with(start));
        self.groups.push((look.map_or(Kind::Plain, |(_, kind)| kind), self.flags));
        if let Some((start, _)) = look {
            self.copy(start.len());
        } else if rest.starts_with(b"(?'") {
            self.replace(3, "(?<");
            self.copy_until(b'\'');
            self.replace(1, ">");
        } else if rest.starts_with(b"(?<") || rest.starts_with(b"(?P") {
            self.copy_until(b'>');
        } else if rest.starts_with(b"(?(") {
            self.copy_until(b')');
            self.copy(1);
        } else {
            self.copy(if rest.starts_with(b"(?") { 3 } else { 1 });
        }
    }

    fn copy_until(&mut self, end: u8) {
        while self.peek(0).is_some_and(|byte| byte != end) {
            self.copy(1);
        }
    }

    /// `(?flags)` and `(?flags:`; whether it was one of these.
    fn flag_group(&mut self) -> bool {
        let flags = &self.text[self.at + 2..];
        let is_flag = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'^' | b'-');
        let length = flags.iter().position(|byte| !is_flag(byte)).unwrap_or(flags.len());
        let is_group = match flags.get(length) {
            Some(b':') => true,
            Some(b')') if length > 0 => false,
            _ => return false,
        };
        // Recursion, as in `(?R)`, is not for flags.
        if flags[..length].contains(&b'R') {
            return false;
        }
        let (mut on, mut off) = (String::new(), String::new());
        let mut set = true;
        let before = self.flags;
        for &flag in &flags[..length] {
            match flag {
                b'-' => set = false,
                b'^' => {
                    off.push_str("imsx");
                    self.flags = Flags::default();
                }
                // Which characters are letters, where the text has only bytes.
                b'a' | b'd' | b'l' | b'p' | b'u' => {}
                _ => {
                    match flag {
                        b'm' => self.flags.multi_line = set,
                        b'x' => self.flags.extended = set,
                        _ => {}
                    }
                    let flag = char::from(flag);
                    (if set { &mut on } else { &mut off }).push(flag);
                    if set {
                        off.retain(|other| other != flag);
                    }
                }
            }
        }
        let off = if off.is_empty() { off } else { format!("-{off}") };
        if is_group {
            self.groups.push((Kind::Plain, before));
            self.replace(length + 3, &format!("(?{on}{off}:"));
        } else {
            let flags = if on.is_empty() && off.is_empty() { String::new() } else { format!("(?{on}{off})") };
            self.replace(length + 3, &flags);
        }
        true
    }

    fn escape(&mut self) {
        let Some(next) = self.peek(1) else { return self.copy(1) };
        match next {
            b'Z' => self.end(2),
            b'A' | b'z' | b'b' | b'B' | b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'G' | b'K' => self.copy(2),
            b'1'..=b'9' if self.refers_back() => self.copy(2),
            b'p' | b'P' | b'X' => {
                self.copy(2);
                if self.peek(0) == Some(b'{') {
                    self.copy_until(b'}');
                    self.copy(1);
                }
            }
            b'h' | b'v' => self.replace(2, &format!("[{}]", blanks(next))),
            b'H' | b'V' => self.replace(2, &format!("[^{}]", blanks(next.to_ascii_lowercase()))),
            b'N' => self.replace(2, r"[^\n]"),
            b'R' => self.replace(2, r"(?>\r\n|[\x0A-\x0D\x85])"),
            b'k' | b'g' => self.back_reference(),
            _ => self.character(false),
        }
    }

    /// Whether the digits behind a `\` name a group. One digit does, more do if there are as many groups.
    fn refers_back(&self) -> bool {
        let digits: Vec<u8> =
            self.text[self.at + 1..].iter().copied().take_while(u8::is_ascii_digit).collect();
        let number = String::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
        number.is_some_and(|number| number < 10 || number <= self.captures)
    }

    /// `\k<name>`, `\k{name}`, `\k'name'`, `\g{1}`, `\g1`.
    fn back_reference(&mut self) {
        let rest = &self.text[self.at + 2..];
        let close = match rest.first() {
            Some(b'{') => b'}',
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            _ => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
                let number = String::from_utf8_lossy(&rest[..digits]).into_owned();
                return self.replace(2 + digits, &format!(r"\k<{number}>"));
            }
        };
        let length = rest.iter().skip(1).position(|&byte| byte == close).unwrap_or(rest.len() - 1);
        let name = String::from_utf8_lossy(&rest[1..=length]).into_owned();
        self.replace(length + 4, &format!(r"\k<{name}>"));
    }

    /// An escape that stands for one character, inside and outside of a class.
    fn character(&mut self, in_class: bool) {
        let rest = &self.text[self.at + 1..];
        let radix = |digits: &[u8], radix| {
            let text = std::str::from_utf8(digits).unwrap_or_default().trim();
            if text.is_empty() { Some(0) } else { u32::from_str_radix(text, radix).ok() }
        };
        let run = |from: usize, most: usize, of: fn(&u8) -> bool| {
            rest.iter().skip(from).take(most).take_while(|byte| of(byte)).count()
        };
        let braced = || {
            let end = rest.iter().position(|&byte| byte == b'}')?;
            (rest.get(1) == Some(&b'{')).then_some((&rest[2..end], end + 1))
        };
        let (value, length) = match rest.first() {
            None => return self.copy(1),
            Some(b'n') => (Some(0x0a), 1),
            Some(b'r') => (Some(0x0d), 1),
            Some(b't') => (Some(0x09), 1),
            Some(b'f') => (Some(0x0c), 1),
            Some(b'e') => (Some(0x1b), 1),
            Some(b'a') => (Some(0x07), 1),
            Some(b'c') => (rest.get(1).map(|byte| u32::from(byte.to_ascii_uppercase() ^ 64)), 2),
            Some(b'o' | b'x') if braced().is_some() => {
                let (digits, length) = braced().unwrap_or_default();
                (radix(digits, if rest[0] == b'o' { 8 } else { 16 }), length)
            }
            Some(b'x') => {
                let digits = run(1, 2, u8::is_ascii_hexdigit);
                (radix(&rest[1..=digits], 16), 1 + digits)
            }
            Some(b'0'..=b'7') => {
                let digits = run(0, 3, |byte| matches!(byte, b'0'..=b'7'));
                (radix(&rest[..digits], 8), digits)
            }
            Some(&other) => (Some(u32::from(other)), 1),
        };
        match value.map(u8::try_from) {
            Some(Ok(byte)) => self.literal(1 + length, byte, in_class),
            // A character that no byte is; what is not a number is left to the parser to complain about.
            _ => self.copy(1 + length),
        }
    }
}
