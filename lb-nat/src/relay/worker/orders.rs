//! What the control side orders.

use lb_core::{
    dataplane::Connection,
    model::{Protocol, ServerKey, ServiceKey},
};

use super::Worker;
use crate::relay::mailbox::Order;

impl Worker {
    /// Carries out all orders. Who ordered may have stopped waiting, so answers may get lost.
    pub(super) fn obey(&mut self) {
        for order in self.mailbox.take() {
            match order {
                Order::Open { service, socket } => {
                    if service.key().protocol() == Some(Protocol::Tcp) {
                        self.listen(service, socket);
                    } else {
                        let (context, udp) = self.udp();
                        let key = service.key();
                        if let Err(error) = udp.open(&context, service, socket) {
                            tracing::error!("relay: {key} cannot be watched: {error}");
                        }
                    }
                }
                Order::Close { service, done } => {
                    self.stop_listening(&service);
                    let _ = done.send(());
                }
                Order::Reset { service, server, done } => {
                    let _ = done.send(self.reset_server(&service, &server));
                }
                Order::Flush { done } => {
                    self.conns.iter_mut().for_each(crate::relay::conn::Conn::flush);
                    self.udp.flush();
                    let _ = done.send(());
                }
                Order::List { limit, done } => {
                    let _ = done.send(self.list(limit));
                }
                Order::Stop => self.stopped = true,
                #[cfg(test)]
                Order::Panic => panic!("ordered by a test"),
            }
        }
    }

    fn stop_listening(&mut self, service: &ServiceKey) {
        for index in 0..self.listeners.span() {
            if self.listeners.get_mut(index).is_some_and(|listener| listener.service.key() == *service) {
                self.listeners.remove(index);
            }
        }
        let (context, udp) = self.udp();
        udp.close(&context, service);
    }

    fn reset_server(&mut self, service: &ServiceKey, server: &ServerKey) -> usize {
        let mut count = 0;
        for index in 0..self.conns.span() {
            let Some(conn) = self.conns.get_mut(index) else { continue };
            if conn.service.key() == *service && conn.goes_to(server) {
                self.reset(index);
                count += 1;
            }
        }
        let (context, udp) = self.udp();
        count + udp.reset(&context, service, server)
    }

    fn list(&mut self, limit: usize) -> Vec<Connection> {
        let mut list: Vec<Connection> =
            self.conns.iter().filter_map(|conn| conn.describe(self.tick)).take(limit).collect();
        let (context, udp) = self.udp();
        udp.list(&context, limit, &mut list);
        list
    }
}
