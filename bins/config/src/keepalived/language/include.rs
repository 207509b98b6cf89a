//! `include` and its variants: which files, and which of their absences are errors.

use std::path::{Component, Path, PathBuf};

use super::surroundings::Surroundings;

/// Which missing files are errors, as `include_check` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    /// A file that matches has to be readable.
    pub(super) readable: bool,
    /// A name without wildcards has to exist.
    pub(super) matching: bool,
    /// A name with wildcards has to match something.
    pub(super) wildcard: bool,
    /// Each alternative in braces has to match something.
    pub(super) brace: bool,
}

impl Checks {
    pub(super) const ALL: Self = Self { readable: true, matching: true, wildcard: true, brace: true };

    /// What a keyword adds; `None` = it is no include.
    pub(super) fn of(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "include" => Self::default(),
            "includer" => Self { readable: true, ..Self::default() },
            "includem" => Self { readable: true, matching: true, ..Self::default() },
            "includew" => Self { readable: true, wildcard: true, ..Self::default() },
            "includeb" => Self { readable: true, brace: true, ..Self::default() },
            "includea" => Self::ALL,
            _ => return None,
        })
    }

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            matching: self.matching || other.matching,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// As the parameters of `include_check` say; `+` and `-` change what was, other words replace it.
    pub(super) fn set<'a>(self, words: impl Iterator<Item = &'a str>) -> Self {
        let mut checks = self;
        let mut fresh = true;
        let mut any = false;
        for word in words {
            any = true;
            let (on, name) = match word.as_bytes().first() {
                Some(b'+') => (true, &word[1..]),
                Some(b'-') => (false, &word[1..]),
                _ => {
                    if fresh {
                        checks = Self::default();
                    }
                    (true, word)
                }
            };
            fresh = false;
            match name {
                "readable" => checks.readable = on,
                "match" => checks.matching = on,
                "wildcard_match" => checks.wildcard = on,
                "brace_match" => checks.brace = on,
                _ => continue,
            }
            // Whoever asks for a match asks for one that can be read.
            checks.readable |= on;
        }
        if any { checks } else { Self::ALL }
    }
}

/// Files that a name with wildcards and braces stands for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// Sorted within each alternative.
    pub(super) paths: Vec<PathBuf>,
    /// Whether the name has wildcards.
    pub(super) wildcards: bool,
    /// Alternatives in braces that match nothing.
    pub(super) empty: Vec<String>,
}

const ALTERNATIVES: usize = 1_000;
/// Groups of braces that are resolved for one name, each as often as it is.
const STEPS: usize = 10_000;
/// Bytes of a name with all its alternatives.
const LONGEST_NAME: usize = 4_096;
const FILES: usize = 10_000;

/// Looks for the files. A name without wildcards and braces is its own match, whether it exists or not.
pub(super) fn matches(name: &str, directory: &Path, surroundings: &dyn Surroundings) -> Matches {
    let mut found = Matches { wildcards: has_wildcards(name), ..Matches::default() };
    let mut alternatives = Vec::new();
    let mut steps = STEPS;
    // Longer names are those of no file, and each step makes a copy.
    if name.len() <= LONGEST_NAME {
        braces(name, &mut alternatives, &mut steps);
    }
    for alternative in &alternatives {
        let before = found.paths.len();
        if has_wildcards(alternative) {
            glob(&directory.join(alternative), surroundings, &mut found.paths);
        } else {
            let path = directory.join(alternative);
            if alternatives.len() == 1 || exists(&path, surroundings) {
                found.paths.push(path);
            }
        }
        if found.paths.len() == before && alternatives.len() > 1 {
            found.empty.push(alternative.clone());
        }
    }
    found
}

fn exists(path: &Path, surroundings: &dyn Surroundings) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
    surroundings
        .list(parent)
        .is_ok_and(|names| names.iter().any(|known| name.to_str() == Some(known.as_str())))
}

