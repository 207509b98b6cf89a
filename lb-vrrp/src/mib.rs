//! Counters and states by the names that the MIBs have for them: RFC 6527 (VRRPV3-MIB) and RFC 2787 (VRRP-MIB).
//!
//! An SNMP agent or an exporter of metrics finds here each object that it may read, in the order of the MIB, with its
//! value. What is left out are the indexes of the rows, which are a [`RouterKey`](crate::RouterKey), and what only
//! notifications use.
//!
//! ```
//! use lb_vrrp::{Config, VirtualRouter, Vrid, mib};
//!
//! let config = Config::v3(Vrid::new(51)?, ["192.0.2.100".parse()?]).build()?;
//! let router = VirtualRouter::new(config, "192.0.2.1".parse()?)?;
//! for object in mib::statistics(router.stats(), 0) {
//!     println!("{} = {}", object.name, object.value);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::{fmt, net::IpAddr, time::Duration};

use serde::Serialize;

use crate::{
    Preempt, State, VirtualRouter,
    endpoint::EndpointStats,
    router::{NewActiveReason, ProtocolError, RouterStats},
    wire::Mac,
};

/// An object of a MIB and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its name, such as `vrrpv3RouterChecksumErrors`.
    pub name: &'static str,
    /// The last number of its identifier: the column of a table.
    pub number: u8,
    /// Its value.
    pub value: Value,
}

/// The value of an object, in the type that it has on the wire of SNMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Value {
    /// `Counter32`, which wraps around.
    Counter32(u32),
    /// `Counter64`.
    Counter64(u64),
    /// `Unsigned32`.
    Unsigned(u32),
    /// `INTEGER`: a number of an enumeration, `Integer32`, `TimeInterval`, `TruthValue` (1 is true, 2 false) or
    /// `RowStatus`.
    Integer(i32),
    /// `TimeTicks` or `TimeStamp`: hundredths of a second, which wrap around.
    TimeTicks(u32),
    /// `InetAddress`.
    Address(IpAddr),
    /// `MacAddress`.
    Mac(Mac),
}

impl Value {
    /// The value as a number, for metrics; `None` for addresses.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Counter64(value) => Some(value),
            Self::Counter32(value) | Self::Unsigned(value) | Self::TimeTicks(value) => Some(value.into()),
            Self::Integer(value) => value.try_into().ok(),
            Self::Address(_) | Self::Mac(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter32(value) | Self::Unsigned(value) | Self::TimeTicks(value) => value.fmt(f),
            Self::Counter64(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Address(value) => value.fmt(f),
            Self::Mac(value) => value.fmt(f),
        }
    }
}

