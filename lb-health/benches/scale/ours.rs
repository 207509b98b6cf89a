//! Our checker: the runner on one thread, and a line for each change.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use lb_core::Health;
use lb_health::{
    Check, HealthCheck, Pattern, Runner, RunnerSettings, Timing,
    probe::{
        http::{BodyRules, Http, HttpSettings},
        tcp::Tcp,
    },
};

/// `tcp FILE` or `http FILE`, with a file of addresses.
pub(crate) fn run(args: &[String]) {
    let [kind, file, ..] = args else { panic!("tcp or http, and a file") };
    let settings = HttpSettings::default();
    let probe: Arc<dyn HealthCheck> = match kind.as_str() {
        "tcp" => Arc::new(Tcp),
        // The whole answer, by hyper: for comparison.
        "body" => Arc::new(
            Http::new(HttpSettings { body: BodyRules::matching(Pattern::new("ok").unwrap()), ..settings })
                .unwrap(),
        ),
        _ => Arc::new(Http::new(settings).unwrap()),
    };
    let timing = Timing::every(Duration::from_secs(1), Duration::from_secs(1));
    let file = fs::read_to_string(file).unwrap();
    let checks: Vec<Check> = file
        .lines()
        .map(|address| {
            Check::new(
                Arc::clone(&probe),
                SocketAddr::from((address.parse::<Ipv4Addr>().unwrap(), 80)),
                timing,
            )
        })
        .collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let runner = Runner::start(RunnerSettings::default());
        runner.set(checks);
        loop {
            let verdict = runner.verdict().await;
            let to = verdict.transition.map(|transition| transition.to);
            if to == Some(Health::Down) {
                let status = runner.status_of(verdict.check).unwrap();
                println!("{} is DOWN: {}", status.target.address, verdict.look.outcome.unwrap_err());
            }
        }
    });
}
