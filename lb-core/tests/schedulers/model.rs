//! Every scheduler once more, as plainly as its rule can be said: a list that is newest first, no tables that are
//! kept, no shortcuts. What it picks is what the crate has to pick.

use std::collections::HashMap;

/// A server of the model.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: u8,
    pub(crate) weight: i64,
    pub(crate) upper: u32,
    pub(crate) lower: u32,
    pub(crate) active: u32,
    pub(crate) total: u32,
    pub(crate) overloaded: bool,
    /// The last weight that was not 0.
    pub(crate) last_weight: i64,
}

impl Server {
    fn usable(&self) -> bool {
        self.weight > 0 && !self.overloaded
    }

    fn overhead(&self) -> i64 {
        i64::from(self.active) * 256 + i64::from(self.total)
    }

    pub(crate) fn judge(&mut self) {
        let relief = if self.lower == 0 { self.upper - self.upper / 4 } else { self.lower };
        if self.upper == 0 || self.total < relief {
            self.overloaded = false;
        }
        if self.upper > 0 && self.total >= self.upper {
            self.overloaded = true;
        }
    }
}

/// What is hashed and remembered of a connection; addresses are 10.0.x.x and 172.16.0.x, ports follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) source: u32,
    pub(crate) port: u32,
    pub(crate) destination: u32,
    pub(crate) seconds: u64,
}

/// A service of the model.
#[derive(Debug, Default)]
pub(crate) struct Model {
    kind: String,
    fallback: bool,
    port: bool,
    /// Newest first.
    pub(crate) servers: Vec<Server>,
    /// `rr`: what was picked last; `wrr`: where the walk is. `None` is the head.
    at: Option<u8>,
    cw: i64,
    mw: i64,
    di: i64,
    /// `lblc` and `lblcr`: what is remembered of an address.
    sets: HashMap<u32, Set>,
}

/// Servers of an address, newest first; when that changed and when it was used, in seconds.
#[derive(Clone, Debug)]
struct Set {
    servers: Vec<u8>,
    changed: u64,
    used: u64,
}

