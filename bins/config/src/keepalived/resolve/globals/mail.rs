//! Who gets mails, and by way of which server.

use std::net::IpAddr;

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Directive, Word},
        model::Relay,
        resolve::values::{missing, number_in, surplus},
    },
};

/// `notification_email`.
pub(super) fn recipients(directive: &Directive, problems: &mut Problems) -> Vec<String> {
    let words = directive.parameters().iter();
    let block = directive.block.iter().flat_map(|block| &block.directives).flat_map(|entry| &entry.words);
    let to: Vec<String> = words.chain(block).map(|word| word.text.to_string()).collect();
    if to.is_empty() {
        problems.push(
            Diagnostic::warning(directive.span(), "`notification_email` names nobody")
                .label("no mail is sent"),
        );
    }
    to
}

/// `smtp_server HOST [PORT]`.
pub(super) fn relay(directive: &Directive, problems: &mut Problems) -> Option<Relay> {
    let [host, rest @ ..] = directive.parameters() else {
        problems.push(missing(directive, "an address or a name, and a port if it is not 25"));
        return None;
    };
    let port = match rest {
        [] => 25,
        [port, rest @ ..] => {
            surplus(directive, rest, problems);
            port_of(port, problems)?
        }
    };
    Some(match host.text.parse::<IpAddr>() {
        Ok(address) => Relay::Address((address, port).into()),
        Err(_) => Relay::Name(host.text.to_string(), port),
    })
}

fn port_of(word: &Word, problems: &mut Problems) -> Option<u16> {
    number_in("port", word, 1..=u16::MAX, problems)
}
