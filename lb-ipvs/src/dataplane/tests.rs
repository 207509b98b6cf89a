use lb_core::{
    Change, DataPlane, MemoryDataPlane,
    model::{
        Forwarding, Persistence, SchedulerFlags, SchedulerKind, ServerSpec, Service as ModelService,
        ServiceSpec, Thresholds, Tunnel as ModelTunnel, TunnelChecksum, Weight,
    },
};

use super::*;
use crate::{
    Query, ServiceFlags,
    error::errno,
    transport::{Recorded, Replay},
    wire::{Answer, Destination, Service, message::Messages},
};

fn web() -> ServiceKey {
    "tcp:10.0.0.1:80".parse().unwrap()
}

fn one() -> ServerKey {
    "192.168.0.1:80".parse().unwrap()
}

fn limited(weight: u16) -> ServerSpec {
    ServerSpec { thresholds: Thresholds { upper: 100, lower: 50 }, ..ServerSpec::masq(Weight::new(weight)) }
}

fn plane(replay: Replay) -> Ipvs<Replay> {
    Ipvs::new(Client::with_transport(replay).unwrap().into(), Namespace::own())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn one_changed_weight_is_one_message_with_the_thresholds_in_it() {
    let expected = Destination::from_spec(one(), &limited(7));
    let request = Command::EditDestination(web(), expected.clone()).encode().unwrap();
    let plane = plane(Replay::new().expect(&request, [Recorded::Acknowledged(0)]));
    let change = Change::EditServer { service: web(), server: one(), spec: limited(7) };
    assert_eq!(block_on(plane.apply(&[change])).unwrap(), []);
    let sent = block_on(plane.client().call(|client| Ok(client.transport().sent().to_vec()))).unwrap();
    // The first asks for the family's number.
    assert_eq!(sent.len(), 2);
    assert_eq!(Messages(&sent[1]).count(), 1);
    assert_eq!((expected.thresholds.upper, expected.weight), (100, 7));
}

#[test]
fn a_refusal_has_the_index_and_the_words_of_its_change() {
    let delete = Command::DeleteService(web()).encode().unwrap();
    let replay = Replay::new()
        .expect(&delete, [Recorded::Acknowledged(0)])
        .expect(&delete, [Recorded::Acknowledged(3)])
        .expect(&delete, [Recorded::Acknowledged(0)]);
    let change = Change::RemoveService { service: web() };
    let refused = block_on(plane(replay).apply(&[change.clone(), change.clone(), change])).unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].index, refused[0].error.kind), (1, dataplane::ErrorKind::NotFound));
    assert_eq!(refused[0].error.detail, "delete service TCP 10.0.0.1:80: there is no such service");
}

/// A data plane's caller goes by the kind: what is denied or not supported is not tried again at once.
#[test]
fn kinds_of_errors_are_those_of_data_planes() {
    let add = || Command::AddService(Service::new(web(), SchedulerKind::RoundRobin));
    let kind = |command: Command, number| DataPlaneError::from(Error::command(&command, number)).kind;
    assert_eq!(kind(add(), errno::EEXIST), dataplane::ErrorKind::Exists);
    assert_eq!(kind(add(), errno::ENOENT), dataplane::ErrorKind::Unsupported);
    assert_eq!(kind(add(), errno::EAFNOSUPPORT), dataplane::ErrorKind::Unsupported);
    assert_eq!(kind(add(), errno::EPERM), dataplane::ErrorKind::Denied);
    assert_eq!(kind(add(), errno::EINVAL), dataplane::ErrorKind::Invalid);
    assert_eq!(kind(add(), errno::ERANGE), dataplane::ErrorKind::Invalid);
    assert_eq!(kind(add(), errno::ENODEV), dataplane::ErrorKind::Invalid);
    assert_eq!(kind(Command::DeleteDestination(web(), one()), errno::ENOENT), dataplane::ErrorKind::NotFound);
    assert_eq!(kind(Command::DeleteService(web()), errno::ESRCH), dataplane::ErrorKind::NotFound);
    assert_eq!(kind(add(), errno::ENOBUFS), dataplane::ErrorKind::Unavailable);
}

#[test]
fn what_the_model_can_say_comes_back_from_the_kernel_as_it_was() {
    let persistence = Persistence::seconds(std::num::NonZeroU32::new(60).unwrap());
    let specs = [
        ("tcp:10.0.0.1:80", ServiceSpec::new(SchedulerKind::RoundRobin)),
        (
            "udp:[2001:db8::1]:53",
            ServiceSpec { one_packet: true, ..ServiceSpec::new(SchedulerKind::Other("new".into())) },
        ),
        (
            "fwmark:7",
            ServiceSpec {
                flags: SchedulerFlags::PORT.union(SchedulerFlags::THIRD),
                ..ServiceSpec::new(SchedulerKind::Maglev)
            },
        ),
        ("tcp:10.0.0.1:0", ServiceSpec::new(SchedulerKind::RoundRobin).persistent(persistence.clone())),
        (
            "tcp:10.0.0.1:1",
            ServiceSpec::new(SchedulerKind::RoundRobin)
                .persistent(Persistence { prefix: Some(24), ..persistence.clone() }),
        ),
        (
            "sctp:[2001:db8::1]:0",
            ServiceSpec::new(SchedulerKind::RoundRobin).persistent(Persistence {
                prefix: Some(64),
                engine: Some("sip".parse().unwrap()),
                ..persistence
            }),
        ),
    ];
    for (key, spec) in specs {
        let mut service = Service::from_spec(key.parse().unwrap(), &spec);
        service.flags |= ServiceFlags::HASHED;
        assert_eq!(service.spec(), spec, "{key}");
    }
    let gue = |checksum| {
        let kind = model::TunnelKind::Gue(6080.try_into().unwrap());
        Forwarding::Tunnel(ModelTunnel { kind, checksum })
    };
    let gre = ModelTunnel { kind: model::TunnelKind::Gre, checksum: TunnelChecksum::Full };
    for forwarding in [
        Forwarding::Masquerade,
        Forwarding::Direct,
        Forwarding::Local,
        Forwarding::Tunnel(ModelTunnel::IPIP),
        Forwarding::Tunnel(gre),
        gue(TunnelChecksum::None),
        gue(TunnelChecksum::Remote),
    ] {
        let spec = ServerSpec { forwarding, ..limited(65_535) };
        assert_eq!(Destination::from_spec(one(), &spec).spec(), spec);
    }
    // What the model has no number for.
    assert_eq!(
        Destination::new(one(), crate::Forwarding::Direct).with_weight(70_000).spec().weight.get(),
        65_535
    );
}

