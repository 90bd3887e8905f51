//! What would run out in a run, before it does.

use std::fmt;

/// What a run needs of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreflightNeeds {
    /// How many pages are open at a time in each worker; all of them in a run without workers.
    pub pages: u64,
    /// How many workers there are on this machine; 1 in a run without.
    pub workers: u64,
    /// How many gateways of our own there are, with as many pages each; 0 if somebody else runs them.
    pub own_gateways: u64,
    /// How many pages connect to one address of a gateway, from one source address.
    pub pages_per_path: u64,
    /// How many descriptors a process may have open.
    pub descriptors: u64,
    /// How many source ports there are to one address, from one source address.
    pub ports: u64,
    /// The memory that is free on this machine, in bytes.
    pub memory: u64,
    /// How many files all processes of this machine have open, and how many they may have.
    pub open_files: UsedOf,
    /// How many connections the kernel tracks, and how many it can; `None` where it tracks none.
    pub tracked: Option<UsedOf>,
}

/// How much of something is used, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedOf {
    pub used: u64,
    pub limit: u64,
}

/// Something that would run out. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error(
        "{pages} pages need {needed} descriptors in this process, and its limit is {limit}; raise it (ulimit -n), or share them among more --workers"
    )]
    Descriptors { pages: u64, needed: u64, limit: u64 },
    #[error(
        "each gateway would hold {pages} pages and needs {needed} descriptors, and the limit is {limit}; raise it (ulimit -n), or use more --gateways"
    )]
    GatewayDescriptors { pages: u64, needed: u64, limit: u64 },
    #[error(
        "{needed} pages connect to one address from one source address, which has {limit} ports; use more --sources, or more gateways"
    )]
    Ports { needed: u64, limit: u64 },
    #[error(
        "{pages} pages need {needed} open files on this machine, and {left} are left; raise fs.file-max with sysctl"
    )]
    OpenFiles { pages: u64, needed: u64, left: u64 },
    #[error(
        "{pages} pages are as many connections, and the kernel can track {left} more (beyond that it drops packets); raise net.netfilter.nf_conntrack_max with sysctl, or exempt these connections from tracking"
    )]
    Tracked { pages: u64, left: u64 },
    #[error("{pages} pages need about {needed} MB on this machine, and {free} MB are free")]
    Memory { pages: u64, needed: u64, free: u64 },
}

/// What a process needs besides its pages: connections to callbacks and Redis, files, and what is just opening.
const BESIDES_PAGES: u64 = 600;
/// What a page takes in the generator, in a gateway of ours and in the kernel at both ends together, in bytes.
const BYTES_PER_PAGE: u64 = 16 * 1024;

/// What a page costs to open, in all processes of this machine together, in microseconds of a processor. As the next two it
/// is what a machine of 2026 took, so it says only whether a load is far from possible.
const CPU_US_PER_OPEN: f64 = 1000.0;
/// What a login costs, in microseconds.
const CPU_US_PER_LOGIN: f64 = 800.0;
/// What a page costs that waits, in microseconds a second.
const CPU_US_PER_WAITING_PAGE: f64 = 3.0;

/// Everything that would run out.
pub fn shortages(needs: PreflightNeeds) -> Vec<Shortage> {
    let PreflightNeeds { own_gateways, pages_per_path, descriptors, ports, memory, .. } = needs;
    let pages = needs.pages;
    let mut shortages = vec![];
    let needed = pages + BESIDES_PAGES;
    if needed > descriptors {
        shortages.push(Shortage::Descriptors { pages, needed, limit: descriptors });
    }
    if let Some(needed) = needs.descriptors_of_a_gateway().filter(|needed| *needed > descriptors) {
        let pages = needs.all_pages().div_ceil(own_gateways);
        shortages.push(Shortage::GatewayDescriptors { pages, needed, limit: descriptors });
    }
    if pages_per_path > ports {
        shortages.push(Shortage::Ports { needed: pages_per_path, limit: ports });
    }
    let pages = needs.all_pages();
    let (needed, left) = (needs.open_files_needed(), needs.open_files.left());
    if needed > left {
        shortages.push(Shortage::OpenFiles { pages, needed, left });
    }
    if let Some(left) = needs.tracked.map(UsedOf::left).filter(|left| pages > *left) {
        shortages.push(Shortage::Tracked { pages, left });
    }
    let bytes = needs.bytes();
    if bytes > memory {
        shortages.push(Shortage::Memory { pages, needed: bytes / 1_000_000, free: memory / 1_000_000 });
    }
    shortages
}

