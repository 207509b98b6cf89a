use std::{collections::VecDeque, io};

use super::*;
use crate::{
    ErrorKind, Forwarding, ServiceFlags,
    error::errno,
    transport::{Recorded, Replay},
    wire::{
        Version,
        attribute::Put,
        consts::{command, control, netlink},
        message::{self, Messages},
    },
};

/// A kernel that answers as it is told to.
#[derive(Default)]
struct Kernel {
    /// The family's number at each time that it is asked for; the last one stays.
    families: VecDeque<u16>,
    /// What ends each request, in order; when there is nothing left: success.
    ends: VecDeque<End>,
    window: usize,
    waiting: VecDeque<io::Result<Vec<u8>>>,
    received: usize,
    /// Family, command and length of each datagram's messages.
    sent: Vec<Vec<(u16, u8, usize)>>,
    discarded: usize,
}

enum End {
    Errno(i32),
    /// A dump that was not of one moment.
    Mixture,
    /// Nothing comes.
    Silence,
    /// The buffer was full.
    Lost,
    /// These bytes, then success.
    Message(Vec<u8>),
}

impl Transport for Kernel {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let messages: Vec<_> = Messages(datagram).map(|message| message.unwrap()).collect();
        self.sent.push(messages.iter().map(|m| (m.kind, m.payload[0], m.payload.len())).collect());
        let asking = messages.iter().filter(|message| message.flags & netlink::ACK != 0).count();
        assert!(
            asking == 1 && messages.last().unwrap().flags & netlink::ACK != 0,
            "the last one asks to be told"
        );
        for request in messages {
            assert_ne!(request.flags & netlink::REQUEST, 0, "the kernel passes over what is no request");
            let mut out = Vec::new();
            if request.kind == control::FAMILY {
                let family = *self.families.front().unwrap_or(&0);
                if self.families.len() > 1 {
                    self.families.pop_front();
                }
                let errno = if family == 0 { errno::ENOENT } else { 0 };
                if family != 0 {
                    message::put(&mut out, control::FAMILY, 0, request.sequence, |out| {
                        message::put_generic(out, 1);
                        out.put_u16(control::FAMILY_ID, family);
                    });
                }
                put_end(&mut out, netlink::ERROR, 0, request.sequence, errno);
                self.waiting.push_back(Ok(out));
                continue;
            }
            let dump = request.flags_are_dump();
            let kind = if dump { netlink::DONE } else { netlink::ERROR };
            match self.ends.pop_front().unwrap_or(End::Errno(0)) {
                // The kernel knows nothing of a number that is no longer the family's.
                _ if Some(&request.kind) != self.families.front() => {
                    put_end(&mut out, netlink::ERROR, 0, request.sequence, errno::ENOENT);
                }
                // Of success nobody is told who does not ask.
                End::Errno(0) if !dump && request.flags & netlink::ACK == 0 => continue,
                End::Errno(number) => put_end(&mut out, kind, 0, request.sequence, number),
                End::Mixture => put_end(&mut out, kind, netlink::DUMP_INTR, request.sequence, 0),
                End::Silence => continue,
                End::Lost => {
                    self.waiting.push_back(Err(io::Error::from_raw_os_error(errno::ENOBUFS)));
                    continue;
                }
                End::Message(payload) => {
                    message::put(&mut out, request.kind, 0, request.sequence, |out| out.extend(payload));
                    put_end(&mut out, kind, 0, request.sequence, 0);
                }
            }
            self.waiting.push_back(Ok(out));
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        *into = self.waiting.pop_front().unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        self.received += 1;
        Ok(())
    }

    fn discard(&mut self) {
        self.waiting.clear();
        self.discarded += 1;
    }

    fn window(&self) -> usize {
        self.window
    }
}

trait Dump {
    fn flags_are_dump(&self) -> bool;
}

impl Dump for message::Message<'_> {
    fn flags_are_dump(&self) -> bool {
        self.flags & netlink::DUMP == netlink::DUMP
    }
}

fn put_end(out: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, errno: i32) {
    message::put(out, kind, flags, sequence, |out| out.extend_from_slice(&(-errno).to_ne_bytes()));
}

