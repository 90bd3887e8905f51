//! The limits of connections in a configuration, which are lowered at the start where the process can't hold as many.
//!
//! See docs/decisions/055-limits-of-connections-fit-the-descriptors.md and
//! docs/decisions/117-limits-of-connections-fit-the-memory.md.

use std::num::NonZeroU32;

/// What a connection takes that waits for its next request, in bytes: 21 KB of the process, as measured, and the kernel's
/// share of 1.6 KB on Linux 6.18. A page that waits on a WebSocket takes a quarter of it. It is not the most that a
/// connection can take: while a client doesn't read its answers, the kernel keeps them (see decision 117).
pub const HTTP_CONNECTION_BYTES: u32 = 24 * 1024;

/// A limit of connections in a configuration.
#[derive(Debug)]
pub struct ConnectionCeiling<'a> {
    /// The setting's name.
    pub setting: &'static str,
    /// Its value.
    pub connections: &'a mut NonZeroU32,
    /// How many listeners accept so many connections each.
    pub listeners: u32,
    /// How many descriptors its listeners need beside: for clients that are turned away.
    pub beside: u32,
    /// How much memory a connection takes, in bytes: of the process, and of the kernel in its name.
    pub bytes: u32,
}

impl ConnectionCeiling<'_> {
    /// How many connections there can be, on all its listeners.
    pub(crate) fn on_all_listeners(&self) -> u128 {
        u128::from(self.connections.get()) * u128::from(self.listeners)
    }
}

/// A ceiling that was lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lowered {
    pub(crate) setting: &'static str,
    /// What the configuration says.
    pub(crate) wanted: NonZeroU32,
    /// What holds instead.
    pub(crate) accepted: NonZeroU32,
}

/// Lowers the ceilings, each by the same part and none to nothing, so that their connections take no more than is
/// `available`. `of_one` says how much one connection takes. Returns those that were lowered.
pub(crate) fn fit(
    ceilings: &mut [ConnectionCeiling<'_>],
    available: u64,
    of_one: impl Fn(&ConnectionCeiling<'_>) -> u32,
) -> Vec<Lowered> {
    let available = u128::from(available);
    let wanted: u128 = ceilings.iter().map(|ceiling| ceiling.on_all_listeners() * u128::from(of_one(ceiling))).sum();
    if wanted <= available {
        return vec![];
    }
    let lower = |ceiling: &mut ConnectionCeiling<'_>| {
        let wanted_here = *ceiling.connections;
        let lowered = u128::from(wanted_here.get()) * available / wanted;
        let accepted = u32::try_from(lowered).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        *ceiling.connections = accepted;
        Lowered { setting: ceiling.setting, wanted: wanted_here, accepted }
    };
    ceilings.iter_mut().map(lower).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Calls `fit` with ceilings of so many connections and listeners each, 768 descriptors beside and 10 bytes a
    /// connection. Returns its result, and what is left of the ceilings.
    pub(crate) fn fitted<const N: usize, R>(
        ceilings: [(u32, u32); N],
        fit: impl FnOnce(&mut [ConnectionCeiling<'_>]) -> R,
    ) -> (R, [u32; N]) {
        let mut connections = ceilings.map(|(connections, _)| NonZeroU32::new(connections).unwrap());
        let mut all: Vec<_> = connections
            .iter_mut()
            .zip(ceilings)
            .map(|(connections, (_, listeners))| ConnectionCeiling {
                setting: "limits.connections",
                connections,
                listeners,
                beside: 768,
                bytes: 10,
            })
            .collect();
        let result = fit(&mut all);
        (result, connections.map(NonZeroU32::get))
    }

    #[test]
    fn what_does_not_fit_is_lowered_by_the_same_part() {
        let lower = |available, ceilings| {
            let (lowered, left) = fitted(ceilings, |ceilings| fit(ceilings, available, |ceiling| ceiling.bytes));
            (lowered.len(), left)
        };
        assert_eq!(lower(100_000, [(1_000, 1), (3_000, 3)]), (0, [1_000, 3_000]), "it fits exactly");
        assert_eq!(lower(50_000, [(1_000, 1), (3_000, 3)]), (2, [500, 1_500]));
        assert_eq!(lower(0, [(1_000, 1), (1, 1)]), (2, [1, 1]), "never to nothing");
        assert_eq!(lower(u64::MAX, [(u32::MAX, 64), (1, 1)]), (0, [u32::MAX, 1]));
    }
}
