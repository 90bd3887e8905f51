//! What would run out in a run, before it does.

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
    #[error("{pages} pages need about {needed} MB on this machine, and {free} MB are free")]
    Memory { pages: u64, needed: u64, free: u64 },
}

/// What a process needs besides its pages: connections to callbacks and Redis, files, and what is just opening.
const BESIDES_PAGES: u64 = 600;
/// What a page takes in the generator, in a gateway of ours and in the kernel at both ends together, in bytes.
const BYTES_PER_PAGE: u64 = 16 * 1024;

/// Everything that would run out.
pub fn shortages(needs: PreflightNeeds) -> Vec<Shortage> {
    let PreflightNeeds { pages, workers, own_gateways, pages_per_path, descriptors, ports, memory } = needs;
    let mut shortages = vec![];
    let needed = pages + BESIDES_PAGES;
    if needed > descriptors {
        shortages.push(Shortage::Descriptors { pages, needed, limit: descriptors });
    }
    if own_gateways > 0 {
        let pages = (pages * workers).div_ceil(own_gateways);
        let needed = pages + BESIDES_PAGES;
        if needed > descriptors {
            shortages.push(Shortage::GatewayDescriptors { pages, needed, limit: descriptors });
        }
    }
    if pages_per_path > ports {
        shortages.push(Shortage::Ports { needed: pages_per_path, limit: ports });
    }
    let pages = pages * workers;
    let bytes = pages * BYTES_PER_PAGE;
    if bytes > memory {
        shortages.push(Shortage::Memory { pages, needed: bytes / 1_000_000, free: memory / 1_000_000 });
    }
    shortages
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
    };

    fn said(needs: PreflightNeeds) -> Vec<String> {
        shortages(needs).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nineteen_thousand_pages_fit_into_twenty_thousand_descriptors() {
        assert_eq!(shortages(ENOUGH), []);
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
        let memory = said(PreflightNeeds { memory: 100_000_000, ..ENOUGH });
        assert!(memory[0].contains("311 MB") && memory[0].contains("100 MB are free"), "{memory:?}");
    }
}
