//! What this machine is, and what it has left.

use std::io;

use procfs::{Current, CurrentSI, ProcError, ProcResult, process::Process, ticks_per_second};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::preflight::UsedOf;
use crate::{results::HostInfo, units::to_f64};

/// The port range that Linux has if nobody changed it.
const USUAL_PORTS: (u64, u64) = (32_768, 60_999);
/// The state of a process that has ended, and that nobody has waited for yet.
const ZOMBIE: char = 'Z';

/// Times of all processors together since the machine started, in ticks; and TCP's retransmits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineTimes {
    pub idle: u64,
    pub all: u64,
    pub retransmitted_segments: u64,
}

impl MachineTimes {
    /// The share of the time since `before` in which processors were idle, from 0 to 1.
    pub fn idle_share_since(&self, before: &Self) -> f64 {
        let [idle, all] = [self.idle.saturating_sub(before.idle), self.all.saturating_sub(before.all)]
            .map(|ticks| u32::try_from(ticks).map_or(f64::from(u32::MAX), f64::from));
        if all > 0.0 { idle / all } else { 1.0 }
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessReading {
    /// CPU time since it started, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Open file descriptors; 0 if they can't be counted.
    pub descriptors: u64,
}

/// What a process has used so far, as the kernel counts it. Fails if it has ended.
pub fn process_usage(pid: u32) -> ProcResult<ProcessReading> {
    let process = Process::new(i32::try_from(pid).unwrap_or(i32::MAX))?;
    let stat = process.stat()?;
    if stat.state == ZOMBIE {
        return Err(ProcError::NotFound(None));
    }
    Ok(ProcessReading {
        cpu_seconds: to_f64(stat.utime + stat.stime) / to_f64(ticks_per_second()),
        rss_bytes: stat.rss * procfs::page_size(),
        descriptors: process.fd_count().ok().and_then(|count| count.try_into().ok()).unwrap_or_default(),
    })
}

/// What the machine's processors have done so far. Zeros where the system doesn't tell.
pub fn machine_times() -> MachineTimes {
    let Ok(stat) = procfs::KernelStats::current() else { return MachineTimes::default() };
    let cpu = stat.total;
    let idle = cpu.idle + cpu.iowait.unwrap_or(0);
    let busy =
        cpu.user + cpu.nice + cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0) + cpu.steal.unwrap_or(0);
    MachineTimes { idle, all: idle + busy, retransmitted_segments: retransmitted_segments() }
}

/// What the result file says of this machine.
pub fn host_info() -> HostInfo {
    let name = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu_model = procfs::CpuInfo::current().ok().and_then(|cpus| Some(cpus.model_name(0)?.to_owned()));
    HostInfo {
        name: name("/proc/sys/kernel/hostname"),
        system: format!("Linux {}", name("/proc/sys/kernel/osrelease")),
        cpu_model: cpu_model.unwrap_or_default(),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
    }
}

/// The memory that is free, or would be if somebody needed it, in bytes; `None` if the system doesn't tell.
pub fn free_memory() -> Option<u64> {
    procfs::Meminfo::current().ok()?.mem_available
}

/// How many descriptors this process has open, and how many it may have.
pub fn descriptors() -> (u64, u64) {
    let used = Process::myself().and_then(|this| this.fd_count()).unwrap_or_default();
    (u64::try_from(used).unwrap_or(u64::MAX), getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Raises the limit of descriptors as far as it may be raised. Processes that are started later inherit it.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// How many ports there are from one source address to one address of a server.
pub fn port_range() -> u64 {
    let ports = numbers_in("/proc/sys/net/ipv4/ip_local_port_range");
    let (low, high) = ports.first().copied().zip(ports.get(1).copied()).unwrap_or(USUAL_PORTS);
    (high + 1).saturating_sub(low)
}

/// How many files all processes of this machine have open, and how many they may have.
pub fn open_files() -> UsedOf {
    let counts = numbers_in("/proc/sys/fs/file-nr");
    let (used, limit) = counts.first().zip(counts.get(2)).unwrap_or((&0, &u64::MAX));
    UsedOf { used: *used, limit: *limit }
}

/// How many connections the kernel tracks, and how many it can; `None` if it tracks none, as without a firewall.
pub fn tracked_connections() -> Option<UsedOf> {
    let number = |name: &str| numbers_in(&format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).first().copied();
    let used = number("count").filter(|used| *used > 0)?;
    Some(UsedOf { used, limit: number("max")? })
}

/// The numbers in a file; none if the system has no such file.
fn numbers_in(path: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// TCP segments that were sent again since the machine started.
fn retransmitted_segments() -> u64 {
    let snmp = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let names = lines.next().unwrap_or_default().split_whitespace();
    let values = lines.next().unwrap_or_default().split_whitespace();
    names.zip(values).find(|(name, _)| *name == "RetransSegs").and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_about_itself() {
        let host = host_info();
        assert!(host.cpus > 0 && host.memory_bytes > 0 && host.system.starts_with("Linux "), "{host:?}");
        let (used, limit) = descriptors();
        assert!(used > 2 && limit >= used);
        assert!(port_range() > 1000 && free_memory().is_some());
        assert!(open_files().limit > open_files().used && open_files().used > 0);
    }

    #[test]
    fn the_idle_share_is_of_the_time_between() {
        let times = |idle, all| MachineTimes { idle, all, retransmitted_segments: 0 };
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        assert_eq!(percent(times(150, 400).idle_share_since(&times(100, 200))), "25");
        assert_eq!(percent(times(1, 1).idle_share_since(&times(1, 1))), "100");
    }
}
