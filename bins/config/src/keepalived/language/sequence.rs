//! `~SEQ`, `~SEQx` and `~LST`: a line that is read several times.

/// The start of a line that repeats the rest of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repetition<'a> {
    /// Which variables have which values.
    pub(super) rounds: Rounds<'a>,
    /// Where the rest of the line starts.
    pub(super) rest: usize,
}

/// The values, round by round.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rounds<'a> {
    /// Numbers.
    Numbers {
        /// The variable.
        name: &'a str,
        /// The first one.
        start: i64,
        /// From one to the next. Never 0, and towards the end.
        step: i64,
        /// No further than this.
        end: i64,
        /// Written with the digits 0 to f.
        hexadecimal: bool,
    },
    /// Lists.
    Lists {
        /// The variables.
        names: Vec<&'a str>,
        /// Their values in each round; what is missing is empty.
        rounds: Vec<Vec<&'a str>>,
    },
}

/// Whether the line starts with one.
pub(super) fn is_repetition(text: &str) -> bool {
    ["~SEQ", "~SEQx", "~LST"]
        .iter()
        .any(|start| text.strip_prefix(start).is_some_and(|rest| rest.trim_start().starts_with('(')))
}

/// Reads the start of such a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn repetition(text: &str) -> Result<Repetition<'_>, &'static str> {
    let open = text.find('(').unwrap_or(text.len());
    let close = text.find(')').ok_or("there is no `)`")?;
    let inside = text.get(open + 1..close).unwrap_or_default();
    let rounds = match text[..open].trim_end() {
        "~LST" => lists(inside)?,
        start => numbers(inside, start == "~SEQx")?,
    };
    let rest = close + 1;
    Ok(Repetition { rounds, rest: rest + (text[rest..].len() - text[rest..].trim_start().len()) })
}

fn numbers(inside: &str, hexadecimal: bool) -> Result<Rounds<'_>, &'static str> {
    let mut parts = inside.split(',').map(str::trim);
    let name = variable(parts.next().unwrap_or_default())?;
    let values = parts.map(number).collect::<Result<Vec<_>, _>>()?;
    let (start, step, end) = match values[..] {
        [end] => (end.signum(), end.signum(), end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err("it is ~SEQ(VARIABLE, [START, [STEP,]] END)"),
    };
    // A sequence to 0 alone has one value.
    let step = if values.len() == 1 && step == 0 { 1 } else { step };
    if step == 0 || (step > 0 && start > end) || (step < 0 && start < end) {
        return Err("the step does not lead from the start to the end");
    }
    if hexadecimal && (start < 0 || end < 0) {
        return Err("~SEQx is for numbers from 0 on");
    }
    Ok(Rounds::Numbers { name, start, step, end, hexadecimal })
}

/// Decimal, `0x` hexadecimal or `0` octal.
fn number(text: &str) -> Result<i64, &'static str> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        u32::from_str_radix(digits, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u32::from_str_radix(&digits[1..], 8)
    } else {
        digits.parse()
    };
    value.map(|value| sign * i64::from(value)).map_err(|_| "a value is no number")
}

fn lists(inside: &str) -> Result<Rounds<'_>, &'static str> {
    let mut parts = split(inside)?.into_iter();
    let names: Vec<&str> = parts.next().map(members).unwrap_or_default();
    for name in &names {
        variable(name)?;
    }
    let rounds: Vec<Vec<&str>> = parts.map(members).collect();
    if rounds.is_empty() {
        return Err("it is ~LST(VARIABLE, VALUE, …) or ~LST({VARIABLE, …}, {VALUE, …}, …)");
    }
    if rounds.iter().any(|round| round.len() > names.len()) {
        return Err("there are more values than variables");
    }
    if rounds.iter().flatten().any(|value| value.contains(char::is_whitespace)) {
        return Err("a value has a blank in it");
    }
    Ok(Rounds::Lists { names, rounds })
}

/// At the commas that are not in braces.
fn split(inside: &str) -> Result<Vec<&str>, &'static str> {
    let mut parts = Vec::new();
    let (mut start, mut deep) = (0, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' if deep => return Err("braces within braces"),
            b'{' => deep = true,
            b'}' if !deep => return Err("a `}` too much"),
            b'}' => deep = false,
            b',' if !deep => {
                parts.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if deep {
        return Err("a `}` is missing");
    }
    parts.push(inside[start..].trim());
    Ok(parts)
}

fn members(part: &str) -> Vec<&str> {
    match part.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')) {
        Some(inside) => inside.split(',').map(str::trim).collect(),
        None => vec![part],
    }
}

fn variable(name: &str) -> Result<&str, &'static str> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if letters && !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() {
        Ok(name)
    } else {
        Err("a variable is named with letters, digits and `_`, the first one no digit")
    }
}

impl Rounds<'_> {
    /// Sets the variables of round `index`, from 0; `false` = there is no such round.
    pub(super) fn set(&self, index: usize, mut define: impl FnMut(&str, &str)) -> bool {
        match self {
            Self::Numbers { name, start, step, end, hexadecimal } => {
                let value = start + step.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX / 2));
                if (*step > 0 && value > *end) || (*step < 0 && value < *end) {
                    return false;
                }
                define(name, &if *hexadecimal { format!("{value:x}") } else { value.to_string() });
                true
            }
            Self::Lists { names, rounds } => {
                let Some(round) = rounds.get(index) else { return false };
                for (number, name) in names.iter().enumerate() {
                    define(name, round.get(number).copied().unwrap_or_default());
                }
                true
            }
        }
    }
}
