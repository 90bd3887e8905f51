//! CPU time and memory of processes, as the kernel counts them.

use std::collections::BTreeMap;

use procfs::ProcResult;

use crate::health::{ProcessReading, process_usage};

/// The processes under test, by what they are for.
#[derive(Debug, Clone)]
pub struct WatchedProcesses {
    processes: Vec<WatchedProcess>,
    /// The name of those that hold the pages.
    holder: &'static str,
}

/// A process, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchedProcess {
    pub name: &'static str,
    pub pid: u32,
}

/// What the processes have used up to a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageSoFar {
    /// CPU time since they started, user and system, in seconds, by name.
    pub cpu_seconds: BTreeMap<&'static str, f64>,
    /// Resident memory of those that hold the pages.
    pub holder_rss_bytes: u64,
}

impl WatchedProcesses {
    /// Watches these processes. Pages are held by those with the name `holder`.
    pub fn new(processes: Vec<WatchedProcess>, holder: &'static str) -> Self {
        Self { processes, holder }
    }

    /// All of them.
    pub fn into_list(self) -> Vec<WatchedProcess> {
        self.processes
    }

    /// What they have used so far. Fails if one has ended: then nothing can be said of it.
    pub fn usage(&self) -> ProcResult<UsageSoFar> {
        let mut usage = UsageSoFar::default();
        for WatchedProcess { name, pid } in &self.processes {
            let ProcessReading { cpu_seconds, rss_bytes, .. } = process_usage(*pid)?;
            *usage.cpu_seconds.entry(name).or_default() += cpu_seconds;
            if *name == self.holder {
                usage.holder_rss_bytes += rss_bytes;
            }
        }
        Ok(usage)
    }
}

impl UsageSoFar {
    /// CPU time since an earlier moment, in seconds, by name.
    pub fn cpu_since(&self, earlier: &Self) -> BTreeMap<&'static str, f64> {
        let before = |name| earlier.cpu_seconds.get(name).copied().unwrap_or_default();
        self.cpu_seconds.iter().map(|(name, cpu)| (*name, (cpu - before(name)).max(0.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_process() -> WatchedProcess {
        WatchedProcess { name: "pages", pid: std::process::id() }
    }

    #[test]
    fn what_a_process_uses_is_counted() {
        let watched = WatchedProcesses::new(vec![this_process()], "pages");
        let before = watched.usage().unwrap();
        let filled = vec![1_u8; 64 << 20];
        let mut after = watched.usage().unwrap();
        while after.cpu_since(&before)["pages"] < 0.02 {
            std::hint::black_box(filled.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            after = watched.usage().unwrap();
        }
        assert!(after.holder_rss_bytes > before.holder_rss_bytes, "{after:?} {before:?}");
    }

    #[test]
    fn a_process_that_has_ended_is_no_zero() {
        let gone = WatchedProcess { name: "pages", pid: u32::MAX };
        assert!(WatchedProcesses::new(vec![this_process(), gone], "pages").usage().is_err());
    }
}
