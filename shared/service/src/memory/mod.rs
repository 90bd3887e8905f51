//! Memory: how much the process's cgroup may have, and whether its limits of connections fit.
//!
//! A container that goes beyond its memory limit is killed at once, and all its pages lose their connections. So at the
//! start the process reads the limit, and lowers its limits of connections if they don't fit beside what it needs for
//! itself.
//!
//! See docs/decisions/117-limits-of-connections-fit-the-memory.md.

mod cgroup;

use crate::ceilings::{self, ConnectionCeiling, Lowered};

const MIB: u64 = 1024 * 1024;
/// What a process needs beside its connections, in bytes: code, threads, caches, and room for bursts.
pub const OWN_BYTES: u64 = 64 * MIB;

/// Lowers the ceilings that don't fit into the memory limit. Each that is lowered is logged. Returns the limit, in MiB;
/// `None` if there is none.
pub(crate) fn fit_to_limit(ceilings: &mut [ConnectionCeiling<'_>]) -> Option<u64> {
    let limit = cgroup::memory_limit()?;
    let needed = needed(ceilings);
    for Lowered { setting, wanted, accepted } in fit(ceilings, limit) {
        tracing::warn!(
            setting,
            wanted,
            accepted,
            memory_limit_mib = limit / MIB,
            memory_needed_mib = u64::try_from(needed.div_ceil(MIB.into())).unwrap_or(u64::MAX),
            "the memory limit is too low for this setting, so the process accepts fewer connections; raise the limit \
             (resources.limits.memory in Kubernetes, docker run --memory, MemoryMax of systemd), or lower the setting"
        );
    }
    Some(limit / MIB)
}

/// What the process and all connections that the ceilings allow take, in bytes.
fn needed(ceilings: &[ConnectionCeiling<'_>]) -> u128 {
    let connections = ceilings.iter().map(|ceiling| ceiling.on_all_listeners() * u128::from(ceiling.bytes));
    u128::from(OWN_BYTES) + connections.sum::<u128>()
}

/// Lowers the ceilings so that all fit. At least half of the memory is for connections.
fn fit(ceilings: &mut [ConnectionCeiling<'_>], limit: u64) -> Vec<Lowered> {
    let available = limit - OWN_BYTES.min(limit / 2);
    ceilings::fit(ceilings, available, |ceiling| ceiling.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of these ceilings, each of so many listeners, and with 10 bytes a connection.
    fn fitted<const N: usize>(limit: u64, ceilings: [(u32, u32); N]) -> [u32; N] {
        ceilings::tests::fitted(ceilings, |ceilings| fit(ceilings, limit)).1
    }

    #[test]
    fn a_ceiling_that_fits_beside_the_process_stays() {
        let connections = u32::try_from(OWN_BYTES / 10).unwrap();
        assert_eq!(fitted(2 * OWN_BYTES, [(connections, 1)]), [connections]);
        assert_eq!(fitted(2 * OWN_BYTES, [(connections, 1), (1, 1)]), [connections - 1, 1]);
        assert_eq!(fitted(u64::MAX, [(u32::MAX, 2)]), [u32::MAX]);
        assert!(fitted(0, []).is_empty());
    }

    #[test]
    fn a_ceiling_that_does_not_fit_is_lowered() {
        let connections = u32::try_from(OWN_BYTES / 10).unwrap();
        assert_eq!(fitted(2 * OWN_BYTES, [(connections, 2)]), [connections / 2], "two listeners");
        assert_eq!(fitted(OWN_BYTES, [(10_000_000, 1)]), [connections / 2], "half of it");
        assert_eq!(fitted(0, [(19_000, 1)]), [1], "never to nothing");
    }

    #[test]
    fn what_is_needed_is_the_process_and_all_its_connections() {
        let (needed, _) = ceilings::tests::fitted([(1_000, 1), (3_000, 3)], |ceilings| needed(ceilings));
        assert_eq!(needed, u128::from(OWN_BYTES) + 100_000);
    }
}
