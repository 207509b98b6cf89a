use std::{fs, sync::Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;
use crate::{clock::Clock, log::Target};

/// Long enough for any machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a relay answers a line.
type Answers = fn(&str) -> &'static str;

fn kind(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "connect" => "220 relay ESMTP\r\n",
        "EHLO" => "250-relay\r\n250 8BITMIME\r\n",
        "DATA" => "354 go\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "250 ok\r\n",
    }
}

/// A relay that writes down what it is told.
async fn relay(answers: Answers) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let all = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(talk(stream, answers, Arc::clone(&all)));
        }
    });
    (address, heard)
}

async fn talk(stream: TcpStream, answers: Answers, heard: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    stream.write_all(answers("connect").as_bytes()).await.unwrap();
    let mut in_mail = false;
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        heard.lock().unwrap().push(line.trim_end_matches("\r\n").to_owned());
        assert!(line.ends_with("\r\n"), "{line:?}");
        if !in_mail || line == ".\r\n" {
            let answer = answers(if in_mail { "." } else { line.trim_end() });
            in_mail = answer.starts_with("354");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        line.clear();
    }
}

struct Bench {
    folder: tempfile::TempDir,
    log: Log,
    email: Email,
}

impl Bench {
    fn new(relay: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(Target::File(folder.path().join("log")), Clock::start(), "test");
        let email = Email {
            program: "lb-failover",
            from: "k@example.com".into(),
            to: vec!["root@localhost".into(), "a@example.com".into()],
            subject: "[R1] subject".into(),
            text: "text\n.\n".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            relay: Some(Relay::Address(relay)),
            helo: Some("me".into()),
            timeout: Some(PATIENCE),
        };
        Self { folder, log, email }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn deliver(&self) {
        self.deliver_by(&Relay::Name("localhost".into(), 0)).await;
    }

    /// With this mail server of the host.
    async fn deliver_by(&self, local: &Relay) {
        let pauses = [Duration::from_millis(1); 2];
        timeout(PATIENCE, deliver(&self.email, &self.log, pauses, local)).await.expect("it hangs");
    }
}

#[tokio::test]
async fn a_relay_is_told_what_keepalived_tells_it() {
    let (address, heard) = relay(kind).await;
    let bench = Bench::new(address);
    bench.deliver().await;
    let heard = heard.lock().unwrap().clone();
    let talk = [
        "EHLO me",
        "MAIL FROM:<k@example.com>",
        "RCPT TO:<root@localhost>",
        "RCPT TO:<a@example.com>",
        "DATA",
    ];
    assert_eq!(heard[..5], talk);
    assert_eq!(heard[heard.len() - 4..], ["text", "..", ".", "QUIT"]);
    assert!(heard.contains(&"Subject: [R1] subject".to_owned()));
    assert_eq!(bench.log(), "");
}

#[tokio::test]
async fn an_old_relay_is_greeted_as_it_knows_it() {
    let (address, heard) =
        relay(|line| if line.starts_with("EHLO") { "502 what?\r\n" } else { kind(line) }).await;
    Bench::new(address).deliver().await;
    assert!(heard.lock().unwrap().iter().any(|line| line == "HELO me"));
    assert!(heard.lock().unwrap().iter().any(|line| line == "."));
}

#[tokio::test]
async fn who_may_not_have_it_does_not_keep_it_from_others() {
    let (address, heard) =
        relay(|line| if line.contains("root@") { "550 no such user\r\n" } else { kind(line) }).await;
    let mut bench = Bench::new(address);
    bench.email.to.push("b@example.com\r\nDATA".into());
    bench.deliver().await;
    assert!(heard.lock().unwrap().iter().any(|line| line == "."));
    let log = bench.log();
    assert!(log.contains("does not send mail to root@localhost: 550 no such user"), "{log}");
    assert!(log.contains("`b@example.com\\r\\nDATA` is not an address to send mail to"), "{log}");
}

#[tokio::test]
async fn a_relay_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let tries =
        |heard: &Mutex<Vec<String>>| heard.lock().unwrap().iter().filter(|line| *line == "DATA").count();
    let (address, heard) = relay(|line| if line == "." { "451 later\r\n" } else { kind(line) }).await;
    let bench = Bench::new(address);
    bench.deliver().await;
    assert_eq!(tries(&heard), 3);
    let said = format!("No mail `[R1] subject` by the relay {address}: to the mail it answers: 451 later");
    assert!(bench.log().contains(&said), "{}", bench.log());

