use proptest::prelude::*;
use simple_dns::rdata::{A, AAAA, CNAME, MX, NS, PTR, RData, SOA, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Dns, Expect, RecordType, reverse_name};
use crate::testing::{Datagrams, Server, against_datagrams, endures_datagrams, look};
use crate::{FailureKind, Outcome, Pattern};

fn asking(name: &str, expect: Expect) -> Dns {
    Dns { name: name.into(), expect, ..Default::default() }
}

fn matching(pattern: &str) -> Expect {
    Expect::Match(Pattern::new(pattern).unwrap())
}

/// Answers the question with these records.
fn answer(question: &[u8], records: &[RData<'static>]) -> Vec<u8> {
    changed(question, records, |_| {})
}

fn changed(question: &[u8], records: &[RData<'static>], change: impl Fn(&mut Packet<'_>)) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let mut packet = Packet::new_reply(asked.id());
    packet.questions = asked.questions.clone();
    let name = asked.questions[0].qname.clone();
    packet.answers =
        records.iter().map(|data| ResourceRecord::new(name.clone(), CLASS::IN, 60, data.clone())).collect();
    change(&mut packet);
    packet.build_bytes_vec().unwrap()
}

fn a(address: [u8; 4]) -> RData<'static> {
    RData::A(A { address: u32::from_be_bytes(address) })
}

fn name(text: &'static str) -> Name<'static> {
    Name::new(text).unwrap()
}

async fn given(check: &Dns, records: Vec<RData<'static>>) -> Outcome {
    against_datagrams(check, move |question| vec![answer(question, &records)]).await
}

#[tokio::test]
async fn endures_bad_servers() {
    let check = asking("www.example", Expect::Address([192, 0, 2, 1].into()));
    endures_datagrams(&check, |question| answer(question, &[a([192, 0, 2, 1])])).await;
}

#[tokio::test]
async fn compares_any_record_of_the_answer() {
    let records = vec![RData::CNAME(CNAME(name("web.example"))), a([192, 0, 2, 1]), a([192, 0, 2, 2])];
    for good in [
        Expect::NoError,
        Expect::Record,
        Expect::Address([192, 0, 2, 2].into()),
        matching(r"^192\.0\.2\.2$"),
        matching("^web"),
    ] {
        assert!(given(&asking("www.example", good.clone()), records.clone()).await.is_ok(), "{good:?}");
    }
    for bad in [Expect::Address([192, 0, 2, 3].into()), matching("^mail")] {
        let wrong = given(&asking("www.example", bad), records.clone()).await.unwrap_err();
        assert_eq!(wrong.kind, FailureKind::WrongAnswer);
        assert!(wrong.detail.starts_with("web.example, 192.0.2.1, 192.0.2.2; expected "), "{wrong}");
    }
}

#[tokio::test]
async fn no_record_is_an_answer_only_where_that_is_said() {
    assert_eq!(given(&asking("x", Expect::NoError), vec![]).await.unwrap().detail, "NOERROR");
    let empty = given(&asking("x", Expect::Record), vec![]).await.unwrap_err();
    assert_eq!(empty.detail, "no record; expected a record of type A");
    // An alias alone is no address.
    let alias = vec![RData::CNAME(CNAME(name("y")))];
    assert_eq!(given(&asking("x", Expect::Record), alias).await.unwrap_err().kind, FailureKind::WrongAnswer);
}

#[tokio::test]
async fn writes_every_type_as_a_zone_file_does() {
    let soa = SOA {
        mname: name("ns.example"),
        rname: name("root.example"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 5,
    };
    let srv = SRV { priority: 1, weight: 2, port: 5060, target: name("sip.example") };
    let txt = TXT::new().with_string("v=spf1 ").unwrap().with_string("-all").unwrap();
    for (record, data, text) in [
        (RecordType::A, a([192, 0, 2, 1]), "192.0.2.1"),
        (RecordType::Aaaa, RData::AAAA(AAAA { address: 1 }), "::1"),
        (RecordType::Ptr, RData::PTR(PTR(name("host.example"))), "host.example"),
        (RecordType::Mx, RData::MX(MX { preference: 10, exchange: name("mx.example") }), "10 mx.example"),
        (RecordType::Txt, RData::TXT(txt), "v=spf1 -all"),
        (RecordType::Cname, RData::CNAME(CNAME(name("c.example"))), "c.example"),
        (RecordType::Srv, RData::SRV(srv), "1 2 5060 sip.example"),
        (RecordType::Ns, RData::NS(NS(name("ns.example"))), "ns.example"),
        (RecordType::Soa, RData::SOA(soa), "ns.example root.example 1 2 3 4 5"),
    ] {
        let check = Dns { record: Some(record), ..asking("example", Expect::Record) };
        assert_eq!(given(&check, vec![data]).await.unwrap().detail, text);
    }
}

#[tokio::test]
async fn an_address_is_asked_for_as_its_reverse_name() {
    let check = asking("192.0.2.7", matching("host"));
    let server = |question: &[u8]| {
        let asked = Packet::parse(question).unwrap();
        assert_eq!(asked.questions[0].qname.to_string(), "7.2.0.192.in-addr.arpa");
        vec![answer(question, &[RData::PTR(PTR(name("host.example")))])]
    };
    assert!(against_datagrams(&check, server).await.is_ok());
    assert_eq!(
        reverse_name("2001:db8::1".parse().unwrap()),
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
    );
}

#[tokio::test]
async fn errors_are_named_as_operators_know_them() {
    for (rcode, text) in [
        (RCODE::ServerFailure, "SERVFAIL"),
        (RCODE::NameError, "NXDOMAIN"),
        (RCODE::Refused, "REFUSED"),
        (RCODE::FormatError, "FORMERR"),
        (RCODE::NotImplemented, "NOTIMP"),
    ] {
        let server = move |question: &[u8]| {
            vec![changed(question, &[], |packet| {
                *packet.rcode_mut() = rcode;
                // Some leave out the question then.
                packet.questions.clear();
            })]
        };
        let failure = against_datagrams(&asking("x", Expect::NoError), server).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::WrongAnswer, text));
    }
}