/// A row of `vrrpv3OperationsTable` (RFC 6527). `uptime` is how long ago the router left state Initialize; it counts as 0
/// in that state. While no Active router is known, its address is the unspecified one.
pub fn operations(router: &VirtualRouter, uptime: Duration) -> [Object; 11] {
    let config = router.config();
    let unspecified = match router.source() {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let (status, active, uptime) = match router.state() {
        State::Initialize => (1, unspecified, Duration::ZERO),
        State::Backup => (2, router.active().map_or(unspecified, |(source, _)| source), uptime),
        State::Active => (3, router.source(), uptime),
    };
    let objects = [
        ("vrrpv3OperationsMasterIpAddr", Value::Address(active)),
        ("vrrpv3OperationsPrimaryIpAddr", Value::Address(router.source())),
        ("vrrpv3OperationsVirtualMacAddr", Value::Mac(config.virtual_mac())),
        ("vrrpv3OperationsStatus", Value::Integer(status)),
        ("vrrpv3OperationsPriority", Value::Unsigned(router.priority().get().into())),
        ("vrrpv3OperationsAddrCount", Value::Integer(config.addresses().len() as i32)),
        ("vrrpv3OperationsAdvInterval", Value::Integer(config.interval().centiseconds().into())),
        ("vrrpv3OperationsPreemptMode", truth(config.preempt() != Preempt::No)),
        ("vrrpv3OperationsAcceptMode", truth(config.accept())),
        ("vrrpv3OperationsUpTime", Value::TimeTicks((uptime.as_millis() / 10) as u32)),
        ("vrrpv3OperationsRowStatus", Value::Integer(ROW_ACTIVE)),
    ];
    number(3, objects)
}

/// The objects of `vrrpv3Statistics` (RFC 6527) that are not about one virtual router. `discontinuity` is `sysUpTime` when
/// the counters began; 0 when that is not after SNMP began.
pub fn scalars(stats: &EndpointStats, discontinuity: u32) -> [Object; 4] {
    let objects = [
        ("vrrpv3RouterChecksumErrors", Value::Counter64(stats.checksum_errors)),
        ("vrrpv3RouterVersionErrors", Value::Counter64(stats.version_errors)),
        ("vrrpv3RouterVrIdErrors", Value::Counter64(stats.vrid_errors)),
        ("vrrpv3GlobalStatisticsDiscontinuityTime", Value::TimeTicks(discontinuity)),
    ];
    number(1, objects)
}

/// A row of `vrrpv3StatisticsTable` (RFC 6527). `discontinuity` is `sysUpTime` when the counters of this router began; 0
/// when that is not after SNMP began. They are up to date at any time, so that the refresh rate is 0.
pub fn statistics(stats: &RouterStats, discontinuity: u32) -> [Object; 13] {
    let reason = match stats.new_active_reason {
        NewActiveReason::NotActive => 0,
        NewActiveReason::Priority => 1,
        NewActiveReason::Preempted => 2,
        NewActiveReason::NoResponse => 3,
    };
    let error = match stats.last_error {
        ProtocolError::None => 0,
        ProtocolError::Ttl => 1,
        ProtocolError::Version => 2,
        ProtocolError::Checksum => 3,
        ProtocolError::Vrid => 4,
    };
    let objects = [
        ("vrrpv3StatisticsMasterTransitions", Value::Counter32(stats.became_active as u32)),
        ("vrrpv3StatisticsNewMasterReason", Value::Integer(reason)),
        ("vrrpv3StatisticsRcvdAdvertisements", Value::Counter64(stats.received)),
        ("vrrpv3StatisticsAdvIntervalErrors", Value::Counter64(stats.interval_errors)),
        ("vrrpv3StatisticsIpTtlErrors", Value::Counter64(stats.ttl_errors)),
        ("vrrpv3StatisticsProtoErrReason", Value::Integer(error)),
        ("vrrpv3StatisticsRcvdPriZeroPackets", Value::Counter64(stats.priority_zero_received)),
        ("vrrpv3StatisticsSentPriZeroPackets", Value::Counter64(stats.priority_zero_sent)),
        ("vrrpv3StatisticsRcvdInvalidTypePackets", Value::Counter64(stats.invalid_type)),
        ("vrrpv3StatisticsAddressListErrors", Value::Counter64(stats.address_list_errors)),
        ("vrrpv3StatisticsPacketLengthErrors", Value::Counter64(stats.length_errors)),
        ("vrrpv3StatisticsRowDiscontinuityTime", Value::TimeTicks(discontinuity)),
        ("vrrpv3StatisticsRefreshRate", Value::Unsigned(0)),
    ];
    number(1, objects)
}

/// The objects of `vrrpStatistics` (RFC 2787, for VRRPv2) that are not about one virtual router.
pub fn scalars_v2(stats: &EndpointStats) -> [Object; 3] {
    let objects = [
        ("vrrpRouterChecksumErrors", counter32(stats.checksum_errors)),
        ("vrrpRouterVersionErrors", counter32(stats.version_errors)),
        ("vrrpRouterVrIdErrors", counter32(stats.vrid_errors)),
    ];
    number(1, objects)
}

/// A row of `vrrpRouterStatsTable` (RFC 2787, for VRRPv2).
pub fn statistics_v2(stats: &RouterStats) -> [Object; 12] {
    let objects = [
        ("vrrpStatsBecomeMaster", stats.became_active),
        ("vrrpStatsAdvertiseRcvd", stats.received),
        ("vrrpStatsAdvertiseIntervalErrors", stats.interval_errors),
        ("vrrpStatsAuthFailures", stats.auth_failures),
        ("vrrpStatsIpTtlErrors", stats.ttl_errors),
        ("vrrpStatsPriorityZeroPktsRcvd", stats.priority_zero_received),
        ("vrrpStatsPriorityZeroPktsSent", stats.priority_zero_sent),
        ("vrrpStatsInvalidTypePktsRcvd", stats.invalid_type),
        ("vrrpStatsAddressListErrors", stats.address_list_errors),
        ("vrrpStatsInvalidAuthType", stats.invalid_auth_type),
        ("vrrpStatsAuthTypeMismatch", stats.auth_type_mismatch),
        ("vrrpStatsPacketLengthErrors", stats.length_errors),
    ];
    number(1, objects.map(|(name, value)| (name, counter32(value))))
}

/// `active` of `RowStatus` (RFC 2579).
const ROW_ACTIVE: i32 = 1;

fn truth(value: bool) -> Value {
    Value::Integer(if value { 1 } else { 2 })
}

/// A `Counter32` wraps around.
fn counter32(value: u64) -> Value {
    Value::Counter32(value as u32)
}

fn number<const N: usize>(first: u8, objects: [(&'static str, Value); N]) -> [Object; N] {
    let mut number = first;
    objects.map(|(name, value)| {
        let object = Object { name, number, value };
        number += 1;
        object
    })
}

#[cfg(test)]
mod tests;
