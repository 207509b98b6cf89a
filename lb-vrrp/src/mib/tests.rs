use std::vec::Vec;

use super::*;
use crate::{Config, Input, Time, Vrid};

fn router() -> VirtualRouter {
    let config = Config::v3(Vrid::new(51).unwrap(), ["192.0.2.100".parse().unwrap()]).accept(true);
    VirtualRouter::new(config.build().unwrap(), "192.0.2.1".parse().unwrap()).unwrap()
}

/// Each field with a value of its own, so that no two can be taken for each other.
fn stats() -> RouterStats {
    RouterStats {
        became_active: 1,
        released: 2,
        new_active_reason: NewActiveReason::Preempted,
        received: 3,
        sent: 4,
        interval_errors: 5,
        ttl_errors: 6,
        last_error: ProtocolError::Checksum,
        priority_zero_received: 7,
        priority_zero_sent: 8,
        invalid_type: 9,
        address_list_errors: 10,
        length_errors: 11,
        checksum_errors: 12,
        version_errors: 13,
        vrid_errors: 14,
        invalid_auth_type: 15,
        auth_type_mismatch: 16,
        auth_failures: 17,
        dropped: 18,
        late: 19,
        coalesced: 20,
        unsent: 21,
    }
}

fn pairs(objects: &[Object]) -> Vec<(&'static str, Value)> {
    objects.iter().map(|object| (object.name, object.value)).collect()
}

#[test]
fn every_column_of_the_statistics_has_its_counter() {
    use Value::{Counter32, Counter64, Integer, TimeTicks, Unsigned};

    let expected = [
        ("vrrpv3StatisticsMasterTransitions", Counter32(1)),
        ("vrrpv3StatisticsNewMasterReason", Integer(2)),
        ("vrrpv3StatisticsRcvdAdvertisements", Counter64(3)),
        ("vrrpv3StatisticsAdvIntervalErrors", Counter64(5)),
        ("vrrpv3StatisticsIpTtlErrors", Counter64(6)),
        ("vrrpv3StatisticsProtoErrReason", Integer(3)),
        ("vrrpv3StatisticsRcvdPriZeroPackets", Counter64(7)),
        ("vrrpv3StatisticsSentPriZeroPackets", Counter64(8)),
        ("vrrpv3StatisticsRcvdInvalidTypePackets", Counter64(9)),
        ("vrrpv3StatisticsAddressListErrors", Counter64(10)),
        ("vrrpv3StatisticsPacketLengthErrors", Counter64(11)),
        ("vrrpv3StatisticsRowDiscontinuityTime", TimeTicks(99)),
        ("vrrpv3StatisticsRefreshRate", Unsigned(0)),
    ];
    assert_eq!(pairs(&statistics(&stats(), 99)), expected);
}

#[test]
fn every_scalar_is_there() {
    let stats = EndpointStats { checksum_errors: 1, version_errors: 2, vrid_errors: 3, malformed: 4 };
    let expected = [
        ("vrrpv3RouterChecksumErrors", Value::Counter64(1)),
        ("vrrpv3RouterVersionErrors", Value::Counter64(2)),
        ("vrrpv3RouterVrIdErrors", Value::Counter64(3)),
        ("vrrpv3GlobalStatisticsDiscontinuityTime", Value::TimeTicks(99)),
    ];
    assert_eq!(pairs(&scalars(&stats, 99)), expected);
    let v2: Vec<_> = scalars_v2(&stats).iter().map(|object| object.value).collect();
    assert_eq!(v2, [Value::Counter32(1), Value::Counter32(2), Value::Counter32(3)]);
}

#[test]
fn the_older_mib_has_its_counters() {
    let values: Vec<_> = statistics_v2(&stats()).iter().map(|object| object.value).collect();
    assert_eq!(values, [1, 3, 5, 17, 6, 7, 8, 9, 10, 15, 16, 11].map(Value::Counter32));
}

#[test]
fn a_counter_of_32_bits_wraps_around() {
    let stats = RouterStats { received: (1 << 32) + 5, ..RouterStats::default() };
    assert_eq!(statistics_v2(&stats)[1].value, Value::Counter32(5));
    assert_eq!(statistics(&stats, 0)[2].value, Value::Counter64((1 << 32) + 5));
}

#[test]
fn operations_follow_the_state() {
    let value = |objects: &[Object], name: &str| {
        objects.iter().find(|object| object.name == name).map(|object| object.value).unwrap()
    };
    let mut router = router();
    let up = Duration::from_millis(12_345);
    let objects = operations(&router, up);
    assert_eq!(value(&objects, "vrrpv3OperationsStatus"), Value::Integer(1));
    assert_eq!(value(&objects, "vrrpv3OperationsUpTime"), Value::TimeTicks(0));
    let unspecified = Value::Address("0.0.0.0".parse().unwrap());
    assert_eq!(value(&objects, "vrrpv3OperationsMasterIpAddr"), unspecified);
    router.handle_input(Time::ZERO, Input::Startup);
    assert_eq!(value(&operations(&router, up), "vrrpv3OperationsStatus"), Value::Integer(2));
    router.handle_input(Time::ZERO, Input::TakeOver);
    let objects = operations(&router, up);
    assert_eq!(value(&objects, "vrrpv3OperationsStatus"), Value::Integer(3));
    let source = Value::Address("192.0.2.1".parse().unwrap());
    assert_eq!(value(&objects, "vrrpv3OperationsMasterIpAddr"), source);
    assert_eq!(value(&objects, "vrrpv3OperationsPrimaryIpAddr"), source);
    assert_eq!(value(&objects, "vrrpv3OperationsVirtualMacAddr"), Value::Mac(Mac([0, 0, 0x5e, 0, 1, 51])));
    assert_eq!(value(&objects, "vrrpv3OperationsPriority").number(), Some(100));
    assert_eq!(value(&objects, "vrrpv3OperationsAddrCount").number(), Some(1));
    assert_eq!(value(&objects, "vrrpv3OperationsAdvInterval").number(), Some(100));
    assert_eq!(value(&objects, "vrrpv3OperationsPreemptMode"), Value::Integer(1));
    assert_eq!(value(&objects, "vrrpv3OperationsAcceptMode"), Value::Integer(1));
    assert_eq!(value(&objects, "vrrpv3OperationsUpTime"), Value::TimeTicks(1234));
    assert_eq!(value(&objects, "vrrpv3OperationsRowStatus"), Value::Integer(1));
}
