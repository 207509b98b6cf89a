//! A check of your own: any look at a server that can be written down as one function.
//!
//! This one asks a memcached for its version. `cargo run -p lb-examples --bin own-check -- 127.0.0.1:11211`
#![allow(clippy::print_stdout)]

use std::{error::Error, io};

use async_trait::async_trait;
use lb_health::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target, connect::connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Debug)]
struct Memcached;

#[async_trait]
impl HealthCheck for Memcached {
    fn kind(&self) -> &'static str {
        "memcached"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut stream = connect(target).await?;
        let broken = |error: io::Error| Failure::new(FailureKind::Closed, error);
        stream.write_all(b"version\r\n").await.map_err(broken)?;
        // Bounded, whatever the server sends.
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.map_err(broken)?;
        match std::str::from_utf8(&answer[..length]) {
            Ok(text) if text.starts_with("VERSION ") => Ok(Passed::with(text.trim_end())),
            _ => Err(Failure::new(FailureKind::WrongAnswer, "no VERSION line")),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: std::net::SocketAddr =
        std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:11211").parse()?;
    match Memcached.check(&address.into()).await {
        Ok(passed) => println!("{address} is up: {}", passed.detail),
        Err(failure) => println!("{address} is down: {failure}"),
    }
    Ok(())
}