    let (address, heard) = relay(|line| if line == "." { "554 spam\r\n" } else { kind(line) }).await;
    Bench::new(address).deliver().await;
    assert_eq!(tries(&heard), 1);
}

#[tokio::test]
async fn whatever_a_relay_does_ends() {
    let faults: [(Answers, &str); 5] = [
        (|_| "HTTP/1.1 400 Bad Request\r\n", "it does not speak SMTP: "),
        (|line| if line == "DATA" { "250-and\r\n" } else { kind(line) }, "it takes too long"),
        (|line| if line == "connect" { "" } else { kind(line) }, "it takes too long"),
        (
            |line| if line.starts_with("RCPT") { "550 none\r\n" } else { kind(line) },
            "to RCPT TO it answers: 550 none",
        ),
        (
            |line| if line == "connect" { "421 \u{7f}busy\r\n" } else { kind(line) },
            "to the connection it answers: 421",
        ),
    ];
    for (answers, said) in faults {
        let (address, _) = relay(answers).await;
        let mut bench = Bench::new(address);
        bench.email.timeout = Some(Duration::from_millis(300));
        bench.deliver().await;
        assert!(bench.log().contains(said), "{said}: {}", bench.log());
    }
    // Nobody there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let bench = Bench::new(address);
    bench.deliver().await;
    assert!(bench.log().contains("it can not be reached: Connection refused"), "{}", bench.log());
}

#[tokio::test]
async fn a_relay_that_never_ends_its_line_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bench = Bench::new(listener.local_addr().unwrap());
    let flood = async {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            while stream.write_all(&[b'2'; 1 << 16]).await.is_ok() {}
        }
    };
    tokio::select! {
        () = bench.deliver() => {}
        () = flood => {}
    }
    assert!(bench.log().contains("it does not speak SMTP: SMTP response line too long"), "{}", bench.log());
}

#[tokio::test]
async fn without_a_relay_the_mail_server_of_this_host_gets_it() {
    let (address, heard) = relay(kind).await;
    let mut bench = Bench::new(address);
    bench.email.relay = None;
    bench.deliver_by(&Relay::Address(address)).await;
    assert!(heard.lock().unwrap().iter().any(|line| line == "RCPT TO:<root@localhost>"));
    assert!(heard.lock().unwrap().iter().any(|line| line == "."));
    assert_eq!(bench.log(), "");
}

#[tokio::test]
async fn mails_are_sent_in_order() {
    let (address, heard) = relay(kind).await;
    let bench = Bench::new(address);
    let queue = MailQueue::start(bench.log.clone());
    let subjects = ["one", "two", "three"];
    for subject in subjects {
        queue.send(Email { subject: subject.into(), ..bench.email.clone() });
    }
    assert!(queue.finish(PATIENCE).await);
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.iter().filter_map(|line| line.strip_prefix("Subject: ")).collect::<Vec<_>>(), subjects);
}

#[tokio::test]
async fn too_many_are_dropped_and_counted() {
    let (address, _) = relay(|line| if line == "connect" { "" } else { kind(line) }).await;
    let mut bench = Bench::new(address);
    bench.email.timeout = Some(Duration::from_millis(1));
    let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
    let shared = Arc::<Shared>::default();
    let idle = tokio::spawn(std::future::ready(())).abort_handle();
    let queue = MailQueue { queue, shared: Arc::clone(&shared), log: bench.log.clone(), work: idle };
    (0..QUEUE_CAPACITY + 5).for_each(|_| queue.send(bench.email.clone()));
    assert_eq!(bench.log().matches("256 mails wait: further ones are dropped").count(), 1);
    let local = Relay::Address(address);
    tokio::spawn(work(jobs, shared, bench.log.clone(), [Duration::ZERO; 2], local));
    let dropped = async {
        while !bench.log().contains("5 mails were dropped") {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, dropped).await.expect("the line about dropped mails");
    assert!(queue.finish(PATIENCE).await);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_relay_that_hangs() {
    let (address, _) = relay(|line| if line == "connect" { "" } else { kind(line) }).await;
    let bench = Bench::new(address);
    let queue = MailQueue::start(bench.log.clone());
    queue.send(bench.email.clone());
    assert!(!queue.finish(Duration::from_millis(50)).await);
    // What comes later changes nothing about that.
    queue.send(bench.email.clone());
    let at_once = tokio::select! {
        biased;
        sent = queue.finish(Duration::from_millis(50)) => !sent,
        () = std::future::ready(()) => false,
    };
    assert!(at_once);
}
