//! A batch of changes as pieces of work, one for each service. Pure.

use std::collections::BTreeMap;

use lb_core::{
    Change,
    change::ChangeError,
    dataplane::{DataPlaneError, ErrorKind, Refused},
    model::{Service, ServiceKey, ServiceTable},
};

use super::{
    config::{NftConfig, TableName},
    objects::{Objects, Transition},
    plan, readback, support,
};

/// The table as it was last seen, with what was done to it since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Whether there is a table at all.
    pub(super) exists: bool,
    /// What it consists of.
    pub(super) objects: Objects,
    /// What that means.
    pub(super) table: ServiceTable,
}

/// All that is to be done for one service, or for the base of the table.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// `None`: the base.
    pub(super) service: Option<ServiceKey>,
    /// Which changes of the batch are in it.
    pub(super) indices: Vec<usize>,
    /// The service afterwards.
    after: Option<Service>,
    from: Objects,
    to: Objects,
    steps: Transition,
    creates_table: bool,
}

impl Picture {
    /// The pieces of a batch, the base first, and the changes that cannot be made.
    pub(super) fn plan<'a>(
        &self,
        batch: impl IntoIterator<Item = (usize, &'a Change)>,
        config: &NftConfig,
    ) -> (Vec<Piece>, Vec<Refused>) {
        let mut touched: BTreeMap<ServiceKey, (ServiceTable, Vec<usize>)> = BTreeMap::new();
        let mut refused = Vec::new();
        for (index, change) in batch {
            let key = change.service();
            let (alone, indices) = touched.entry(*key).or_insert_with(|| {
                let services = self.table.services.get(key).map(|service| (*key, service.clone()));
                (ServiceTable { services: services.into_iter().collect() }, Vec::new())
            });
            let made = support::change(change, alone.services.get(key), config)
                .and_then(|()| change.apply(alone).map_err(|error| misfit(change, error)));
            match made {
                Ok(()) => indices.push(index),
                Err(error) => refused.push(Refused { index, error }),
            }
        }
        let mut pieces = vec![self.base(config)];
        for (key, (mut alone, indices)) in touched {
            if indices.is_empty() {
                continue;
            }
            let after = alone.services.remove(&key);
            let to = after.as_ref().map(|service| plan::service(&key, service, config)).unwrap_or_default();
            let from = readback::part(&self.objects, &key);
            let steps = Transition::between(&from, &to);
            pieces.push(Piece { service: Some(key), indices, after, from, to, steps, creates_table: false });
        }
        (pieces, refused)
    }

    /// Whether there is a service, or anything that was not made here.
    pub(super) fn has_more_than_base(&self, config: &NftConfig) -> bool {
        let mut rest = self.objects.clone();
        rest.replace(&readback::base_part(&self.objects, config), &Objects::default());
        rest != Objects::default()
    }

    fn base(&self, config: &NftConfig) -> Piece {
        let (from, to) = (readback::base_part(&self.objects, config), plan::base(config));
        let steps = Transition::between(&from, &to);
        Piece {
            service: None,
            indices: Vec::new(),
            after: None,
            from,
            to,
            steps,
            creates_table: !self.exists,
        }
    }

    /// Takes note that a piece was made.
    pub(super) fn made(&mut self, piece: &Piece) {
        self.exists = true;
        self.objects.replace(&piece.from, &piece.to);
        let Some(key) = piece.service else { return };
        match &piece.after {
            Some(service) => drop(self.table.services.insert(key, service.clone())),
            None => drop(self.table.services.remove(&key)),
        }
    }
}

impl Piece {
    /// The service, if another algorithm stands in for its scheduler from now on.
    pub(super) fn stand_in(&self, before: &ServiceTable) -> Option<(&ServiceKey, &Service)> {
        let (key, after) = (self.service.as_ref()?, self.after.as_ref()?);
        let same =
            before.services.get(key).is_some_and(|before| before.spec.scheduler == after.spec.scheduler);
        (!same && !support::is_native(&after.spec.scheduler)).then_some((key, after))
    }

    /// Whether nothing is to be done in the kernel.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.creates_table
    }

    /// Roughly how long its text is.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }
}

/// One transaction for several pieces.
pub(super) fn render(pieces: &[Piece], table: &TableName) -> String {
    let mut steps = Transition::default();
    pieces.iter().for_each(|piece| steps.merge(piece.steps.clone()));
    let create = if pieces.iter().any(|piece| piece.creates_table) { "add table inet " } else { "" };
    match create {
        "" => steps.render(table),
        create => format!("{create}{table}\n{}", steps.render(table)),
    }
}

fn misfit(change: &Change, error: ChangeError) -> DataPlaneError {
    let kind = match error {
        ChangeError::Exists => ErrorKind::Exists,
        ChangeError::NoSuchService | ChangeError::NoSuchServer => ErrorKind::NotFound,
    };
    DataPlaneError::new(kind, format!("{change}: {error}"))
}