fn client(families: &[u16], window: usize, ends: Vec<End>) -> Client<Kernel> {
    let families = families.iter().copied().collect();
    Client::with_transport(Kernel { families, ends: ends.into(), window, ..Kernel::default() }).unwrap()
}

fn delete(port: u16) -> Command {
    Command::DeleteService(ServiceKey::tcp(([10, 0, 0, 1], port).into()))
}

#[test]
fn a_kernel_without_the_family_is_one_clear_line() {
    let error = Client::with_transport(Kernel { window: 1, ..Kernel::default() }).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotLoaded);
    let text = error.to_string();
    assert!(text.contains("modprobe ip_vs") && !text.contains('\n'), "{text}");
}

#[test]
fn a_batch_goes_in_few_datagrams_and_each_refusal_finds_its_command() {
    let refuse = |at: usize| if at % 10 == 3 { End::Errno(errno::ESRCH) } else { End::Errno(0) };
    let mut client = client(&[30], 16, (0..100).map(refuse).collect());
    let batch: Vec<Command> = (0..100).map(delete).collect();
    let refused = client.apply(&batch).unwrap();
    let indices: Vec<usize> = refused.iter().map(|refused| refused.index).collect();
    assert_eq!(indices, [3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
    assert!(
        refused[1].error.to_string().starts_with("delete service TCP 10.0.0.1:13: "),
        "{}",
        refused[1].error
    );
    let sizes: Vec<usize> = client.transport().sent[1..].iter().map(Vec::len).collect();
    assert_eq!(sizes, [16, 16, 16, 16, 16, 16, 4]);
    // The family's number, ten refusals, and the success of what is last in a datagram; one of these was refused.
    assert_eq!(client.transport().received, 1 + 10 + 6);
}

#[test]
fn a_batch_of_long_commands_is_cut_at_what_a_datagram_holds() {
    let mut service = Service::new(ServiceKey::tcp(([10, 0, 0, 1], 80).into()), "rr".parse().unwrap());
    service.other.push(crate::Attribute::new(99, vec![0; 30_000]).unwrap());
    let mut client = client(&[30], 64, Vec::new());
    assert!(client.apply(&vec![Command::AddService(service); 5]).unwrap().is_empty());
    let sizes: Vec<usize> = client.transport().sent[1..].iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 2]);
}

#[test]
fn what_can_not_be_sent_is_refused_and_the_rest_is_sent() {
    let key = ServiceKey::tcp(([10, 0, 0, 1], 80).into());
    let long = Service::new(key, crate::SchedulerKind::Other("x".repeat(16)));
    let mut stuffed = Service::new(key, "rr".parse().unwrap());
    stuffed.other = vec![crate::Attribute::new(99, vec![0; 40_000]).unwrap(); 2];
    let daemon = Daemon::new(DaemonRole::Master, "eth0\0", 0);
    let mut client = client(&[30], 64, vec![End::Errno(0), End::Errno(errno::ESRCH)]);
    let refused = client
        .apply(&[
            Command::AddService(long),
            delete(1),
            Command::StartDaemon(daemon),
            Command::AddService(stuffed),
            delete(2),
        ])
        .unwrap();
    let found: Vec<_> = refused.iter().map(|refused| (refused.index, refused.error.kind())).collect();
    assert_eq!(
        found,
        [
            (0, ErrorKind::Invalid),
            (2, ErrorKind::Invalid),
            (3, ErrorKind::Invalid),
            (4, ErrorKind::NoSuchService)
        ]
    );
    assert_eq!(client.transport().sent.len(), 2);
    assert!(crate::Attribute::new(1, vec![0; 65_532]).is_none());
}

#[test]
fn a_number_that_has_changed_is_asked_for_once_and_nothing_is_lost() {
    let mut client = client(&[30, 31], 2, Vec::new());
    let batch: Vec<Command> = (0..4).map(delete).collect();
    assert!(client.apply(&batch).unwrap().is_empty());
    let families: Vec<u16> = client.transport().sent.iter().map(|sent| sent[0].0).collect();
    assert_eq!(families, [control::FAMILY, 30, control::FAMILY, 31, 31]);

    let mut client = super::tests::client(&[30, 31], 2, Vec::new());
    assert!(client.services().unwrap().is_empty());
    let families: Vec<u16> = client.transport().sent.iter().map(|sent| sent[0].0).collect();
    assert_eq!(families, [control::FAMILY, 30, control::FAMILY, 31]);
}