impl UsedOf {
    fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl PreflightNeeds {
    /// Each page is a file in the generator, and one in a gateway of ours.
    fn open_files_needed(self) -> u64 {
        self.all_pages() * if self.own_gateways > 0 { 2 } else { 1 }
    }

    fn all_pages(self) -> u64 {
        self.pages * self.workers
    }

    /// `None` if somebody else runs the gateways.
    fn descriptors_of_a_gateway(self) -> Option<u64> {
        (self.own_gateways > 0).then(|| self.all_pages().div_ceil(self.own_gateways) + BESIDES_PAGES)
    }

    fn bytes(self) -> u64 {
        self.all_pages() * BYTES_PER_PAGE
    }

    /// The fewest workers, or gateways, that have enough descriptors for all pages.
    fn fewest_processes(self) -> u64 {
        self.all_pages().div_ceil(self.descriptors.saturating_sub(BESIDES_PAGES).max(1))
    }
}

/// What a run needs and what there is, as a table for people.
#[derive(Debug, Clone, Copy)]
pub struct PreflightTable {
    pub needs: PreflightNeeds,
    /// Pages that open a second in the ramp, and logins a second at their peak.
    pub opens_per_second: f64,
    pub logins_per_second: f64,
    /// How many processors this machine has.
    pub cpus: u32,
}

impl PreflightTable {
    /// How many processors the ramp and the load take, by a rough estimate.
    fn cpus_needed(&self) -> [f64; 2] {
        let pages = u32::try_from(self.needs.all_pages()).map_or(f64::from(u32::MAX), f64::from);
        let waiting = pages * CPU_US_PER_WAITING_PAGE;
        [self.opens_per_second * CPU_US_PER_OPEN, self.logins_per_second * CPU_US_PER_LOGIN + waiting]
            .map(|us| us / 1e6)
    }
}

impl fmt::Display for PreflightTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = self.needs;
        let PreflightNeeds { pages, workers, own_gateways, pages_per_path, descriptors, ports, memory, .. } = needs;
        let mut line = |what: String, needed: String, has: String, enough: bool| {
            let verdict = if enough { "" } else { "  TOO LITTLE" };
            writeln!(f, "{what:<52} {needed:>10} {has:>10}{verdict}")
        };
        let gb =
            |bytes: u64| format!("{:.1} GB", f64::from(u32::try_from(bytes >> 20).unwrap_or(u32::MAX)) * 1.048_576e-3);
        line(format!("{} pages on this machine", needs.all_pages()), "needs".to_owned(), "has".to_owned(), true)?;
        let of = pages + BESIDES_PAGES;
        line(
            format!("descriptors in {}", of_each(workers, "generator")),
            of.to_string(),
            descriptors.to_string(),
            of <= descriptors,
        )?;
        if let Some(of) = needs.descriptors_of_a_gateway() {
            let what = format!("descriptors in {}", of_each(own_gateways, "gateway"));
            line(what, of.to_string(), descriptors.to_string(), of <= descriptors)?;
        }
        let fewest = needs.fewest_processes();
        if fewest > workers || (own_gateways > 0 && fewest > own_gateways) {
            line("  enough would be as many workers and gateways".to_owned(), fewest.to_string(), String::new(), true)?;
        }
        let what = "ports from a source address to an address".to_owned();
        line(what, pages_per_path.to_string(), ports.to_string(), pages_per_path <= ports)?;
        let (files, left) = (needs.open_files_needed(), needs.open_files.left());
        line("open files on this machine".to_owned(), files.to_string(), left.to_string(), files <= left)?;
        if let Some(left) = needs.tracked.map(UsedOf::left) {
            let pages = needs.all_pages();
            let what = "connections that the kernel tracks".to_owned();
            line(what, pages.to_string(), left.to_string(), pages <= left)?;
        }
        let what = format!("memory, about {} KB a page at both ends", BYTES_PER_PAGE / 1024);
        line(what, gb(needs.bytes()), gb(memory), needs.bytes() <= memory)?;
        let cpus = f64::from(self.cpus);
        for (what, needed) in ["opens", "logins and waiting pages"].into_iter().zip(self.cpus_needed()) {
            let what = format!("processors for {what}, roughly");
            line(what, format!("{needed:.1}"), self.cpus.to_string(), needed <= cpus)?;
        }
        Ok(())
    }
}

