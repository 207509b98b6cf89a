//! Weights as slots: the tables that `numgen` and `jhash` index.

use std::hash::Hasher;

use lb_core::model::ServerKey;
use siphasher::sip::SipHasher13;

/// Weights divided by their greatest common divisor.
pub(super) fn reduced(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |a, &b| gcd(a, b)).max(1);
    weights.iter().map(|weight| weight / divisor).collect()
}

/// Whose turn it is, for one whole round of `weights`: each index as often as its weight says, spread as evenly as
/// possible (smooth weighted round robin). The caller bounds the sum of the weights.
pub(super) fn turns(weights: &[u32]) -> Vec<usize> {
    let total: i64 = weights.iter().copied().map(i64::from).sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut round = Vec::new();
    for _ in 0..total {
        let mut best = 0;
        for (index, &weight) in weights.iter().enumerate() {
            credit[index] += i64::from(weight);
            if credit[index] > credit[best] {
                best = index;
            }
        }
        credit[best] -= total;
        round.push(best);
    }
    round
}

/// A Maglev table: `size` slots (a prime), shared in proportion to `weights`, in which few slots change their owner
/// when a server comes or goes (Eisenbud et al., NSDI 2016, §3.4). Needs at most `size` servers.
pub(super) fn maglev(servers: &[ServerKey], weights: &[u32], size: u32) -> Vec<usize> {
    let modulus = u64::from(size.max(2));
    let mut walks: Vec<(u64, u64)> = servers
        .iter()
        .map(|server| (hash(server, 0) % modulus, hash(server, 1) % (modulus - 1) + 1))
        .collect();
    let mut table: Vec<Option<usize>> = vec![None; size as usize];
    for index in turns(&quotas(weights, size)) {
        let (next, skip) = &mut walks[index];
        while table[*next as usize].is_some() {
            *next = (*next + *skip) % modulus;
        }
        table[*next as usize] = Some(index);
    }
    table.into_iter().flatten().collect()
}

/// `size` shared in proportion to `weights`: at least one each, largest remainders first.
fn quotas(weights: &[u32], size: u32) -> Vec<u32> {
    let total: u64 = weights.iter().copied().map(u64::from).sum::<u64>().max(1);
    let spare = u64::from(size).saturating_sub(weights.len() as u64);
    let share = |weight: u32| u64::from(weight) * spare;
    let mut quotas: Vec<u32> = weights.iter().map(|&weight| 1 + (share(weight) / total) as u32).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&index| std::cmp::Reverse(share(weights[index]) % total));
    let given: u32 = quotas.iter().sum();
    for index in by_remainder.into_iter().cycle().take(size.saturating_sub(given) as usize) {
        quotas[index] += 1;
    }
    quotas
}

/// The same on every machine and in every version: a pair of balancers must agree.
fn hash(server: &ServerKey, seed: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, 0);
    hasher.write(server.to_string().as_bytes());
    hasher.finish()
}

/// The next prime from `wanted` on, between 251 and 16,381.
pub(super) fn prime(wanted: u16) -> u32 {
    let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (u32::from(wanted.clamp(251, 16_381))..).find(is_prime).unwrap_or(16_381)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: u8) -> Vec<ServerKey> {
        (1..=count).map(|n| format!("10.0.0.{n}:80").parse().unwrap()).collect()
    }

    fn shares(table: &[usize], count: usize) -> Vec<usize> {
        (0..count).map(|index| table.iter().filter(|&&slot| slot == index).count()).collect()
    }

    #[test]
    fn turns_are_exact_and_spread() {
        assert_eq!(turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[]), [0; 0]);
        assert_eq!(reduced(&[10, 20, 40]), [1, 2, 4]);
    }

    #[test]
    fn maglev_shares_by_weight_and_gives_the_weakest_a_slot() {
        assert_eq!(shares(&maglev(&servers(3), &[1, 1, 1], 4093), 3), [1365, 1364, 1364]);
        let lopsided = shares(&maglev(&servers(3), &[1, 2, 65_535], 251), 3);
        assert_eq!(lopsided[0], 1);
        assert_eq!(lopsided.iter().sum::<usize>(), 251);
    }

    #[test]
    fn maglev_moves_little_when_a_server_goes() {
        let (all, nine) = (servers(10), &servers(10)[..9]);
        let before = maglev(&all, &[1; 10], 4093);
        let after = maglev(nine, &[1; 9], 4093);
        let moved = before.iter().zip(&after).filter(|(was, is)| **was != 9 && was != is).count();
        assert!(moved < 4093 / 20, "{moved} of 4093 slots moved without need");
    }

    #[test]
    fn slot_counts_are_primes() {
        assert_eq!([0, 251, 252, 4093, 4094, 65_535].map(prime), [251, 251, 257, 4093, 4099, 16_381]);
    }
}
