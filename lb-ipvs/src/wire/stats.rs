//! Statistics: totals since the entry was added or zeroed, and rates.

use lb_core::dataplane::Traffic;

use super::{
    DecodeError,
    attribute::{Put, View},
    consts::stats as nr,
};

/// Statistics of a service or a destination.
///
/// The kernel's estimator refreshes the rates every two seconds, so they are up to that old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Since the entry was added, or zeroed.
    pub total: Traffic,
    /// Connections, packets and bytes (not bits) per second.
    pub rate: Traffic,
}

/// Whether a block of statistics has 32 or 64 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// `STATS`: wraps around at 2³² but for bytes; all that kernels before 4.1 have.
    Legacy,
    /// `STATS64`.
    Wide,
}

impl Stats {
    /// What a block says; the kernel sends one of each width, of which the wide one has all that the other one has.
    pub(crate) fn of(block: Option<View<'_>>) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        for attribute in block.into_iter().flat_map(|block| block.nested()) {
            let attribute = attribute?;
            let Self { total, rate } = &mut stats;
            let field = match attribute.kind() {
                nr::CONNS => &mut total.connections,
                nr::INPKTS => &mut total.in_packets,
                nr::OUTPKTS => &mut total.out_packets,
                nr::INBYTES => &mut total.in_bytes,
                nr::OUTBYTES => &mut total.out_bytes,
                nr::CPS => &mut rate.connections,
                nr::INPPS => &mut rate.in_packets,
                nr::OUTPPS => &mut rate.out_packets,
                nr::INBPS => &mut rate.in_bytes,
                nr::OUTBPS => &mut rate.out_bytes,
                // Padding, or what a later kernel counts.
                _ => continue,
            };
            *field = match attribute.payload().len() {
                4 => attribute.u32()?.into(),
                _ => attribute.u64()?,
            };
        }
        Ok(stats)
    }

    pub(crate) fn emit(&self, width: Width, out: &mut Vec<u8>) {
        let Self { total, rate } = self;
        let fields = [
            (nr::CONNS, total.connections),
            (nr::INPKTS, total.in_packets),
            (nr::OUTPKTS, total.out_packets),
            (nr::INBYTES, total.in_bytes),
            (nr::OUTBYTES, total.out_bytes),
            (nr::CPS, rate.connections),
            (nr::INPPS, rate.in_packets),
            (nr::OUTPPS, rate.out_packets),
            (nr::INBPS, rate.in_bytes),
            (nr::OUTBPS, rate.out_bytes),
        ];
        for (kind, value) in fields {
            if width == Width::Wide || matches!(kind, nr::INBYTES | nr::OUTBYTES) {
                out.put_u64(kind, value);
            } else {
                // The low half, as the kernel does.
                out.put_u32(kind, value as u32);
            }
        }
    }
}
