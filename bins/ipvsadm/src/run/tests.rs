use std::io::BufReader;

use lb_ipvs::{
    Answer, Destination, Query, Service,
    transport::{Recorded, Replay},
};

use super::*;

const WEB: &str = "tcp:10.0.0.1:80";
const EXISTS: i32 = 17;
const NO_SUCH_SERVICE: i32 = 3;

/// Exit status, standard output, standard error, and how many requests each datagram to the kernel had.
type Outcome = (u8, String, String, Vec<usize>);

/// What becomes of a line, where the kernel has recorded answers.
fn line(voice: Voice, kernel: Replay, words: &str) -> Outcome {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    session(voice, kernel, &mut io::empty(), |session| session.line(&words))
}

/// What becomes of a text, of which so many bytes come at a time.
fn restored(kernel: Replay, text: &str, piece: usize) -> Outcome {
    let mut input = BufReader::with_capacity(piece, text.as_bytes());
    session(Voice::Ipvsadm, kernel, &mut input, |session| session.order(&Command::Restore))
}

fn session(
    voice: Voice,
    kernel: Replay,
    input: &mut dyn BufRead,
    act: impl FnOnce(&mut Session<'_, Replay>) -> Result<u8, Unheard>,
) -> Outcome {
    let client = Client::with_transport(kernel).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut session =
        Session { voice, names: SystemNames::default(), client, input, out: &mut out, err: &mut err };
    let status = act(&mut session).unwrap();
    let kernel = session.client.transport();
    assert!(kernel.is_exhausted(), "not all was asked: {kernel:?}");
    // The first datagram is the search for the family.
    let requests = |datagram: &Vec<u8>| {
        let (mut count, mut at) = (0, 0);
        while let Some(length) = datagram.get(at..at + 4) {
            at += u32::from_ne_bytes(length.try_into().unwrap()).next_multiple_of(4) as usize;
            count += 1;
        }
        count
    };
    let sent = kernel.sent()[1..].iter().map(requests).collect();
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), sent)
}

fn service(key: &str) -> Service {
    Service::new(key.parse().unwrap(), "rr".parse().unwrap())
}

fn server(key: &str) -> Destination {
    Destination::new(key.parse().unwrap(), lb_ipvs::Forwarding::Masquerade)
}

/// Takes changes, and ends each with its errno.
fn kernel(changes: &[(Change, i32)]) -> Replay {
    changes.iter().fold(Replay::new(), |kernel, (change, end)| {
        kernel.expect(&change.encode().unwrap(), [Recorded::Acknowledged(*end)])
    })
}

/// With a table of one service and two servers, which can be read once.
fn table() -> Replay {
    let web = service(WEB);
    let (entry, servers) =
        format::entry(web.clone(), [server("192.168.0.2:80").with_weight(5), server("192.168.0.1:80")]);
    let servers = servers.into_iter().map(|entry| Recorded::Message(Answer::Destination(entry).encode()));
    Replay::new()
        .expect(
            &Query::Services.encode(),
            [Recorded::Message(Answer::Service(entry).encode()), Recorded::Done],
        )
        .expect(&Query::Destinations(web.key).encode(), servers.chain([Recorded::Done]))
}

#[test]
fn a_change_is_one_request_and_its_refusal_is_told_in_the_callers_words() {
    let add = |end| kernel(&[(Change::AddService(service(WEB)), end)]);
    let words = "-A -t 10.0.0.1:80 -s rr";
    let nothing = String::new();
    assert_eq!(line(Voice::Ipvsadm, add(0), words), (0, nothing.clone(), nothing.clone(), vec![1]));
    let theirs = line(Voice::Ipvsadm, add(EXISTS), words);
    assert_eq!(theirs, (REFUSED, nothing.clone(), "Service already exists\n".to_owned(), vec![1]));
    let ours = "lbctl ipvs: add service TCP 10.0.0.1:80 with scheduler rr: it is there already\n".to_owned();
    assert_eq!(line(Voice::Lbctl, add(EXISTS), words), (REFUSED, nothing, ours, vec![1]));
}

#[test]
fn a_wrong_line_reaches_no_kernel() {
    let (status, out, err, sent) = line(Voice::Ipvsadm, Replay::new(), "-A -t 10.0.0.1:99999");
    assert_eq!((status, &*out, sent), (WRONG, "", vec![]));
    assert!(!err.is_empty());
}

#[test]
fn a_table_is_listed_and_saved_in_ipvsadms_order() {
    let (status, out, err, sent) = line(Voice::Ipvsadm, table(), "-S -n");
    let saved = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 1\n\
                 -a -t 10.0.0.1:80 -r 192.168.0.2:80 -m -w 5\n";
    assert_eq!((status, &*out, &*err, sent), (0, saved, "", vec![1, 1]));
    let silent = line(Voice::Ipvsadm, Replay::new(), "-L -n");
    assert_eq!((silent.0, &*silent.1), (UNLISTED, ""));
    assert!(!silent.2.is_empty(), "a listing that fails says so");
}

/// Four lines, of which the kernel refuses the second and the last.
fn four() -> (Replay, &'static str) {
    let web = service(WEB);
    let add = |key: &str| Change::AddDestination(web.key, server(key));
    let kernel = kernel(&[
        (Change::AddService(web.clone()), 0),
        (add("192.168.0.1:80"), EXISTS),
        (add("192.168.0.2:80"), 0),
        (Change::DeleteService(service("tcp:10.0.0.9:80").key), NO_SUCH_SERVICE),
    ]);
    let text = "-A -t 10.0.0.1:80 -s rr\n\nipvsadm -a -t 10.0.0.1:80 -r 192.168.0.1:80 -m\n\
                -a -t 10.0.0.1:80 -r 192.168.0.2:80 -m\n-D -t 10.0.0.9:80\n";
    (kernel, text)
}

#[test]
fn lines_that_are_there_go_together_and_a_refusal_holds_nothing_up() {
    let (kernel, text) = four();
    let outcome = restored(kernel, text, 4096);
    let said = "Destination already exists\nNo such service\n".to_owned();
    assert_eq!(outcome, (REFUSED, String::new(), said, vec![4]));
}

/// Somebody who types sees what becomes of each line at once.
#[test]
fn a_line_that_is_there_does_not_wait_for_the_next() {
    let (kernel, text) = four();
    let (status, _, said, sent) = restored(kernel, text, 8);
    assert_eq!((status, said.lines().count(), sent), (REFUSED, 2, vec![1, 1, 1, 1]));
}

#[test]
fn a_line_that_is_wrong_ends_it_after_those_before() {
    for piece in [8, 4096] {
        let text = "-A -t 10.0.0.1:80 -s rr\n-A -t nowhere:80\n-D -t 10.0.0.1:80\n";
        let add = kernel(&[(Change::AddService(service(WEB)), 0)]);
        let (status, _, said, sent) = restored(add, text, piece);
        assert_eq!((status, said.is_empty(), sent), (WRONG, false, vec![1]), "{said}");
    }
    let (status, _, said, sent) = restored(Replay::new(), &"a".repeat(1 << 20), 4096);
    assert_eq!((status, sent), (WRONG, vec![]));
    assert_eq!(said, "standard input: a line is longer than 65536 bytes\n");
}
