//! What is answered to those who ask on the control socket.

use super::engine::Engine;
use crate::control::{
    protocol::{Answer, Request},
    server::Call,
};

impl Engine {
    /// Answers, now or when a reload is over.
    pub(super) async fn serve(&mut self, (request, reply): Call) {
        let answer = match request {
            Request::Reload => {
                self.awaiting.push(reply);
                return self.reload();
            }
            _ => Answer::Error("lb-failover does not know this request".to_owned()),
        };
        // Whoever asked may be gone.
        let _ = reply.send(answer);
    }
}
