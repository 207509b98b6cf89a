//! What a daemon is to do, in words that ours and keepalived's configuration are both made from.

use std::net::Ipv4Addr;

use crate::Result;

/// Virtual routers in one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many; [`PER_LINK`] of them on each link.
    pub(crate) routers: usize,
    pub(crate) priority: u8,
    /// Interval of advertisements in hundredths of a second.
    pub(crate) centiseconds: u16,
    /// Addresses of each router that are not advertised, beside the one that is.
    pub(crate) unadvertised: usize,
    /// `SCHED_RR` with priority 50, and memory locked.
    pub(crate) realtime: bool,
}

/// As many as there are identifiers.
pub(crate) const PER_LINK: usize = 255;
/// Of the one with the higher priority, on host .1 of each link.
pub(crate) const FIRST: u8 = 150;
/// Of the other, on host .2.
pub(crate) const SECOND: u8 = 100;

/// One virtual router of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) name: String,
    pub(crate) link: String,
    pub(crate) id: u8,
    pub(crate) address: Ipv4Addr,
}

impl Plan {
    /// The one with the higher priority.
    pub(crate) const fn new(routers: usize, centiseconds: u16) -> Self {
        Self { routers, priority: FIRST, centiseconds, unadvertised: 0, realtime: false }
    }

    /// The same with the lower priority.
    pub(crate) const fn second(self) -> Self {
        Self { priority: SECOND, ..self }
    }

    pub(crate) const fn links(self) -> usize {
        self.routers.div_ceil(PER_LINK)
    }

    pub(crate) const fn seconds(self) -> f64 {
        self.centiseconds as f64 / 100.0
    }

    /// How long one with this priority waits after a resignation, in seconds (RFC 9568 §6.1).
    pub(crate) fn skew(self) -> f64 {
        self.seconds() * (256.0 - f64::from(self.priority)) / 256.0
    }

    /// How long it waits after the last advertisement, in seconds (RFC 9568 §6.1).
    pub(crate) fn down(self) -> f64 {
        3.0 * self.seconds() + self.skew()
    }

    pub(crate) fn all(self) -> impl Iterator<Item = Router> {
        (0..self.routers).map(|number| Router {
            name: format!("r{number}"),
            link: format!("v{}", number / PER_LINK),
            id: (number % PER_LINK + 1) as u8,
            address: address(10, number),
        })
    }

    /// The addresses that are not advertised, all of them on the only router of a plan that has some.
    pub(crate) fn others(self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.unadvertised).map(|number| address(11, number))
    }

    /// As arguments of a role.
    pub(crate) fn to_arguments(self) -> Vec<String> {
        let Self { routers, priority, centiseconds, unadvertised, realtime } = self;
        vec![
            routers.to_string(),
            priority.to_string(),
            centiseconds.to_string(),
            unadvertised.to_string(),
            realtime.to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Self> {
        let [routers, priority, centiseconds, unadvertised, realtime] = arguments else {
            return Err("a plan has five numbers".into());
        };
        Ok(Self {
            routers: routers.parse()?,
            priority: priority.parse()?,
            centiseconds: centiseconds.parse()?,
            unadvertised: unadvertised.parse()?,
            realtime: realtime.parse()?,
        })
    }
}

fn address(net: u8, number: usize) -> Ipv4Addr {
    Ipv4Addr::new(net, (number / 62_500) as u8, (number / 250 % 250) as u8, (number % 250 + 1) as u8)
}
