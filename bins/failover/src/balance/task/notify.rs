//! Who is told what is new about a virtual server: log, FIFO, scripts, mail.

use lb_config::keepalived::model::VirtualServer;
use lb_runtime::log::Log;
use tokio::sync::mpsc;

use crate::balance::{
    Output,
    news::{News, Quorum},
    wording,
};

/// Tells one thing to everybody who wants to know.
pub(super) fn notify(
    log: &Log,
    outputs: &mpsc::UnboundedSender<Output>,
    server: &VirtualServer,
    news: &News,
    cause: &str,
) {
    if let Some(line) = wording::line(server, news) {
        log.line(&line);
    }
    if let Some(line) = wording::fifo(server, news) {
        // Nobody may listen any more.
        let _ = outputs.send(Output::Fifo(line));
    }
    let real = |key| server.reals.iter().find(|real| real.key == key);
    let (script, mail) = match news {
        News::Alive(key, true) => {
            (real(*key).map(|real| ("notify_up", &real.notify_up)), real(*key).is_some_and(|real| real.mail))
        }
        News::Alive(key, false) => (
            real(*key).map(|real| ("notify_down", &real.notify_down)),
            real(*key).is_some_and(|real| real.mail),
        ),
        News::Quorum(Quorum::Gained, _) => (Some(("quorum_up", &server.quorum_up)), server.mail),
        News::Quorum(..) => (Some(("quorum_down", &server.quorum_down)), server.mail),
        _ => (None, false),
    };
    if let Some((purpose, Some(command))) = script {
        let _ = outputs.send(Output::Run { of: server.name.clone(), purpose, command: command.clone() });
    }
    if let Some((subject, body)) = wording::mail(server, news, cause).filter(|_| mail) {
        let _ = outputs.send(Output::Mail { subject, body });
    }
}