fn has_wildcards(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// `a{b,c}d` stands for `abd` and `acd`; braces may nest. `{}` and a brace without its other half are themselves.
fn braces(rest: &str, found: &mut Vec<String>, steps: &mut usize) {
    if found.len() >= ALTERNATIVES || *steps == 0 {
        return;
    }
    *steps -= 1;
    let group = rest.find('{').and_then(|open| Some((open, close(&rest[open..])? + open)));
    let Some((open, close)) = group else {
        found.push(rest.to_owned());
        return;
    };
    let inside = &rest[open + 1..close];
    let mut start = 0;
    let mut depth = 0_usize;
    for (at, byte) in inside.bytes().chain(std::iter::once(b',')).enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                let joined = format!("{}{}{}", &rest[..open], &inside[start..at], &rest[close + 1..]);
                // Two bytes shorter at least, so this ends.
                braces(&joined, found, steps);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The offset of the brace that closes the one at the start.
fn close(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn glob(pattern: &Path, surroundings: &dyn Surroundings, found: &mut Vec<PathBuf>) {
    let mut places = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            places.iter_mut().for_each(|place| place.push(component));
            continue;
        };
        let name = name.to_string_lossy();
        if !has_wildcards(&name) {
            places.iter_mut().for_each(|place| place.push(name.as_ref()));
            continue;
        }
        let mut next = Vec::new();
        for place in &places {
            let Ok(mut names) = surroundings.list(place) else { continue };
            names.retain(|candidate| {
                (name.starts_with('.') || !candidate.starts_with('.'))
                    && fits(name.as_bytes(), candidate.as_bytes())
            });
            names.sort_unstable();
            names.dedup();
            next.extend(names.iter().map(|name| place.join(name)).take(FILES.saturating_sub(next.len())));
        }
        places = next;
    }
    let wild_last = pattern.file_name().is_some_and(|name| has_wildcards(&name.to_string_lossy()));
    found.extend(places.into_iter().filter(|path| wild_last || exists(path, surroundings)));
}

/// `*`, `?` and `[a-z]`, `[!a-z]`; a backslash makes the next character ordinary.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => in_set(&pattern[p..], name[n]),
            Some(b'\\') => (pattern.get(p + 1) == Some(&name[n])).then_some(2),
            Some(byte) => (*byte == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(step), _) => {
                p += step;
                n += 1;
            }
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The length of the set when the byte is in it. A `[` without its `]` is itself.
fn in_set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let Some(length) = pattern.iter().skip(first + 1).position(|&end| end == b']') else {
        return (byte == b'[').then_some(1);
    };
    let set = &pattern[first..first + 1 + length];
    let mut at = 0;
    let mut within = false;
    while at < set.len() {
        if set.get(at + 1) == Some(&b'-') && at + 2 < set.len() {
            within |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            within |= set[at] == byte;
            at += 1;
        }
    }
    (within != negated).then_some(first + 1 + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keepalived::language::surroundings::Memory;

    #[test]
    fn braces_and_wildcards_find_files_as_the_shell_does() {
        let files = ["d/a.conf", "d/b.conf", "d/.c.conf", "d/x", "e/a.conf"];
        let memory = files.iter().fold(Memory::default(), |memory, file| memory.file(*file, ""));
        let find = |name: &str| {
            let found = matches(name, Path::new(""), &memory);
            let paths: Vec<_> = found.paths.iter().map(|path| path.display().to_string()).collect();
            (paths.join(" "), found.empty.join(" "))
        };
        assert_eq!(find("d/*.conf").0, "d/a.conf d/b.conf");
        assert_eq!(find("*/[!b].conf").0, "d/a.conf e/a.conf");
        assert_eq!(find("d/.*").0, "d/.c.conf");
        assert_eq!(find("d/?").0, "d/x");
        assert_eq!(find("d/missing"), ("d/missing".into(), String::new()));
        assert_eq!(find("{e,d}/a.conf").0, "e/a.conf d/a.conf");
        assert_eq!(find("d/{a,{b,no}}.conf"), ("d/a.conf d/b.conf".into(), "d/no.conf".into()));
        assert_eq!(find("d/{x").0, "d/{x");
        assert_eq!(find("{d,z}/*.conf"), ("d/a.conf d/b.conf".into(), "z/*.conf".into()));
    }

    #[test]
    fn patterns_that_explode_end() {
        assert!(!fits("*a".repeat(100).as_bytes(), &[b'a'; 90]));
        let mut found = Vec::new();
        braces(&"{a,b}".repeat(60), &mut found, &mut STEPS.clone());
        assert_eq!(found.len(), ALTERNATIVES);
        let nested = matches(&"{a}".repeat(1_000_000), Path::new(""), &Memory::default());
        assert!(nested.paths.is_empty());
    }

    #[test]
    fn include_check_adds_takes_away_and_replaces() {
        let readable = Checks { readable: true, ..Checks::default() };
        assert_eq!(Checks::default().set(std::iter::empty()), Checks::ALL);
        assert_eq!(Checks::ALL.set(["readable"].into_iter()), readable);
        assert_eq!(readable.set(["+match"].into_iter()), Checks { matching: true, ..readable });
        let both = Checks::ALL.set(["-brace_match", "-wildcard_match"].into_iter());
        assert_eq!(both, Checks { matching: true, ..readable });
    }
}