#[test]
fn a_number_that_is_the_same_leaves_the_refusal_as_it_is() {
    let mut client =
        client(&[30], 2, vec![End::Errno(errno::ENOENT), End::Errno(0), End::Errno(errno::ENOENT)]);
    let server = Destination::new("192.168.0.1:80".parse().unwrap(), crate::Forwarding::Direct);
    let edit = Command::EditDestination(ServiceKey::tcp(([10, 0, 0, 1], 80).into()), server);
    let refused = client.apply(&[edit.clone(), delete(1), edit]).unwrap();
    let found: Vec<_> = refused.iter().map(|refused| (refused.index, refused.error.kind())).collect();
    assert_eq!(found, [(0, ErrorKind::NoSuchServer), (2, ErrorKind::NoSuchServer)]);
    let families: Vec<u16> = client.transport().sent.iter().map(|sent| sent[0].0).collect();
    assert_eq!(families, [control::FAMILY, 30, control::FAMILY, 30], "asked for once");
}

#[test]
fn a_module_that_was_unloaded_is_named() {
    let mut client = client(&[30, 0], 2, Vec::new());
    // Takes the number away.
    client.transport.families = [0].into();
    assert_eq!(client.services().unwrap_err().kind(), ErrorKind::NotLoaded);
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::NotLoaded);
}

#[test]
fn a_mixture_is_read_again_but_not_for_ever() {
    let mut client = client(&[30], 2, vec![End::Mixture, End::Lost, End::Errno(0)]);
    assert!(client.services().unwrap().is_empty());
    assert_eq!(client.transport().sent.len(), 4);

    let mut client = super::tests::client(&[30], 2, (0..100).map(|_| End::Mixture).collect());
    assert_eq!(client.services().unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(client.transport().sent.len(), 6);
}

#[test]
fn silence_and_loss_are_errors_and_what_comes_late_is_thrown_away() {
    let mut client = client(&[30], 2, vec![End::Silence, End::Lost, End::Errno(0)]);
    let error = client.flush().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().starts_with("delete all services: the kernel did not answer in time"),
        "{error}"
    );
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::Overrun);
    assert_eq!(client.transport().discarded, 2);
    client.flush().unwrap();
    // An answer to what was given up, one to nobody, and a message that says nothing.
    let mut late = Vec::new();
    message::put(&mut late, netlink::NOOP, 0, client.sequence.wrapping_add(1), |_| ());
    put_end(&mut late, netlink::ERROR, 0, 1, errno::EPERM);
    put_end(&mut late, netlink::ERROR, 0, 4_000_000_000, errno::EPERM);
    client.transport.waiting.push_back(Ok(late));
    client.flush().unwrap();
}

