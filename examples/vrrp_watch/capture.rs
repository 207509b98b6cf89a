//! Captures in the formats pcap and pcapng.

use std::{error::Error, fs::File, io, path::Path};

use lb_vrrp::Time;
use pcap_parser::{
    Block, Linktype, PcapBlockOwned, PcapError, create_reader, traits::PcapNGPacketBlock as _,
};

use crate::Report;

const NANOS: u128 = 1_000_000_000;
/// More than any frame.
const BUFFER: usize = 1 << 18;

/// An interface of a capture.
struct Source {
    link: Linktype,
    units_per_second: u128,
    offset: i64,
}

/// Feeds the frames of a capture to the report, at the times that it says.
pub(crate) fn read(file: &Path, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let input: Box<dyn io::Read + Send> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).map_err(|error| format!("{}: {error}", file.display()))?),
    };
    let complain = |error: String| format!("{}: {error}: is it a pcap or pcapng file?", file.display());
    let mut reader = create_reader(BUFFER, input).map_err(|error| complain(format!("{error:?}")))?;
    let mut sources: Vec<Source> = Vec::new();
    loop {
        match reader.next() {
            Ok((len, block)) => {
                read_block(&block, &mut sources, report);
                reader.consume(len);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| complain(format!("{error:?}")))?;
            }
            Err(error) => return Err(complain(format!("{error:?}")).into()),
        }
    }
}

fn read_block(block: &PcapBlockOwned<'_>, sources: &mut Vec<Source>, report: &mut Report) {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let units_per_second = if header.is_nanosecond_precision() { NANOS } else { 1_000_000 };
            sources.push(Source { link: header.network, units_per_second, offset: 0 });
        }
        PcapBlockOwned::Legacy(packet) => {
            let Some(source) = sources.first() else { return };
            let units = u128::from(packet.ts_sec) * source.units_per_second + u128::from(packet.ts_usec);
            hand_over(source, units, packet.data, report);
        }
        // Each section counts its interfaces anew.
        PcapBlockOwned::NG(Block::SectionHeader(_)) => sources.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => sources.push(Source {
            link: interface.linktype,
            units_per_second: interface.ts_resolution().map_or(1_000_000, u128::from).max(1),
            offset: interface.ts_offset(),
        }),
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let Some(source) = sources.get(packet.if_id as usize) else { return };
            let units = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
            hand_over(source, units, packet.packet_data(), report);
        }
        PcapBlockOwned::NG(_) => {}
    }
}

fn hand_over(source: &Source, units: u128, data: &[u8], report: &mut Report) {
    let nanos = i128::try_from(units * NANOS / source.units_per_second).unwrap_or(i128::MAX);
    let nanos = nanos.saturating_add(i128::from(source.offset) * NANOS as i128);
    let now = Time::from_nanos(u64::try_from(nanos).unwrap_or(0));
    match source.link {
        Linktype::ETHERNET => report.handle_frame(now, data),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => report.handle_packet(now, data),
        // What `tcpdump -i any` writes: a header of 16 or 20 bytes without the whole of Ethernet's.
        Linktype::LINUX_SLL => report.handle_packet(now, data.get(16..).unwrap_or_default()),
        Linktype(276) => report.handle_packet(now, data.get(20..).unwrap_or_default()),
        _ => {}
    }
}
