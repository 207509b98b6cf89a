//! Values of options in keepalived's forms.

use lb_runtime::log::Facility;

/// A facility of syslog: 0 to 7 stand for local0 to local7.
pub(super) fn facility(text: &str) -> Result<Facility, String> {
    let local = text.parse::<u8>().ok().filter(|number| *number < 8).map(|number| format!("local{number}"));
    let name = local.unwrap_or_else(|| text.to_owned());
    let known = name.starts_with("local") || matches!(name.as_str(), "user" | "daemon");
    let facility = name.parse().ok().filter(|_| known);
    facility.ok_or_else(|| "expected 0 to 7, local0 to local7, user, or daemon".to_owned())
}

/// A number as in C: with a leading 0 it is octal, with 0x hexadecimal.
pub(super) fn mask(text: &str) -> Result<u32, String> {
    let number = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8),
        _ => text.parse(),
    };
    number.ok().filter(|mask| *mask <= 0o777).ok_or_else(|| "expected 0 to 0777".to_owned())
}

/// The number of the signal that asks for this.
pub(super) fn signal_number(name: &str) -> Option<u8> {
    Some(match name {
        "RELOAD" => 1,
        "DATA" => 10,
        "STATS" => 12,
        "STOP" => 15,
        "JSON" => 36,
        "STATS_CLEAR" => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_and_masks_have_the_forms_of_keepalived() {
        for (text, same) in [("0", "local0"), ("7", "local7"), ("daemon", "daemon"), ("user", "user")] {
            assert_eq!(facility(text).unwrap(), same.parse().unwrap());
        }
        for wrong in ["8", "local8", "mail", "", "-1"] {
            assert!(facility(wrong).is_err(), "{wrong}");
        }
        for (text, expected) in [("0177", 0o177), ("022", 0o22), ("0x12", 0x12), ("18", 18), ("0", 0)] {
            assert_eq!(mask(text), Ok(expected), "{text}");
        }
        for wrong in ["01000", "9999", "0x", "08", "u=rw", ""] {
            assert!(mask(wrong).is_err(), "{wrong}");
        }
    }
}