#[test]
fn an_answer_that_is_none_is_an_error_and_the_rest_of_it_is_thrown_away() {
    for payload in
        [vec![], vec![command::NEW_SERVICE, 1, 0, 0], vec![99, 1, 0, 0], vec![1, 1, 0, 0, 255, 255, 1, 0]]
    {
        let mut client = client(&[30], 2, vec![End::Message(payload)]);
        let error = client.services().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert_eq!(client.transport().discarded, 1);
    }
    // Success without what was asked for.
    let mut client = client(&[30], 2, Vec::new());
    assert_eq!(client.info().unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn privilege_and_family_are_named_whatever_was_asked() {
    let ends = [errno::EPERM, errno::EAFNOSUPPORT, errno::EPERM, errno::EOPNOTSUPP, 5].map(End::Errno);
    let mut client = client(&[30], 2, ends.into_iter().collect());
    let denied = client.flush().unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    assert!(
        denied.to_string().contains("CAP_NET_ADMIN") && denied.to_string().contains("initial user namespace")
    );
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(client.info().unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(client.timeouts().unwrap_err().kind(), ErrorKind::Unsupported);
    let other = client.flush().unwrap_err();
    assert_eq!((other.kind(), other.errno()), (ErrorKind::Other, Some(5)));
    assert!(std::error::Error::source(&other).is_some());
}

/// A kernel that is told that a service is hashed takes it for one that it has, and never finds it.
#[test]
fn a_service_that_was_listed_can_be_added_again() {
    let mut listed = Service::new(ServiceKey::tcp(([10, 0, 0, 1], 80).into()), "rr".parse().unwrap());
    listed.flags = ServiceFlags::HASHED | ServiceFlags::ONE_PACKET;
    let sent = Command::decode(&Command::AddService(listed).encode().unwrap()).unwrap();
    let Command::AddService(sent) = sent else { panic!() };
    assert_eq!(sent.flags, ServiceFlags::ONE_PACKET);
}

#[test]
fn each_call_makes_its_change() {
    type Call = fn(&mut Client<Replay>) -> Result<(), Error>;
    fn key() -> ServiceKey {
        ServiceKey::tcp(([10, 0, 0, 1], 80).into())
    }
    fn service() -> Service {
        Service::new(key(), "rr".parse().unwrap())
    }
    fn server() -> Destination {
        Destination::new("192.168.0.1:80".parse().unwrap(), Forwarding::Direct)
    }
    fn daemon() -> Daemon {
        Daemon::new(DaemonRole::Backup, "eth0", 7)
    }
    const TIMEOUTS: Timeouts = Timeouts { tcp: 1, tcp_fin: 2, udp: 3 };
    let calls: [(Command, Call); 12] = [
        (Command::AddService(service()), |ipvs| ipvs.add_service(&service())),
        (Command::EditService(service()), |ipvs| ipvs.edit_service(&service())),
        (Command::DeleteService(key()), |ipvs| ipvs.delete_service(&key())),
        (Command::AddDestination(key(), server()), |ipvs| ipvs.add_destination(&key(), &server())),
        (Command::EditDestination(key(), server()), |ipvs| ipvs.edit_destination(&key(), &server())),
        (Command::DeleteDestination(key(), server().key), |ipvs| {
            ipvs.delete_destination(&key(), &server().key)
        }),
        (Command::SetTimeouts(TIMEOUTS), |ipvs| ipvs.set_timeouts(TIMEOUTS)),
        (Command::Zero(None), |ipvs| ipvs.zero(None)),
        (Command::Zero(Some(key())), |ipvs| ipvs.zero(Some(&key()))),
        (Command::Flush, Client::flush),
        (Command::StartDaemon(daemon()), |ipvs| ipvs.start_daemon(&daemon())),
        (Command::StopDaemon(DaemonRole::Backup), |ipvs| ipvs.stop_daemon(DaemonRole::Backup)),
    ];
    for (command, call) in calls {
        let replay = Replay::new().expect(&command.encode().unwrap(), [Recorded::Acknowledged(0)]);
        let mut client = Client::with_transport(replay).unwrap();
        call(&mut client).unwrap();
        assert!(client.transport().is_exhausted(), "{command}");
    }
}

#[test]
fn version_and_a_single_service_are_read() {
    let info = Info { version: Version { major: 1, minor: 2, patch: 1 }, connection_table_size: 4096 };
    let service = Service::new(ServiceKey::tcp(([10, 0, 0, 1], 80).into()), "rr".parse().unwrap());
    let key = service.key;
    let entry = ServiceEntry { service, stats: Default::default() };
    let question = Query::Service(key).encode();
    let answer = |answer: Answer| [Recorded::Message(answer.encode()), Recorded::Acknowledged(0)];
    let replay = Replay::new()
        .expect(&Query::Info.encode(), answer(Answer::Info(info)))
        .expect(&question, answer(Answer::Service(entry.clone())))
        .expect(&question, [Recorded::Acknowledged(errno::ESRCH)]);
    let mut client = Client::with_transport(replay).unwrap();
    assert_eq!(client.info().unwrap(), info);
    assert_eq!(client.service(&key).unwrap(), entry);
    assert_eq!(client.service(&key).unwrap_err().kind(), ErrorKind::NoSuchService);
}
