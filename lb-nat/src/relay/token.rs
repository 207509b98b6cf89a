//! What an epoll event is about: a kind in the top byte, an index below it.

use rustix::event::epoll::EventData;

/// What an epoll event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The client's socket of this connection.
    Client(u32),
    /// The server's socket of this connection.
    Server(u32),
    /// A TCP listener.
    Listener(u32),
    /// The mailbox.
    Wake,
    /// The ticker.
    Tick,
    /// The UDP engine, which gives the low 56 bits their meaning.
    Udp(u64),
}

const INDEX: u64 = (1 << 56) - 1;

impl From<Token> for EventData {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Client(index) => (0, u64::from(index)),
            Token::Server(index) => (1, u64::from(index)),
            Token::Listener(index) => (2, u64::from(index)),
            Token::Wake => (3, 0),
            Token::Udp(index) => (4, index & INDEX),
            Token::Tick => (5, 0),
        };
        Self::new_u64(kind << 56 | index)
    }
}

impl From<EventData> for Token {
    fn from(data: EventData) -> Self {
        let data = data.u64();
        let index = data as u32;
        match data >> 56 {
            0 => Self::Client(index),
            1 => Self::Server(index),
            2 => Self::Listener(index),
            3 => Self::Wake,
            5 => Self::Tick,
            _ => Self::Udp(data & INDEX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::Client(0),
            Token::Client(u32::MAX),
            Token::Server(7),
            Token::Listener(1),
            Token::Wake,
            Token::Tick,
            Token::Udp(INDEX),
        ] {
            assert_eq!(Token::from(EventData::from(token)), token);
        }
    }
}