const DAY: u64 = 24 * 3600;

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Model {
    pub(crate) fn new(kind: &str, fallback: bool, port: bool) -> Self {
        Self { kind: kind.into(), fallback, port, ..Self::default() }
    }

    fn find(&self, id: u8) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }

    pub(crate) fn add(&mut self, server: Server) {
        self.servers.insert(0, server);
        self.changed();
    }

    pub(crate) fn remove(&mut self, id: u8) {
        let place = self.servers.iter().position(|server| server.id == id).unwrap();
        if self.kind == "rr" && self.at == Some(id) {
            self.at = place.checked_sub(1).map(|before| self.servers[before].id);
        }
        self.servers.remove(place);
        self.changed();
    }

    pub(crate) fn changed(&mut self) {
        if self.kind != "wrr" {
            return;
        }
        let weights = || self.servers.iter().map(|server| server.weight).filter(|weight| *weight > 0);
        self.at = None;
        self.di = weights().reduce(gcd).unwrap_or(1);
        self.mw = weights().max().unwrap_or(0) - (self.di - 1);
        if self.cw > self.mw || self.cw == 0 {
            self.cw = self.mw;
        } else if self.di > 1 {
            self.cw = self.cw / self.di * self.di + 1;
        }
    }

    pub(crate) fn pick(&mut self, client: Client) -> Option<u8> {
        match &*self.kind {
            "rr" => self.rr(),
            "wrr" => self.wrr(),
            "lc" => self.minimum(|server| (server.overhead(), 1)),
            "wlc" => self.minimum(|server| (server.overhead(), server.weight)),
            "sed" => self.minimum(|server| (i64::from(server.active) + 1, server.weight)),
            "nq" => {
                let idle = self.servers.iter().find(|server| server.usable() && server.active == 0);
                idle.map(|server| server.id)
                    .or_else(|| self.minimum(|server| (i64::from(server.active) + 1, server.weight)))
            }
            "fo" => self.maximum(|_| true),
            "ovf" => self.maximum(|server| i64::from(server.active) <= server.weight),
            "dh" => self.dh(client),
            "sh" => self.sh(client),
            "mh" => self.mh(client),
            "lblc" => self.lblc(client),
            "lblcr" => self.lblcr(client),
            kind => panic!("{kind}"),
        }
    }

    /// Where the walk begins: the place after `at`.
    fn after(&self) -> usize {
        self.at.map_or(0, |id| self.servers.iter().position(|server| server.id == id).unwrap() + 1)
    }

    fn rr(&mut self) -> Option<u8> {
        let start = self.after();
        let picked = (0..self.servers.len())
            .map(|step| &self.servers[(start + step) % self.servers.len()])
            .find(|server| server.usable())
            .map(|server| server.id);
        self.at = picked.or(self.at);
        picked
    }

    fn wrr(&mut self) -> Option<u8> {
        if self.mw <= 0 {
            return None;
        }
        let (mut place, mut last_pass, mut restarted, mut stop) = (self.after(), false, false, None);
        loop {
            while place < self.servers.len() {
                let server = &self.servers[place];
                if !server.overloaded && server.weight >= self.cw {
                    self.at = Some(server.id);
                    return self.at;
                }
                if Some(server.id) == stop {
                    return None;
                }
                place += 1;
            }
            place = 0;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
                if last_pass || self.at.is_none() {
                    return None;
                }
                restarted = true;
            }
            last_pass = self.cw <= self.di;
            if last_pass && restarted {
                stop = self.at;
            }
        }
    }

    fn minimum(&self, ratio: impl Fn(&Server) -> (i64, i64)) -> Option<u8> {
        Self::minimum_of(self.servers.iter(), ratio)
    }

    fn minimum_of<'a>(
        servers: impl Iterator<Item = &'a Server>,
        ratio: impl Fn(&Server) -> (i64, i64),
    ) -> Option<u8> {
        let mut least: Option<&Server> = None;
        for server in servers.filter(|server| server.usable()) {
            let better = least.is_none_or(|least| {
                let ((cost, weight), (other, other_weight)) = (ratio(server), ratio(least));
                other * weight > cost * other_weight
            });
            if better {
                least = Some(server);
            }
        }
        least.map(|server| server.id)
    }

    fn maximum(&self, has_room: impl Fn(&Server) -> bool) -> Option<u8> {
        let mut most: Option<&Server> = None;
        for server in self.servers.iter().filter(|server| server.usable() && has_room(server)) {
            if most.is_none_or(|most| server.weight > most.weight) {
                most = Some(server);
            }
        }
        most.map(|server| server.id)
    }

    fn dh(&self, client: Client) -> Option<u8> {
        let mut buckets = self.servers.iter().cycle();
        let server = buckets.nth(hash_32(client.destination) as usize)?;
        server.usable().then_some(server.id)
    }

    fn sh(&self, client: Client) -> Option<u8> {
        let mut buckets = Vec::new();
        while buckets.len() < 256 && !self.servers.is_empty() {
            for server in &self.servers {
                buckets.extend(vec![server; server.weight.max(1) as usize]);
            }
        }
        let hash = hash_32(self.hashed(client));
        let mut tried = vec![hash];
        if self.fallback {
            tried.extend((0..256).map(|offset| (hash + (offset + hash) % 256) & 255));
        }
        let bucket = |index: &u32| buckets.get(*index as usize).filter(|server| server.usable());
        tried.iter().find_map(bucket).map(|server| server.id)
    }

    fn hashed(&self, client: Client) -> u32 {
        client.source + if self.port { client.port } else { 0 }
    }

    fn mh(&self, client: Client) -> Option<u8> {
        const SIZE: u32 = 4093;
        let divisor = self.servers.iter().map(|server| server.last_weight).fold(0, gcd);
        if divisor == 0 {
            return None;
        }
        let mut shift = 0;
        while self.servers.iter().any(|server| (server.last_weight / divisor) >> shift >= 64) {
            shift += 1;
        }
        let mut table: Vec<Option<&Server>> = vec![None; SIZE as usize];
        let mut tries = vec![0_u64; self.servers.len()];
        let mut free = SIZE;
        while free > 0 {
            for (server, tried) in
                self.servers.iter().zip(&mut tries).filter(|(server, _)| server.last_weight > 0)
            {
                let key = 0xc0a8_0000 + u32::from(server.id) + 80;
                let (offset, skip) = (siphash(KEYS[0], key) % SIZE, siphash(KEYS[1], key) % (SIZE - 1) + 1);
                let turns = ((server.last_weight / divisor) >> shift).max(1);
                for _ in 0..turns.min(free.into()) {
                    let mut slots =
                        (*tried..).map(|n| (u64::from(offset) + n * u64::from(skip)) % u64::from(SIZE));
                    let passed = slots.position(|slot| table[slot as usize].is_none()).unwrap() as u64;
                    let slot = (u64::from(offset) + (*tried + passed) * u64::from(skip)) % u64::from(SIZE);
                    table[slot as usize] = Some(server);
                    *tried += passed + 1;
                    free -= 1;
                }
            }
        }
        let slot = |key: u32| siphash(KEYS[0], key) % SIZE;
        let first = slot(self.hashed(client));
        let mut tried = vec![first];
        if self.fallback {
            tried.extend((0..SIZE).map(|offset| slot(self.hashed(client) + (offset + first) % SIZE)));
        }
        tried
            .iter()
            .filter_map(|slot| table[*slot as usize])
            .find(|server| server.usable())
            .map(|server| server.id)
    }

    fn overrun(&self, server: &Server) -> bool {
        i64::from(server.active) > server.weight
            && self.servers.iter().any(|other| i64::from(other.active) * 2 < other.weight)
    }

    fn wlc(&self) -> Option<u8> {
        self.minimum(|server| (server.overhead(), server.weight))
    }

    /// What is remembered of an address; it is forgotten after a day without use, for checks fall on every hour.
    fn recall(&mut self, client: Client) -> Option<Set> {
        let set = self.sets.get_mut(&client.destination)?;
        if client.seconds - set.used >= DAY {
            return None;
        }
        set.used = client.seconds;
        Some(set.clone())
    }

    fn remember(&mut self, client: Client, servers: Vec<u8>, changed: u64) {
        self.sets.insert(client.destination, Set { servers, changed, used: client.seconds });
    }

    fn lblc(&mut self, client: Client) -> Option<u8> {
        let kept = self.recall(client);
        if let Some(server) = kept.and_then(|set| self.find(set.servers[0]))
            && server.weight > 0
            && !self.overrun(server)
        {
            return Some(server.id);
        }
        let picked = self.wlc()?;
        self.remember(client, vec![picked], client.seconds);
        Some(picked)
    }

    fn lblcr(&mut self, client: Client) -> Option<u8> {
        let now = client.seconds;
        let Some(Set { mut servers, mut changed, .. }) = self.recall(client) else {
            let picked = self.wlc()?;
            self.remember(client, vec![picked], now);
            return Some(picked);
        };
        let members: Vec<_> = servers.iter().filter_map(|id| self.find(*id)).collect();
        let least = Self::minimum_of(members.iter().copied(), |server| (server.overhead(), server.weight));
        if servers.len() > 1 && now > changed + DAY {
            let mut most: Option<&Server> = None;
            for server in members.into_iter().filter(|server| server.weight > 0) {
                if most.is_none_or(|most| most.overhead() * server.weight < server.overhead() * most.weight) {
                    most = Some(server);
                }
            }
            if let Some(most) = most.map(|server| server.id) {
                servers.retain(|id| *id != most);
                changed = now;
            }
        }
        let mut picked = least.filter(|id| !self.overrun(self.find(*id).unwrap()));
        if picked.is_none() {
            picked = self.wlc();
            if let Some(picked) = picked
                && !servers.contains(&picked)
            {
                servers.insert(0, picked);
                changed = now;
            }
        }
        self.remember(client, servers, changed);
        picked
    }
}

fn hash_32(value: u32) -> u32 {
    ((u64::from(value) * 0x61c8_8647) as u32) >> 24
}

const KEYS: [u64; 2] = [2_654_435_761, 2_654_446_892];

/// SipHash-1-3 of four bytes (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), its low half.
fn siphash(key: u64, value: u32) -> u32 {
    fn round(v: &mut [u64; 4]) {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
    let mut v =
        [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573_u64];
    v.iter_mut().for_each(|word| *word ^= key);
    let block = 4 << 56 | u64::from(value);
    v[3] ^= block;
    round(&mut v);
    v[0] ^= block;
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}
