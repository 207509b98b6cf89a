//! Spans of time as people write them.

use std::time::Duration;

/// `4.2s`, `3m07s`, `2h05m`, `3d04h`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// What [`span`] writes, the other way round: `90`, `90s`, `30m`, `2h`, `1d`, `1h30m`.
///
/// # Errors
/// Says what would be right.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write it as 90s, 30m, 2h or 1h30m");
    let (mut total, mut number) = (0u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(wrong()),
        };
        let count: u64 = std::mem::take(&mut number).parse().map_err(|_| wrong())?;
        total = count.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
    }
    if !number.is_empty() {
        let count: u64 = number.parse().map_err(|_| wrong())?;
        total = total.checked_add(count).ok_or_else(wrong)?;
    } else if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800)] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "1x", "-1", "1.5h", "99999999999999999999d", "184467440737095516d"] {
            assert!(parse_span(text).unwrap_err().contains("30m"), "{text}");
        }
        assert_eq!(span(Duration::from_millis(4210)), "4.2s");
        assert_eq!(span(Duration::from_secs(187)), "3m07s");
        assert_eq!(span(Duration::from_secs(7500)), "2h05m");
    }
}