#[test]
fn a_snapshot_has_what_the_kernel_lists_and_counters_what_it_has_counted() {
    // What the kernel would list of this table.
    let table = ServiceTable::new().with_service(
        web(),
        ModelService::new(ServiceSpec::new(SchedulerKind::RoundRobin)).with_server(one(), limited(3)),
    );
    let recording = include_str!("../../tests/golden/ipvsadm-1.31.txt");
    let recorded = |start: &str| {
        let line = recording.lines().find_map(|line| line.strip_prefix(start)).unwrap();
        let hex = format!("{}{line}", &start[2..]);
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        Answer::decode(&bytes, crate::Family::V4).unwrap()
    };
    let Answer::Service(mut entry) = recorded("< 0101") else { panic!() };
    let Answer::Destination(mut server) = recorded("< 0501") else { panic!() };
    entry.service = Service::from_spec(web(), &table.services[&web()].spec);
    entry.stats.total.connections = 9;
    server.destination = Destination::from_spec(one(), &limited(3));
    (server.active, server.inactive, server.persistent) = (1, 2, 3);
    let services = Query::Services.encode();
    let listed = [Recorded::Message(Answer::Service(entry).encode()), Recorded::Done];
    let (question, with) = servers([server]);
    let once = Replay::new().expect(&services, listed.clone()).expect(&question, with.clone());
    let plane = plane(once.expect(&services, listed).expect(&question, with));
    block_on(async {
        assert_eq!(plane.snapshot().await.unwrap(), table);
        let counters = plane.counters().await.unwrap().remove(&web()).unwrap();
        assert_eq!(counters.traffic.connections, 9);
        let server = counters.servers[&one()];
        assert_eq!((server.active, server.inactive, server.persistent), (1, 2, 3));
        // Nothing more was recorded.
        assert_eq!(plane.snapshot().await.unwrap_err().kind, dataplane::ErrorKind::Unavailable);
    });
    assert_eq!((plane.name(), MemoryDataPlane::new().name()), ("ipvs", "memory"));
}

/// What the kernel answers when it is asked for the servers of the service.
fn servers(list: impl IntoIterator<Item = crate::DestinationEntry>) -> (Vec<u8>, Vec<Recorded>) {
    let listed = list.into_iter().map(|entry| Recorded::Message(Answer::Destination(entry).encode()));
    (Query::Destinations(web()).encode(), listed.chain([Recorded::Done]).collect())
}

fn entry(active: u32, inactive: u32) -> crate::DestinationEntry {
    let destination = Destination::from_spec(one(), &limited(7));
    let (persistent, stats) = (0, Default::default());
    crate::DestinationEntry { destination, active, inactive, persistent, stats }
}

#[test]
fn a_server_is_quiesced_by_its_weight_alone() {
    let (question, answers) = servers([entry(1, 0)]);
    let expected = Command::EditDestination(web(), Destination::from_spec(one(), &limited(0)));
    let plane = plane(
        Replay::new()
            .expect(&question, answers)
            .expect(&expected.encode().unwrap(), [Recorded::Acknowledged(0)])
            .expect(&question, servers([]).1),
    );
    block_on(async {
        plane.quiesce(web(), one()).await.unwrap();
        assert_eq!(plane.quiesce(web(), one()).await.unwrap_err().kind(), ErrorKind::NoSuchServer);
        assert!(plane.client().call(|client| Ok(client.transport().is_exhausted())).await.unwrap());
    });
}

#[test]
fn a_server_is_drained_when_nothing_of_it_is_left() {
    let looks =
        [servers([entry(1, 1)]), servers([entry(0, 1)]), servers([entry(1, 0)]), servers([entry(0, 0)])];
    let replay = looks
        .into_iter()
        .fold(Replay::new(), |replay, (question, answers)| replay.expect(&question, answers));
    let (question, gone) = servers([]);
    let plane = plane(replay.expect(&question, gone));
    block_on(async {
        plane.drained(web(), one(), Duration::from_millis(1)).await.unwrap();
        let left = || plane.client().call(|client| Ok(!client.transport().is_exhausted()));
        assert!(left().await.unwrap(), "four looks, the last of which found nothing");
        plane.drained(web(), one(), Duration::from_millis(1)).await.unwrap();
        assert!(!left().await.unwrap());
    });
}
