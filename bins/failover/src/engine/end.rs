//! The end of a node.

use std::sync::Arc;

use lb_control::event::{Subject, What};
use lb_runtime::systemd;

use super::Engine;
use crate::{
    notify::{Happened, Kind},
    occasion,
    program::Policy,
};

impl Engine {
    /// Resigns everywhere, tells everybody, and waits for it.
    pub async fn stop(mut self) {
        systemd::stopping();
        self.note(Subject::Daemon, What::Stopping);
        let names: Vec<Arc<str>> = self.state.instances().map(|(name, _)| name.clone()).collect();
        let Self { vrrp, .. } = &mut self;
        if let Err(error) = vrrp.stop().await {
            self.note(Subject::Daemon, What::Trouble(error.to_string()));
        }
        names.iter().for_each(|name| self.notify(Kind::Instance, name, Happened::Stop));
        let groups: Vec<Arc<str>> =
            self.config.groups.iter().map(|group| group.name.as_str().into()).collect();
        groups.iter().for_each(|name| self.notify(Kind::Group, name, Happened::Stop));
        // After the addresses, so that nobody is sent to a host that does not balance any more.
        self.balance.stop().await;
        while let Ok(output) = self.outputs.try_recv() {
            output.deliver(&mut self.notifier, &mut self.journal);
        }
        self.kernel.finish().await;
        self.ipvs.finish().await;
        self.notifier.finish().await;
        let globals = &self.config.globals;
        if let Some((command, limit)) = &globals.shutdown {
            let policy = Policy::of(globals);
            if let Err(trouble) = occasion::run("shutdown_script", command, *limit, &policy).await {
                self.journal.log().line(&trouble);
            }
        }
        self.note(Subject::Daemon, What::Stopped);
        self.supervised.flush().await;
    }
}
