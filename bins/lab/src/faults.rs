//! What the switches do to packets, as rules of nftables.

use std::{collections::BTreeMap, fmt::Write as _};

/// How many of a hundred packets are lost from one port of a switch to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    losses: BTreeMap<(String, String), u8>,
}

impl Faults {
    /// From now on so many of a hundred are lost from one port to the other.
    pub(super) fn set(&mut self, from: &str, to: &str, percent: u8) {
        self.losses.insert((from.to_owned(), to.to_owned()), percent.min(100));
    }

    /// From now on nothing is lost.
    pub(super) fn clear(&mut self) {
        self.losses.clear();
    }

    /// The input of `nft` that puts this in force in place of whatever was before.
    pub(super) fn rules(&self) -> String {
        let mut text =
            "table bridge lab {\n}\ndelete table bridge lab\ntable bridge lab {\n\tchain cables {\n\
                        \t\ttype filter hook forward priority 0; policy accept;\n"
                .to_owned();
        for ((from, to), percent) in &self.losses {
            let chance = match percent {
                0 => continue,
                100 => String::new(),
                percent => format!(" numgen random mod 100 < {percent}"),
            };
            let _ = writeln!(text, "\t\tiifname \"{from}\" oifname \"{to}\"{chance} drop");
        }
        text + "\t}\n}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_has_its_own_loss() {
        let mut faults = Faults::default();
        faults.set("p1", "p2", 100);
        faults.set("p2", "p1", 25);
        faults.set("p3", "p1", 0);
        let rules = faults.rules();
        assert!(rules.contains("iifname \"p1\" oifname \"p2\" drop\n"), "{rules}");
        assert!(rules.contains("iifname \"p2\" oifname \"p1\" numgen random mod 100 < 25 drop\n"), "{rules}");
        assert!(!rules.contains("p3"), "{rules}");
        faults.clear();
        assert_eq!(faults.rules(), Faults::default().rules());
        assert_eq!(faults.rules().matches("drop").count(), 0);
    }
}
