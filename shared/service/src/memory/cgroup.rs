//! The memory limit of the process's control group: of version 1, of version 2, or of both side by side.
//!
//! ```text
//!  /proc/self/cgroup      which group of a hierarchy is the process's      4:memory:/kubepods/pod1/box
//!  /proc/self/mountinfo   where the hierarchy is mounted, and which part   … /kubepods /sys/fs/cgroup/memory … cgroup …
//!                                                              ▼
//!  /sys/fs/cgroup/memory/pod1/box/memory.limit_in_bytes  and the same of each group above it: the lowest holds
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use procfs::{
    FromRead, ProcResult, ProcessCGroup, ProcessCGroups,
    process::{MountInfo, MountInfos},
};

/// The controller of version 1, and an option of its mount.
const MEMORY: &str = "memory";
/// The files with limits of version 1. A group without a limit has a number near the largest.
const FILES_V1: &[&str] = &["memory.limit_in_bytes"];
/// The files with limits of version 2: beyond the first a process is killed, beyond the second it hardly runs. A group
/// without a limit says "max".
const FILES_V2: &[&str] = &["memory.max", "memory.high"];
/// What no machine has. Version 1 says "no limit" by the largest number of whole pages.
const UNLIMITED: u64 = 1 << 60;

/// The lowest memory limit of the process's groups, in bytes. `None` if there is none, or if it can't be read.
pub(super) fn memory_limit() -> Option<u64> {
    match read_groups() {
        Ok((groups, mounts)) => lowest_limit(&groups, &mounts),
        Err(error) => {
            tracing::warn!(
                %error,
                "can't read whether the process has a memory limit, so limits.connections isn't compared with it"
            );
            None
        }
    }
}

fn read_groups() -> ProcResult<(ProcessCGroups, MountInfos)> {
    Ok((ProcessCGroups::from_file("/proc/self/cgroup")?, MountInfos::from_file("/proc/self/mountinfo")?))
}

fn lowest_limit(groups: &ProcessCGroups, mounts: &MountInfos) -> Option<u64> {
    let limits = mounts.0.iter().filter_map(|mount| {
        let (group, files) = group_at(mount, groups)?;
        lowest_limit_at(mount, &group.pathname, files)
    });
    limits.min()
}

