//! From what the checks of a real server found to its health and weight.

use lb_config::keepalived::model::Checker;
use lb_core::{Health, model::Weight};

/// What one check has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// What is known.
    pub health: Health,
    /// Whether the server counts as down as long as nothing is known.
    pub alpha: bool,
    /// What the check does to the weight.
    pub share: Share,
}

/// What a check does to the weight of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing.
    #[default]
    None,
    /// It asks for this weight (`misc_dynamic`).
    Weight(i64),
    /// It adds this (`FILE_CHECK`).
    Addend(i64),
}

/// The health of a server with these checks. It is up if all of them say so; while one with `alpha` has nothing to say,
/// nothing is known, and one without it counts as passed until it has failed. Without checks it is up.
pub(super) fn health<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Health {
    let of_one = |finding: &Finding| match (finding.health, finding.alpha) {
        (Health::Unknown, false) => Health::Up,
        (health, _) => health,
    };
    findings.into_iter().map(of_one).fold(Health::Up, |all, one| match (all, one) {
        (Health::Down, _) | (_, Health::Down) => Health::Down,
        (Health::Unknown, _) | (_, Health::Unknown) => Health::Unknown,
        (Health::Up, Health::Up) => Health::Up,
    })
}

/// The health of a server before any of its checks has ended.
pub(super) fn at_first(checkers: &[Checker]) -> Health {
    let findings: Vec<Finding> =
        checkers.iter().map(|checker| Finding { alpha: checker.alpha, ..Finding::default() }).collect();
    health(&findings)
}

/// The weight of a server: that of the configuration, and what each check does to it; 0 to 65,535.
pub(super) fn weight<'a>(base: Weight, findings: impl IntoIterator<Item = &'a Finding>) -> Weight {
    let base = i64::from(base.get());
    let sum = findings.into_iter().fold(base, |sum, finding| match finding.share {
        Share::None => sum,
        Share::Weight(weight) => sum.saturating_add(weight.saturating_sub(base)),
        Share::Addend(addend) => sum.saturating_add(addend),
    });
    Weight::new(sum.clamp(0, u16::MAX.into()) as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(health: Health, alpha: bool) -> Finding {
        Finding { health, alpha, share: Share::None }
    }

    #[test]
    fn without_alpha_a_server_is_up_until_a_check_has_failed() {
        assert_eq!(health(&[]), Health::Up);
        assert_eq!(health(&[found(Health::Unknown, false)]), Health::Up);
        assert_eq!(health(&[found(Health::Unknown, true)]), Health::Unknown);
        assert_eq!(health(&[found(Health::Unknown, true), found(Health::Up, true)]), Health::Unknown);
        assert_eq!(health(&[found(Health::Unknown, true), found(Health::Down, false)]), Health::Down);
        assert_eq!(health(&[found(Health::Up, true), found(Health::Unknown, false)]), Health::Up);
    }

    #[test]
    fn weights_add_up_and_stay_in_their_range() {
        let with = |shares: &[Share]| {
            let findings: Vec<Finding> =
                shares.iter().map(|share| Finding { share: *share, ..Finding::default() }).collect();
            weight(Weight::new(10), &findings).get()
        };
        assert_eq!(with(&[]), 10);
        assert_eq!(with(&[Share::Weight(253)]), 253);
        assert_eq!(with(&[Share::Weight(20), Share::Weight(5)]), 15);
        assert_eq!(with(&[Share::Addend(-3), Share::Weight(20)]), 17);
        assert_eq!(with(&[Share::Addend(-11)]), 0);
        assert_eq!(with(&[Share::Addend(i64::MAX), Share::Addend(i64::MAX)]), 65_535);
    }

    proptest! {
        #[test]
        fn up_means_that_no_check_objects(checks in prop::collection::vec((0..3usize, any::<bool>()), 0..5)) {
            let findings: Vec<Finding> = checks
                .iter()
                .map(|(health, alpha)| found([Health::Unknown, Health::Up, Health::Down][*health], *alpha))
                .collect();
            let objects = |f: &Finding| f.health == Health::Down || f.health == Health::Unknown && f.alpha;
            prop_assert_eq!(health(&findings) == Health::Up, !findings.iter().any(objects));
            let any_down = findings.iter().any(|f| f.health == Health::Down);
            prop_assert_eq!(health(&findings) == Health::Down, any_down);
        }
    }
}
