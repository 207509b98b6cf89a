//! Columns and times for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lb_core::Time;
use lb_runtime::{clock::parse_rfc3339, span::parse_span};

/// Rows of text with columns as wide as their widest cell; the last column is not padded.
pub fn columns(rows: &[Vec<String>], indent: &str) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out += indent;
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    out
}

/// Seconds as they come over the control socket.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A time of RFC 3339, or so long ago: `2026-11-21T21:01:51Z`, `10m`.
///
/// # Errors
/// Says what would be right.
pub fn parse_moment(text: &str) -> Result<Time, String> {
    match parse_span(text) {
        Ok(ago) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(Time::ZERO + now.saturating_sub(ago))
        }
        Err(_) => parse_rfc3339(text).map_err(|error| format!("{error}, or as 10m for ten minutes ago")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb", "c"], ["aaa", "b", "cc"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows, "  "), "  a    bb  c\n  aaa  b   cc\n");
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        assert!(parse_moment("10m").unwrap() > Time::ZERO);
        assert_eq!(parse_moment("1970-01-01T01:00:01+01:00"), Ok(Time::from_secs(1)));
        assert!(parse_moment("noon").unwrap_err().contains("10m"));
    }
}
