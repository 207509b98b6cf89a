//! The processes of the demo. Each is this same program with a hidden command, and ends when its parent does:
//! its standard input is a pipe that only the parent holds open.

use std::{io, net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
};

/// How long a process of the demo may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process of the demo; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// What it said when it was ready.
    pub(super) greeting: String,
    lines: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program in another role and waits for the line by which it says that it is ready.
    ///
    /// # Errors
    /// When the program cannot be started again, or ends or stays silent instead of getting ready.
    pub(super) async fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::launch(command).await
    }

    /// The same for a command that may go by way of an usher, as those that run in a lab do.
    pub(super) async fn launch(command: std::process::Command) -> io::Result<Self> {
        let wording = format!("{command:?}");
        let mut child =
            Command::from(command).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut greeting = String::new();
        let read = tokio::time::timeout(PATIENCE, lines.read_line(&mut greeting)).await??;
        if read == 0 {
            let status = child.wait().await?;
            return Err(io::Error::other(format!("`{wording}` ended with {status}")));
        }
        Ok(Self { child, greeting: greeting.trim().to_owned(), lines })
    }

    /// Sends it a line, for the line that it answers.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) async fn ask(&mut self, question: &str) -> io::Result<String> {
        let stdin = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{question}\n").as_bytes()).await?;
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.lines.read_line(&mut line)).await??;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
    }

    /// Ends the process at once, as a crash would.
    ///
    /// # Errors
    /// When it has ended already.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        // What an usher has brought in.
        if let Some(pid) = self.child.id() {
            lb_lab::namespaces::kill_children(nix::unistd::Pid::from_raw(pid.cast_signed()));
        }
        self.child.kill().await
    }

    /// Lets the process end by itself and waits for it; kills it when it takes too long.
    pub(super) async fn finish(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// Ends when the parent is gone.
pub(super) async fn orphaned() {
    let mut byte = [0];
    // Nobody writes: whatever comes back means that the pipe is closed.
    let _ = tokio::io::stdin().read(&mut byte).await;
}

/// The role of a web server: answers every request with its name, until the parent is gone.
///
/// # Errors
/// When the address can not be listened on.
pub(super) async fn web(name: &str, address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    say(&listener.local_addr()?.to_string()).await?;
    let answer: std::sync::Arc<str> = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}\n",
        name.len() + 1
    )
    .into();
    let serve = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let answer = answer.clone();
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(PATIENCE, respond(stream, &answer)).await;
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::select! {
        () = serve => {}
        () = orphaned() => {}
    }
    Ok(())
}

async fn respond(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    const LIMIT: usize = 8192;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > LIMIT || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Tells the parent that this process is ready.
///
/// # Errors
/// When the parent is gone.
pub(super) async fn say(line: &str) -> io::Result<()> {
    let mut stdout = tokio::io::stdout();
    stdout.write_all(format!("{line}\n").as_bytes()).await?;
    stdout.flush().await
}
