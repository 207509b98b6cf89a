//! The balancer of the demo on loopback: a real director with the relay, in a process of its own. It is asked over its standard
//! input and needs neither a socket nor a file, so that it runs where nothing can be written.

use std::{io, path::Path};

use lb_balancer::plane::{self, Choice};
use lb_config::document::Source;
use lb_control::{history::History, protocol::Answer, server::Call, store::Store};
use lb_director::{
    engine::{Director, Options, Order},
    journal::Journal,
    loading,
};
use lb_nat::relay::RelayConfig;
use lb_runtime::{
    clock::Clock,
    limits,
    log::{self, Log, Target},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::{mpsc, oneshot},
};

use super::roles;

/// Name of the configuration in messages; there is no such file.
const NAME: &str = "demo.cf";

/// Balances by this configuration until the parent is gone. Says `ready` when everything is in the data plane, or what was
/// refused of it, and then answers each request of a line with a line.
pub(super) async fn run(configuration: &str) -> io::Result<()> {
    limits::raise_open_files();
    let loaded = loading::check(&Source::new(NAME, configuration), false).map_err(io::Error::other)?;
    let clock = Clock::start();
    let log = Log::new(Target::File("/dev/null".into()), clock, NAME);
    log::capture(&log);
    let relay = RelayConfig::default();
    // The relay has no use for it.
    let nft_table = plane::nft_table("lbctl-demo", Path::new(NAME), None);
    let opened = plane::open(Choice::Relay, &loaded.config.table(), &nft_table, relay).await;
    let plane = opened.map_err(io::Error::other)?;
    let (call_sender, mut calls) = mpsc::channel(1);
    let (order_sender, mut orders) = mpsc::channel(1);
    let options = Options::new(NAME.into());
    let mut director = Director::start(
        options,
        loaded.config,
        plane,
        clock,
        Journal::new(log, History::new(clock, Store::default())),
        Default::default(),
    )
    .await;
    match director.refused().first() {
        None => roles::say("ready").await?,
        Some(refusal) => roles::say(&format!("refused: {refusal}")).await?,
    }
    let converse = async {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            let (reply, answer) = oneshot::channel();
            let request = serde_json::from_str(&line)?;
            if call_sender.send(Call { request, user: String::new(), reply }).await.is_err() {
                break;
            }
            let answer =
                answer.await.unwrap_or_else(|_| Answer::Error("the balancer is stopping".to_owned()));
            roles::say(&serde_json::to_string(&answer)?).await?;
        }
        Ok(())
    };
    let converse = async {
        let ended: io::Result<()> = converse.await;
        let _ = order_sender.send(Order::Stop).await;
        ended
    };
    tokio::join!(director.run(&mut orders, &mut calls), converse).1
}
