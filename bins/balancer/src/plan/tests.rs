use std::sync::Arc;

use async_trait::async_trait;
use lb_core::{
    DataPlane, MemoryDataPlane,
    dataplane::{Connection, Refused, ServerCounters},
    desired::{Fallback, OnFailure, Policy, RealServer, VirtualService},
    model::{SchedulerKind, ServerKey, ServerSpec, Service, ServiceSpec, Weight},
};
use lb_runtime::clock::Clock;

use super::*;
use crate::plane::Opened;

/// Three connections with each server of weight 1, two of which are closing, and those of UDP go on.
struct Busy(MemoryDataPlane);

#[async_trait]
impl DataPlane for Busy {
    fn name(&self) -> &'static str {
        "busy"
    }

    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError> {
        self.0.snapshot().await
    }

    async fn apply(&self, batch: &[Change]) -> Result<Vec<Refused>, DataPlaneError> {
        self.0.apply(batch).await
    }

    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError> {
        let mut counters = self.0.counters().await?;
        for (service, entry) in self.0.table().services {
            for (server, spec) in entry.servers {
                let share = u32::from(spec.weight.get());
                let known =
                    ServerCounters { active: share, inactive: 2 * share, ..ServerCounters::default() };
                counters.entry(service).or_default().servers.insert(server, known);
            }
        }
        Ok(counters)
    }

    async fn connections(&self, _: usize) -> Result<Vec<Connection>, DataPlaneError> {
        Ok(Vec::new())
    }

    fn removal_ends_connections(&self, service: &ServiceKey) -> bool {
        service.protocol() != Some(lb_core::model::Protocol::Udp)
    }
}

fn table(services: &[(&str, &[(u8, u16)])]) -> ServiceTable {
    services.iter().fold(ServiceTable::new(), |table, (key, servers)| {
        let empty = Service::new(ServiceSpec::new(SchedulerKind::RoundRobin));
        let service = servers.iter().fold(empty, |service, (host, weight)| {
            service.with_server(server(*host), ServerSpec::masq(Weight::new(*weight)))
        });
        table.with_service(key.parse().unwrap(), service)
    })
}

fn server(host: u8) -> ServerKey {
    format!("192.168.0.{host}:80").parse().unwrap()
}

fn upkeep(held: ServiceTable) -> Upkeep {
    let plane = Arc::new(Busy(MemoryDataPlane::with_table(held)));
    let opened = Opened { plane, why: "a test".to_owned() };
    Upkeep::new(opened, std::time::Duration::from_secs(10), Clock::start())
}

/// The steps in one line each.
async fn planned(upkeep: Option<&Upkeep>, table: ServiceTable) -> Vec<String> {
    let mut next = State::default();
    next.configure(policy(&table), Time::ZERO, "a.cf");
    // Unchecked are those with the weight 9.
    let checked = table.services.iter().flat_map(|(service, entry)| {
        let servers = entry.servers.iter().filter(|(_, spec)| spec.weight.get() != 9);
        servers.map(|(server, _)| ((*service, *server), Health::Up)).collect::<Vec<_>>()
    });
    next.learn(checked, "", Time::ZERO);
    let Answer::Plan(plan) = plan(upkeep, next, Plan::default()).await else { panic!() };
    let line = |step: &Step| match step.connected {
        Some(Connected { active, inactive, ends }) => {
            format!("{}: {active}+{inactive} {ends}", step.change)
        }
        None => step.change.to_string(),
    };
    let later = plan.later.iter().map(|step| format!("later: {}", line(step)));
    plan.steps.iter().map(line).chain(later).collect()
}

/// What makes the table when all servers are up, with 192.168.0.5:80 as fallback.
fn policy(table: &ServiceTable) -> Policy {
    let entry = |service: &Service| {
        let mut entry = VirtualService::new(service.spec.clone());
        for (server, spec) in &service.servers {
            entry.servers.insert(*server, RealServer { spec: *spec, on_failure: OnFailure::Remove });
        }
        entry.fallback = Some(Fallback::new(server(5), ServerSpec::masq(Weight::ONE)));
        entry
    };
    table.services.iter().map(|(key, service)| (*key, entry(service))).collect()
}

#[tokio::test]
async fn connections_are_counted_of_what_is_removed_and_foreign_services_stay() {
    let held = [
        ("tcp:10.0.0.1:22", &[(1, 1)][..]),
        ("tcp:10.0.0.1:80", &[(1, 1), (2, 3)]),
        ("tcp:10.0.0.1:81", &[(1, 1), (2, 3)]),
        ("udp:10.0.0.1:53", &[(1, 1)]),
    ];
    let mut upkeep = upkeep(table(&held));
    upkeep.own(held[1..].iter().map(|(key, _)| key.parse().unwrap()));
    let next = table(&[("tcp:10.0.0.1:80", &[(1, 2), (3, 1)])]);
    assert_eq!(
        planned(Some(&upkeep), next.clone()).await,
        [
            "add server 192.168.0.3:80 to tcp:10.0.0.1:80 (masq weight 1)",
            "edit server 192.168.0.1:80 of tcp:10.0.0.1:80 (masq weight 2)",
            "remove server 192.168.0.2:80 from tcp:10.0.0.1:80: 3+6 true",
            "remove service tcp:10.0.0.1:81: 4+8 true",
            "remove service udp:10.0.0.1:53: 1+2 false",
        ]
    );
    upkeep.sync(&next).await;
    assert_eq!(planned(Some(&upkeep), next).await, [""; 0]);
}

#[tokio::test]
async fn what_waits_for_a_check_comes_later() {
    let mut upkeep = upkeep(table(&[("tcp:10.0.0.1:80", &[(1, 1), (5, 2)])]));
    upkeep.own(["tcp:10.0.0.1:80".parse().unwrap()]);
    assert_eq!(
        planned(Some(&upkeep), table(&[("tcp:10.0.0.1:80", &[(1, 1), (2, 9)])])).await,
        [
            "remove server 192.168.0.5:80 from tcp:10.0.0.1:80: 2+4 true",
            "later: add server 192.168.0.2:80 to tcp:10.0.0.1:80 (masq weight 9)",
        ]
    );
}

#[tokio::test]
async fn without_a_data_plane_everything_is_new() {
    assert_eq!(
        planned(None, table(&[("tcp:10.0.0.1:80", &[(1, 1)])])).await,
        ["add service tcp:10.0.0.1:80 rr", "add server 192.168.0.1:80 to tcp:10.0.0.1:80 (masq weight 1)"]
    );
}