/// The process's group in the hierarchy that is mounted here, and the names of its files with limits; `None` if this is no
/// hierarchy of memory.
fn group_at<'a>(mount: &MountInfo, groups: &'a ProcessCGroups) -> Option<(&'a ProcessCGroup, &'static [&'static str])> {
    let mut groups = groups.0.iter();
    match mount.fs_type.as_str() {
        "cgroup" if mount.super_options.contains_key(MEMORY) => {
            let group = groups.find(|group| group.controllers.iter().any(|controller| controller == MEMORY))?;
            Some((group, FILES_V1))
        }
        "cgroup2" => Some((groups.find(|group| group.hierarchy == 0)?, FILES_V2)),
        _ => None,
    }
}

/// The lowest limit of the group and of all above it that this mount shows.
fn lowest_limit_at(mount: &MountInfo, group: &str, files: &[&str]) -> Option<u64> {
    let directory = directory_of(mount, group);
    let shown = directory.ancestors().take_while(|above| above.starts_with(&mount.mount_point));
    shown.flat_map(|above| files.iter().filter_map(move |file| limit_in(&above.join(file)))).min()
}

/// Where the files of a group are. A mount may show only a part of the hierarchy, as in a container: then the group is in
/// that part, or is its root under another name.
fn directory_of(mount: &MountInfo, group: &str) -> PathBuf {
    let below = Path::new(group).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    mount.mount_point.join(below)
}

fn limit_in(file: &Path) -> Option<u64> {
    let limit = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(limit)
}

#[cfg(test)]
mod tests {
    use procfs::FromBufRead;
    use tempfile::TempDir;

    use super::*;

    /// The limit of a process with this `/proc/self/cgroup`. Each mount is its point below a new directory, the part of the
    /// hierarchy that it shows, its type and its options; each file its path there and its content.
    fn limit(groups: &str, mounts: &[(&str, &str, &str, &str)], files: &[(&str, &str)]) -> Option<u64> {
        let directory = TempDir::new().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let at = directory.path().display();
        let line = |(point, root, kind, options): &(&str, &str, &str, &str)| {
            format!("35 31 0:32 {root} {at}/{point} ro,nosuid - {kind} {kind} rw{options}\n")
        };
        let mounts: String = mounts.iter().map(line).collect();
        let groups = ProcessCGroups::from_buf_read(groups.as_bytes()).unwrap();
        lowest_limit(&groups, &MountInfos::from_buf_read(mounts.as_bytes()).unwrap())
    }

    const V1: (&str, &str, &str, &str) = ("memory", "/", "cgroup", ",memory");
    const V2: (&str, &str, &str, &str) = ("unified", "/", "cgroup2", "");

    #[test]
    fn version_2_has_its_limit_in_memory_max() {
        let at = |files| limit("0::/pod/box\n", &[V2], files);
        assert_eq!(at(&[("unified/pod/box/memory.max", "268435456\n")]), Some(268_435_456));
        assert_eq!(at(&[("unified/pod/box/memory.max", "max\n")]), None);
        assert_eq!(
            at(&[("unified/pod/box/memory.max", "max\n"), ("unified/pod/memory.max", "5\n")]),
            Some(5),
            "that of the whole pod"
        );
        assert_eq!(
            at(&[("unified/pod/box/memory.max", "9\n"), ("unified/pod/box/memory.high", "7\n")]),
            Some(7),
            "beyond it the process hardly runs"
        );
        assert_eq!(at(&[("unified/other/memory.max", "5\n")]), None, "another's");
    }

    #[test]
    fn version_1_has_its_limit_in_memory_limit_in_bytes() {
        let at = |files| limit("4:cpu:/else\n3:name=systemd:/x\n2:hugetlb,memory:/pod/box\n0::/\n", &[V2, V1], files);
        assert_eq!(at(&[("memory/pod/box/memory.limit_in_bytes", "268435456\n")]), Some(268_435_456));
        assert_eq!(at(&[("memory/pod/box/memory.limit_in_bytes", "9223372036854771712\n")]), None);
        assert_eq!(
            at(&[("memory/pod/box/memory.limit_in_bytes", "9\n"), ("memory/memory.limit_in_bytes", "5\n")]),
            Some(5)
        );
        assert_eq!(
            limit("2:memory:/\n", &[("cpu", "/", "cgroup", ",cpu")], &[("cpu/memory.limit_in_bytes", "5")]),
            None,
            "no hierarchy of memory"
        );
    }

    #[test]
    fn in_a_container_the_group_is_the_root_of_what_is_mounted() {
        let container = ("memory", "/docker/1", "cgroup", ",memory");
        for group in ["/docker/1", "/", "/../2"] {
            let groups = format!("2:memory:{group}\n");
            assert_eq!(limit(&groups, &[container], &[("memory/memory.limit_in_bytes", "5\n")]), Some(5), "{group}");
        }
        let files = [("memory/init/memory.limit_in_bytes", "4\n"), ("memory/memory.limit_in_bytes", "5\n")];
        assert_eq!(limit("2:memory:/docker/1/init\n", &[container], &files), Some(4), "a group that it made itself");
    }

    #[test]
    fn what_can_not_be_read_is_no_limit() {
        for content in ["", "lots\n", "-1\n", "99999999999999999999\n"] {
            assert_eq!(limit("0::/\n", &[V2], &[("unified/memory.max", content)]), None, "{content}");
        }
        assert_eq!(limit("", &[V1, V2], &[]), None);
        assert_eq!(limit("0::/\n", &[], &[]), None);
    }

    #[test]
    fn this_process_has_groups_that_can_be_read() {
        read_groups().unwrap();
    }
}
