//! Traffic per second, averaged as the kernel's estimator does.

use std::collections::BTreeMap;

use lb_core::{
    Time,
    dataplane::{ServerCounters, ServiceCounters, Traffic},
    model::ServiceKey,
};

/// Counters as they were, and what they have grown by per second.
#[derive(Debug, Default)]
pub struct Rates {
    at: Time,
    last: BTreeMap<ServiceKey, ServiceCounters>,
    rates: BTreeMap<ServiceKey, ServiceCounters>,
}

impl Rates {
    /// Takes note of the counters. An entry that is new starts from zero; each sample moves the average a quarter of
    /// the way, as `ip_vs_est` does.
    pub fn sample(&mut self, at: Time, counters: BTreeMap<ServiceKey, ServiceCounters>) {
        let seconds = at.since(self.at).as_secs_f64();
        if seconds > 0.0 {
            let mut rates = BTreeMap::new();
            for (key, now) in &counters {
                let Some(before) = self.last.get(key) else { continue };
                let old = self.rates.get(key).cloned().unwrap_or_default();
                let mut rate = ServiceCounters {
                    traffic: moved(old.traffic, before.traffic, now.traffic, seconds),
                    ..ServiceCounters::default()
                };
                for (server, now) in &now.servers {
                    let Some(before) = before.servers.get(server) else { continue };
                    let old = old.servers.get(server).copied().unwrap_or_default();
                    let traffic = moved(old.traffic, before.traffic, now.traffic, seconds);
                    rate.servers.insert(*server, ServerCounters { traffic, ..*now });
                }
                rates.insert(*key, rate);
            }
            self.rates = rates;
        }
        self.at = at;
        self.last = counters;
    }

    /// Traffic per second.
    pub fn rates(&self) -> &BTreeMap<ServiceKey, ServiceCounters> {
        &self.rates
    }
}

fn moved(average: Traffic, before: Traffic, now: Traffic, seconds: f64) -> Traffic {
    let toward = |average: u64, before: u64, now: u64| {
        let rate = now.saturating_sub(before) as f64 / seconds;
        (average as f64 + (rate - average as f64) / 4.0).round() as u64
    };
    Traffic {
        connections: toward(average.connections, before.connections, now.connections),
        in_packets: toward(average.in_packets, before.in_packets, now.in_packets),
        out_packets: toward(average.out_packets, before.out_packets, now.out_packets),
        in_bytes: toward(average.in_bytes, before.in_bytes, now.in_bytes),
        out_bytes: toward(average.out_bytes, before.out_bytes, now.out_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_approached_by_quarters() {
        let key: ServiceKey = "tcp:10.0.0.1:80".parse().unwrap();
        let mut rates = Rates::default();
        let counted = |connections| {
            let traffic = Traffic { connections, ..Traffic::default() };
            BTreeMap::from([(key, ServiceCounters { traffic, ..ServiceCounters::default() })])
        };
        let seen: Vec<u64> = (0..5)
            .map(|second| {
                rates.sample(Time::from_secs(100 + second), counted(1000 + second * 100));
                rates.rates().get(&key).map_or(0, |rate| rate.traffic.connections)
            })
            .collect();
        assert_eq!(seen, [0, 25, 44, 58, 69]);
    }
}
