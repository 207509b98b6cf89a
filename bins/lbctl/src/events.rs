//! `lbctl events`: what has happened, as far as it is remembered, and what happens from now on.

use std::{io::Write as _, path::PathBuf, thread, time::Duration};

use clap::Args;
use lb_control::{
    protocol::{Answer, Entry, EventQuery, MAX_RECORDS, Record, Records, Request},
    wording,
};
use lb_core::Time;
use lb_runtime::clock::rfc3339;

use super::{Failure, as_json, ask, connect, put, text::parse_moment, unexpected};

/// Without any other wish.
const DEFAULT_COUNT: usize = 50;
/// How often it is asked whether something has happened.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct EventsArguments {
    /// So many at most [default: 50, or with --since all]
    #[arg(long, short = 'n')]
    count: Option<usize>,
    /// Not before this time, such as 2026-11-21T21:01:51Z, or 10m for ten minutes ago
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Time>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Time>,
    /// About this instance, group, service, server or tracker, or `daemon`
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Go on with what happens, over restarts of the daemon, until it is interrupted
    #[arg(long, short, conflicts_with = "until")]
    follow: bool,
    /// As JSON, one object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn show(socket: Option<PathBuf>, arguments: EventsArguments) -> Result<(), Failure> {
    let EventsArguments { count, since, until, subject, follow, json } = arguments;
    let all = since.map_or(DEFAULT_COUNT, |_| MAX_RECORDS);
    let mut query = EventQuery { count: count.unwrap_or(all), since, until, subject, from: None };
    let Records { records, mut next, more } = records(socket.clone(), &query, json)?;
    if more && count.is_none() && since.is_some() {
        let _ = writeln!(
            std::io::stderr(),
            "lbctl: only the newest {} events are shown; see earlier ones with --until",
            records.len()
        );
    }
    print(&records, json)?;
    if !follow {
        return Ok(());
    }
    query.count = MAX_RECORDS;
    let mut answers = true;
    loop {
        thread::sleep(FOLLOW_INTERVAL);
        query.from = Some(next);
        match self::records(socket.clone(), &query, json) {
            Ok(found) => {
                print(&found.records, json)?;
                (next, answers) = (found.next, true);
            }
            // It is being started again.
            Err(error) if answers => {
                let _ = writeln!(std::io::stderr(), "lbctl: {error}; waiting for it");
                answers = false;
            }
            Err(_) => {}
        }
    }
}

fn records(socket: Option<PathBuf>, query: &EventQuery, json: bool) -> Result<Records, Failure> {
    match ask(&mut connect(socket)?, &Request::Events(query.clone()), json)? {
        Answer::Events(records) => Ok(records),
        _ => Err(unexpected()),
    }
}

fn print(records: &[Record], json: bool) -> Result<(), Failure> {
    for record in records {
        if json {
            put(&as_json(record)?)?;
        } else {
            lines(record).iter().try_for_each(|line| put(line))?;
        }
    }
    Ok(())
}

fn lines(record: &Record) -> Vec<String> {
    let texts = match &record.entry {
        Entry::Balance(event) => vec![lb_control::wording::services::line(event)],
        Entry::Failover(event) => wording::lines(event, Default::default(), true),
        Entry::Lost(count) => {
            vec![format!("{count} records are missing here, since they could not be written to disk")]
        }
    };
    texts.iter().map(|text| format!("{}  {text}\n", rfc3339(record.time))).collect()
}