#[tokio::test]
async fn ignores_answers_to_other_questions() {
    let good = a([192, 0, 2, 1]);
    let server = move |question: &[u8]| {
        let forged = a([192, 0, 2, 66]);
        let mut other_id = answer(question, std::slice::from_ref(&forged));
        other_id[0] ^= 1;
        let other_name = changed(question, std::slice::from_ref(&forged), |packet| {
            packet.questions[0].qname = name("evil.example")
        });
        let no_question = changed(question, &[forged], |packet| packet.questions.clear());
        vec![
            vec![],
            vec![1],
            other_id,
            other_name,
            no_question,
            answer(question, std::slice::from_ref(&good)),
        ]
    };
    assert_eq!(
        against_datagrams(&asking("X.Example.", Expect::Record), server).await.unwrap().detail,
        "192.0.2.1"
    );
}

#[tokio::test]
async fn an_echo_is_no_answer() {
    let failure = against_datagrams(&asking("x", Expect::NoError), |question| vec![question.to_vec()]).await;
    assert_eq!(failure.unwrap_err().kind, FailureKind::Protocol);
}

/// Answers over TCP with these records, in two pieces.
async fn tcp_server(records: Vec<RData<'static>>, shorten: usize) -> Server {
    Server::with(move |mut stream| {
        let records = records.clone();
        async move {
            let mut question = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut question).await.unwrap();
            let answer = answer(&question, &records);
            let whole = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
            let kept = whole.len() - shorten;
            stream.write_all(&whole[..1]).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.write_all(&whole[1..kept]).await;
        }
    })
    .await
}

#[tokio::test]
async fn asks_over_tcp_when_told_to_or_when_truncated() {
    let server = tcp_server(vec![a([192, 0, 2, 1])], 0).await;
    let tcp = Dns { tcp: true, ..asking("x", Expect::Record) };
    assert_eq!(look(&tcp, &server.target()).await.unwrap().detail, "192.0.2.1");

    let socket = tokio::net::UdpSocket::bind(server.address()).await.unwrap();
    let truncating = Datagrams::on(socket, |question| {
        vec![changed(question, &[], |packet| packet.set_flags(PacketFlag::TRUNCATION))]
    });
    let outcome = look(&asking("x", Expect::Record), &truncating.target()).await;
    assert_eq!(outcome.unwrap().detail, "192.0.2.1");

    let cut = tcp_server(vec![a([192, 0, 2, 1])], 1).await;
    assert_eq!(look(&tcp, &cut.target()).await.unwrap_err().kind, FailureKind::Closed);
}

#[tokio::test]
async fn a_name_that_cannot_be_asked_for_is_our_fault() {
    let long = "x".repeat(64);
    let failure = against_datagrams(&asking(&long, Expect::NoError), |_| Vec::new()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        flags in any::<[u8; 2]>(),
        counts in prop::collection::vec(0_u8..3, 4),
        types in prop::collection::vec(0_u8..70, 4),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let check = asking("x", matching("y"));
        let question = check.question().unwrap();
        let mut packet = [&question[..2], &flags[..], &[][..]].concat();
        for count in counts {
            packet.extend([0, count]);
        }
        // The question, then records of likely types with random contents.
        packet.extend(&question[12..]);
        for (kind, data) in types.iter().zip(rest.chunks(50)) {
            packet.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 0, 1, 0, data.len() as u8]);
            packet.extend(data);
        }
        let _ = check.judge(&question, &packet);
        let _ = check.judge(&question, &[&question[..2], &rest[..]].concat());
    }
}
