//! Packets, and the answer to a query.

use mysql_common::io::ParseBuf;
use mysql_common::proto::{MyDeserialize, MySerialize};

use crate::script::{Dialogue, FAREWELL, Stream};
use crate::{Failure, FailureKind, Security, Target};

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;

/// As much of the first row as is read, in bytes.
const ROW_HEAD: usize = 256;

/// A connection, as packets.
pub(super) struct Wire {
    talk: Dialogue<Stream>,
    /// Number of the next packet within the exchange.
    sequence: u8,
    /// Bytes of the present row that were not read, while the server sends a result.
    unread: Option<usize>,
    pub(super) is_secure: bool,
}

impl Wire {
    pub(super) fn new(talk: Dialogue<Stream>) -> Self {
        Self { talk, sequence: 0, unread: None, is_secure: false }
    }

    /// Goes on over TLS; the numbers of the packets go on as well.
    pub(super) async fn secure(self, security: &Security, target: &Target) -> Result<Self, Failure> {
        Ok(Self { talk: self.talk.secure(security, target).await?, is_secure: true, ..self })
    }

    /// The next packet.
    pub(super) async fn packet(&mut self) -> Result<Vec<u8>, Failure> {
        let length = self.header().await?;
        self.talk.bytes(length).await
    }

    pub(super) async fn send(&mut self, name: &str, packet: &impl MySerialize) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        packet.serialize(&mut bytes);
        self.send_bytes(name, &bytes).await
    }

    pub(super) async fn send_bytes(&mut self, name: &str, packet: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(packet.len()).ok().filter(|length| *length < 0xff_ffff);
        let Some(length) = length else {
            return Err(self.failure(FailureKind::Misconfigured, "too long for a packet"));
        };
        let header = length | u32::from(self.sequence) << 24;
        self.sequence = self.sequence.wrapping_add(1);
        self.talk.send_bytes(name, &[&header.to_le_bytes(), packet].concat()).await
    }

    /// Runs a query; the first value of its first row, shortened.
    pub(super) async fn first_value(&mut self, query: &str) -> Result<String, Failure> {
        self.sequence = 0;
        self.send_bytes("the query", &[&[COM_QUERY], query.as_bytes()].concat()).await?;
        let head = self.packet().await?;
        let no_row = "the query gives no row";
        let columns = match head[..] {
            [0x00, ..] => return Err(self.failure(FailureKind::WrongAnswer, no_row)),
            [0xff, ..] => return Err(self.server_failure(&head)),
            [count @ 1..=0xfa] => usize::from(count),
            [0xfc, low, high] => usize::from(u16::from_le_bytes([low, high])),
            _ => return Err(self.failure(FailureKind::Protocol, "not the head of a result")),
        };
        // The columns, and the packet that ends them.
        for _ in 0..=columns {
            self.packet().await?;
        }
        let length = self.header().await?;
        let row = self.talk.bytes(length.min(ROW_HEAD)).await?;
        let is_end = matches!(row[..], [0xff, ..]) || is_end(&row, length);
        self.unread = Some(length - row.len()).filter(|_| !is_end);
        match row[..] {
            _ if is_end && row[0] == 0xfe => Err(self.failure(FailureKind::WrongAnswer, no_row)),
            [0xff, ..] => Err(self.server_failure(&row)),
            [0xfb, ..] => Ok("NULL".into()),
            [size @ 0..=0xfa, ref rest @ ..] => {
                let value = &rest[..rest.len().min(size.into())];
                Ok(String::from_utf8_lossy(value).into_owned())
            }
            _ => Ok("a row".into()),
        }
    }

    /// Reads what is left of a result and takes leave; the server answers by closing. It counts a client that goes away
    /// otherwise as aborted, and a connection that is closed with unread data is reset, whatever was sent over it.
    pub(super) async fn quit(mut self) {
        // The look has been decided: a server that is slow now is not a bad server.
        let leave = async {
            self.finish_result().await?;
            self.sequence = 0;
            self.send_bytes("quit", &[COM_QUIT]).await?;
            self.talk.rest().await
        };
        let _ = tokio::time::timeout(FAREWELL, leave).await;
    }

    async fn finish_result(&mut self) -> Result<(), Failure> {
        while let Some(unread) = self.unread.take() {
            self.talk.bytes(unread).await?;
            let length = self.header().await?;
            let row = self.talk.bytes(length).await?;
            self.unread = Some(0).filter(|_| row.first() != Some(&0xff) && !is_end(&row, length));
        }
        Ok(())
    }

    pub(super) fn failure(&self, kind: FailureKind, what: impl std::fmt::Display) -> Failure {
        self.talk.failure(kind, what)
    }

    /// What an error packet means.
    pub(super) fn server_failure(&self, packet: &[u8]) -> Failure {
        let (kind, what) = server_error(packet);
        self.failure(kind, what)
    }

    /// The next packet's length; longer ones than 16 MiB, which come in pieces, do not concern us.
    async fn header(&mut self) -> Result<usize, Failure> {
        let header = self.talk.bytes(4).await?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        if header[3] != self.sequence {
            return Err(self.failure(FailureKind::Protocol, "not MySQL: packets are out of order"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(length as usize)
    }
}

/// Whether a packet is the one behind the last row.
fn is_end(packet: &[u8], length: usize) -> bool {
    packet.first() == Some(&0xfe) && length < 9
}

/// Reads a packet that needs no context.
pub(super) fn parse<'a, T: MyDeserialize<'a, Ctx = ()>>(packet: &'a [u8]) -> std::io::Result<T> {
    ParseBuf(packet).parse(())
}

/// An error packet: 0xff, code, `#` and state (not before the login), text.
pub(super) fn server_error(packet: &[u8]) -> (FailureKind, String) {
    let [_, low, high, text @ ..] = packet else {
        return (FailureKind::Protocol, "a malformed error".into());
    };
    let code = u16::from_le_bytes([*low, *high]);
    let text = match text {
        [b'#', _, _, _, _, _, text @ ..] => text,
        text => text,
    };
    let kind = match code {
        // Access denied: to the database, with this password, to a table, without a password.
        1044 | 1045 | 1142 | 1698 |
        // This host may not connect; is blocked.
        1129 | 1130 => FailureKind::Denied,
        _ => FailureKind::WrongAnswer,
    };
    (kind, format!("error {code}: {}", String::from_utf8_lossy(text)))
}
