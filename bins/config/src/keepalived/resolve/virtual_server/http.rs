//! `HTTP_GET` and `SSL_GET`.

use lb_health::{
    Pattern,
    probe::http::{BodyDigest, StatusSet},
};

use super::{
    super::values::{IGNORED, effective, only, switch},
    checker::Around,
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, keywords::Within},
        model::{BodyPattern, CheckerKind, HttpVersion, Sni, Url},
    },
};

pub(super) fn http(
    directive: &Directive,
    own: &[&Directive],
    around: &Around<'_>,
    mut tls: Option<Sni>,
    problems: &mut Problems,
) -> Option<CheckerKind> {
    let mut version = HttpVersion::V1_0;
    let mut host = around.host;
    let mut blocks = Vec::new();
    for directive in own {
        match directive.keyword() {
            "url" => blocks.extend(&directive.block),
            "virtualhost" => host = only(directive, "a name", problems).map(|word| word.text.as_str()),
            "http_protocol" => version = http_protocol(directive, problems).unwrap_or(version),
            "enable_sni" => {
                let name =
                    if switch(directive, problems) == Some(true) { Sni::VirtualHost } else { Sni::Off };
                tls = tls.map(|_| name);
            }
            // All of them are looked at when a server comes up, always.
            "fast_recovery" => {
                switch(directive, problems);
            }
            _ => {}
        }
    }
    let urls: Vec<Url> = blocks.into_iter().filter_map(|block| url(block, host, problems)).collect();
    if urls.is_empty() {
        problems.push(
            Diagnostic::mistake(directive.span(), format!("{} has no URL to ask for", directive.keyword()))
                .label("the check is left out: the server counts as up without it")
                .help("add `url { path / }`"),
        );
        return None;
    }
    Some(CheckerKind::Http { urls, version, tls })
}

fn http_protocol(directive: &Directive, problems: &mut Problems) -> Option<HttpVersion> {
    let word = only(directive, "1.0, 1.0C or 1.1", problems)?;
    match word.text.as_str() {
        "1.0" | "1.0C" | "1.0c" => Some(HttpVersion::V1_0),
        "1.1" => Some(HttpVersion::V1_1),
        _ => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{}` is no version of HTTP", word.text))
                    .label("1.0, 1.0C or 1.1 expected")
                    .instead(IGNORED),
            );
            None
        }
    }
}

fn url(block: &Block, host: Option<&str>, problems: &mut Problems) -> Option<Url> {
    let mut url = Url {
        path: "/".to_owned(),
        host: host.map(str::to_owned),
        status: StatusSet::default(),
        digest: None,
        pattern: None,
    };
    let (mut regex, mut options, mut absent) = (None, String::new(), false);
    let mut codes = Vec::new();
    for directive in effective(block, Within::Url, problems) {
        match directive.keyword() {
            "path" => {
                let word = only(directive, "a path", problems)?;
                // keepalived asks for what is written; a request for a path without its slash is none.
                let slash = if word.text.starts_with('/') { "" } else { "/" };
                url.path = format!("{slash}{}", word.text);
            }
            "status_code" => {
                codes.extend(directive.parameters().iter().map(|word| word.text.as_str()));
                match codes.join(" ").parse() {
                    Ok(status) => url.status = status,
                    Err(error) => problems
                        .push(Diagnostic::mistake(directive.span(), error.to_string()).instead(IGNORED)),
                }
            }
            "digest" => {
                let word = only(directive, "an MD5 sum, as genhash prints it", problems)?;
                match word.text.parse::<BodyDigest>() {
                    Ok(digest) => url.digest = Some(digest),
                    Err(error) => {
                        problems.push(Diagnostic::mistake(word.span, error.to_string()).instead(IGNORED));
                    }
                }
            }
            "virtualhost" => {
                url.host = only(directive, "a name", problems).map(|word| word.text.to_string());
            }
            "regex" => regex = only(directive, "a regular expression", problems),
            "regex_no_match" => absent = true,
            "regex_options" => options = flags(directive, problems),
            "regex_stack" => {}
            _ => {}
        }
    }
    if let Some(word) = regex {
        match Pattern::new(&format!("{options}{}", word.text)) {
            Ok(pattern) => url.pattern = Some(BodyPattern { pattern, absent }),
            Err(error) => {
                problems.push(
                    Diagnostic::mistake(word.span, error.to_string()).label("the body is not looked at"),
                );
            }
        }
    }
    Some(url)
}

/// Options of PCRE2 as flags of the expression: `(?is)`.
fn flags(directive: &Directive, problems: &mut Problems) -> String {
    let mut flags = String::new();
    for word in directive.parameters().iter().flat_map(|word| word.text.split_whitespace()) {
        match word {
            "caseless" => flags.push('i'),
            "dotall" => flags.push('s'),
            "multiline" => flags.push('m'),
            "extended" => flags.push('x'),
            "ungreedy" => flags.push('U'),
            // What is so in any case, or has no influence on whether there is a match.
            "utf" | "ucp" | "no_auto_capture" | "no_auto_possess" | "no_dotstar_anchor"
            | "no_start_optimize" | "auto_callout" | "dupnames" | "never_backslash_c"
            | "use_offset_limit" => {}
            _ => {
                let what = format!("the option `{word}` of the regular expression is not acted on");
                problems.push(Diagnostic::warning(directive.span(), what));
            }
        }
    }
    if flags.is_empty() { flags } else { format!("(?{flags})") }
}