fn of_each(count: u64, what: &str) -> String {
    if count == 1 { format!("the {what}") } else { format!("each of {count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: PreflightNeeds = PreflightNeeds {
        pages: 19_000,
        workers: 1,
        own_gateways: 1,
        pages_per_path: 1_200,
        descriptors: 20_000,
        ports: 28_232,
        memory: 1_000_000_000,
        open_files: UsedOf { used: 5_000, limit: 2_400_000 },
        tracked: None,
    };

    fn said(needs: PreflightNeeds) -> Vec<String> {
        shortages(needs).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nineteen_thousand_pages_fit_into_twenty_thousand_descriptors() {
        assert_eq!(shortages(ENOUGH), []);
    }

    /// The lines of the table of this run that say that there is too little.
    fn too_little(pages: u32, processes: u32, memory: u64) -> (String, usize) {
        let pages = u64::from(pages).div_ceil(processes.into());
        let processes = processes.into();
        let needs = PreflightNeeds { pages, workers: processes, own_gateways: processes, memory, ..ENOUGH };
        let table = PreflightTable { needs, opens_per_second: 1000.0, logins_per_second: 500.0, cpus: 2 }.to_string();
        let count = table.matches("TOO LITTLE").count();
        (table, count)
    }

    #[test]
    fn a_table_says_what_a_large_run_needs_also_one_of_a_million_pages() {
        let (fits, none) = too_little(190_000, 11, 20_000_000_000);
        assert_eq!(none, 0, "{fits}");
        assert!(fits.contains("190003 pages") && fits.contains("17873") && fits.contains("3.1 GB"), "{fits}");
        let (few, short) = too_little(1_000_000, 10, 20_000_000_000);
        assert_eq!(short, 3, "{few}");
        let enough = few.lines().find(|line| line.contains("enough would be")).unwrap();
        assert!(enough.trim_end().ends_with("52"), "{enough}");
        // A million pages that wait take more than two processors.
        let (million, short) = too_little(1_000_000, 54, 12_000_000_000);
        assert_eq!(short, 2, "{million}");
        assert!(million.contains("16.4 GB") && million.contains("3.4          2  TOO LITTLE"), "{million}");
    }

    #[test]
    fn what_would_run_out_is_said_with_what_to_do() {
        let many = said(PreflightNeeds { pages: 25_000, own_gateways: 2, ..ENOUGH });
        assert_eq!(many.len(), 1);
        assert!(many[0].contains("25600 descriptors") && many[0].contains("limit is 20000"), "{many:?}");
        let one = said(PreflightNeeds { pages: 19_500, ..ENOUGH });
        assert!(one.len() == 2 && one[1].contains("more --gateways"), "{one:?}");
        let ports = said(PreflightNeeds { pages_per_path: 28_233, ..ENOUGH });
        assert!(ports[0].contains("28232 ports") && ports[0].contains("--sources"), "{ports:?}");
        let files = said(PreflightNeeds { open_files: UsedOf { used: 10, limit: 38_009 }, ..ENOUGH });
        assert!(files[0].contains("38000 open files") && files[0].contains("37999 are left"), "{files:?}");
        let elsewhere = PreflightNeeds { own_gateways: 0, open_files: UsedOf { used: 10, limit: 19_010 }, ..ENOUGH };
        assert_eq!(shortages(elsewhere), []);
        let tracked = said(PreflightNeeds { tracked: Some(UsedOf { used: 2, limit: 19_001 }), ..ENOUGH });
        assert!(tracked[0].contains("can track 18999 more") && tracked[0].contains("nf_conntrack_max"), "{tracked:?}");
        let memory = said(PreflightNeeds { memory: 100_000_000, ..ENOUGH });
        assert!(memory[0].contains("311 MB") && memory[0].contains("100 MB are free"), "{memory:?}");
    }
}
