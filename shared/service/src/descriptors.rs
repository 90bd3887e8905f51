//! File descriptors: how many the process may open, and whether its limits of connections fit.
//!
//! A connection takes a descriptor. Without a free one a process can't accept, and can't even say so. So at the start
//! the process raises its soft limit to the hard one, and lowers its limits of connections if they don't fit beside what
//! it needs for itself.
//!
//! See docs/decisions/055-limits-of-connections-fit-the-descriptors.md.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::ceilings::{self, ConnectionCeiling, Lowered};

/// What a process needs beside its clients: Redis, calls, probes, files, its own sockets.
const OWN: u64 = 200;
/// With fewer descriptors a process doesn't start.
const FEWEST: u64 = 128;

/// The process may open so few files that it can't serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process may open {limit} files, and needs at least {FEWEST}; raise the limit of open files (ulimit -n, \
     LimitNOFILE)"
)]
pub(crate) struct TooFewDescriptors {
    limit: u64,
}

/// Raises the limit of open files as far as the process may, and lowers the ceilings that don't fit. Each that is lowered
/// is logged. Returns the limit that holds.
pub(crate) fn fit_to_process(ceilings: &mut [ConnectionCeiling<'_>]) -> Result<u64, TooFewDescriptors> {
    let limit = raise_limit();
    for Lowered { setting, wanted, accepted } in fit(ceilings, limit)? {
        tracing::warn!(
            setting,
            wanted,
            accepted,
            open_files = limit,
            "the limit of open files is too low for this setting, so the process accepts fewer connections; raise it \
             (ulimit -n, LimitNOFILE), or lower the setting"
        );
    }
    Ok(limit)
}

/// Raises the soft limit of open files to the hard one. Returns the limit that holds then.
fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    current.unwrap_or(u64::MAX)
}

/// Lowers the ceilings so that all fit. At least half of the descriptors are for connections.
fn fit(ceilings: &mut [ConnectionCeiling<'_>], limit: u64) -> Result<Vec<Lowered>, TooFewDescriptors> {
    if limit < FEWEST {
        return Err(TooFewDescriptors { limit });
    }
    let beside: u64 = ceilings.iter().map(|ceiling| u64::from(ceiling.beside)).sum();
    let available = limit - (OWN + beside).min(limit / 2);
    Ok(ceilings::fit(ceilings, available, |_| 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of these ceilings, each of so many listeners, and with 768 descriptors beside.
    fn fitted<const N: usize>(limit: u64, ceilings: [(u32, u32); N]) -> Result<[u32; N], TooFewDescriptors> {
        let (lowered, left) = ceilings::tests::fitted(ceilings, |ceilings| fit(ceilings, limit));
        lowered.map(|_| left)
    }

    #[test]
    fn a_ceiling_that_fits_stays() {
        assert_eq!(fitted(20_000, [(19_000, 1)]), Ok([19_000]), "the default, with the usual limit");
        assert_eq!(fitted(u64::MAX, [(u32::MAX, 2)]), Ok([u32::MAX]));
        assert_eq!(fitted(1024, []), Ok([]));
    }

    #[test]
    fn a_ceiling_that_does_not_fit_is_lowered() {
        assert_eq!(fitted(10_000, [(19_000, 1)]), Ok([9_032]));
        assert_eq!(fitted(20_968, [(19_000, 2)]), Ok([10_000]), "two listeners");
        assert_eq!(fitted(1024, [(19_000, 1)]), Ok([512]), "half of them");
        assert_eq!(fitted(8_736, [(1_000, 1), (3_000, 3)]), Ok([700, 2_100]), "all by the same part");
        assert_eq!(fitted(128, [(1, 1), (u32::MAX, 1)]), Ok([1, 63]), "never to nothing");
    }

    #[test]
    fn with_very_few_descriptors_a_process_does_not_start() {
        let refused = fitted(127, [(1, 1)]).unwrap_err();
        assert!(refused.to_string().contains("127 files"), "{refused}");
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(500), maximum: hard }).unwrap();
        assert_eq!(raise_limit(), hard.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
