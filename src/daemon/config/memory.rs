//! How much memory this process may use: what its cgroup grants, else a share of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::units::{ByteSize, MemoryLimit};

/// What the machine and the cgroups around this process grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// The smallest limit of the cgroups that the process is in.
    pub cgroup: Option<ByteSize>,
    /// The memory of the machine, where it can be read.
    pub machine: Option<ByteSize>,
}

/// Share of a cgroup's limit that is taken by default: the rest is for the allocator's slack and
/// the page cache of what is being written.
const CGROUP_SHARE_PERCENT: u64 = 80;
/// Share of a machine that is taken by default where nothing limits the process.
const MACHINE_SHARE_PERCENT: u64 = 25;
/// Taken where not even the size of the machine can be read.
const FALLBACK: ByteSize = ByteSize::mib(512);

impl HostMemory {
    /// Reads `/proc` and `/sys/fs/cgroup`; what cannot be read counts as not there.
    pub fn read() -> Self {
        Self::read_under(Path::new("/"))
    }

    fn read_under(root: &Path) -> Self {
        let machine = machine_memory(root);
        let membership = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let limits = membership.lines().filter_map(memory_group);
        let cgroup = limits.flat_map(|group| group.limits(root)).min();
        // cgroup v1 writes "no limit" as a number larger than any machine.
        let cgroup = cgroup.filter(|limit| machine.is_none_or(|machine| *limit <= machine));
        Self { cgroup, machine }
    }

    /// The limit in bytes that `setting` comes to on this host.
    pub fn resolve(&self, setting: MemoryLimit) -> ByteSize {
        let share = |of: ByteSize, percent: u64| ByteSize::bytes(of.as_bytes() / 100 * percent);
        match (setting, self.cgroup, self.machine) {
            (MemoryLimit::Bytes(bytes), _, _) => bytes,
            (MemoryLimit::Auto, Some(cgroup), _) => share(cgroup, CGROUP_SHARE_PERCENT),
            (MemoryLimit::Auto, None, Some(machine)) => share(machine, MACHINE_SHARE_PERCENT),
            (MemoryLimit::Percent(percent), Some(of), _) => share(of, percent.into()),
            (MemoryLimit::Percent(percent), None, Some(of)) => share(of, percent.into()),
            (MemoryLimit::Auto | MemoryLimit::Percent(_), None, None) => FALLBACK,
        }
    }
}

/// One line of `/proc/self/cgroup` that has a say about memory.
struct MemoryGroup {
    mount: &'static str,
    file: &'static str,
    path: PathBuf,
}

fn memory_group(line: &str) -> Option<MemoryGroup> {
    let mut parts = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let path = PathBuf::from(path.trim_start_matches('/'));
    if hierarchy == "0" && controllers.is_empty() {
        return Some(MemoryGroup {
            mount: "sys/fs/cgroup",
            file: "memory.max",
            path,
        });
    }
    let (mount, file) = ("sys/fs/cgroup/memory", "memory.limit_in_bytes");
    controllers
        .split(',')
        .any(|name| name == "memory")
        .then_some(MemoryGroup { mount, file, path })
}

impl MemoryGroup {
    /// The limits of the group and of all around it: each of them binds. Inside a container the
    /// path may be the host's and lead nowhere; then only the mount's own file is there.
    fn limits(&self, root: &Path) -> Vec<ByteSize> {
        let mount = root.join(self.mount);
        let files = self
            .path
            .ancestors()
            .map(|group| mount.join(group).join(self.file));
        let texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts
            .filter_map(|text| text.trim().parse().ok().map(ByteSize::bytes))
            .collect()
    }
}

fn machine_memory(root: &Path) -> Option<ByteSize> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(ByteSize::kib(kib))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> HostMemory {
        let root = tempfile::tempdir().unwrap();
        let meminfo = (
            "proc/meminfo",
            "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
        );
        for (path, text) in files.iter().chain([&meminfo]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        HostMemory::read_under(root.path())
    }

    #[test]
    fn the_tightest_of_nested_groups_binds() {
        let host = host(&[
            ("proc/self/cgroup", "0::/kubepods/pod1/box\n"),
            ("sys/fs/cgroup/kubepods/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/kubepods/pod1/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/kubepods/pod1/box/memory.max", "max\n"),
        ]);
        assert_eq!(host.cgroup, Some(ByteSize::mib(1024)));
        assert_eq!(host.resolve(MemoryLimit::Auto).as_bytes(), 858_993_440);
        assert_eq!(
            host.resolve(MemoryLimit::Percent(50)).as_bytes(),
            536_870_900
        );
        assert_eq!(
            host.resolve(MemoryLimit::Bytes(ByteSize::mib(1))),
            ByteSize::mib(1)
        );
    }

    #[test]
    fn a_container_that_sees_the_path_of_its_host_still_finds_its_limit() {
        let own_mount = host(&[
            ("proc/self/cgroup", "0::/system.slice/docker-1f.scope\n"),
            ("sys/fs/cgroup/memory.max", "536870912\n"),
        ]);
        assert_eq!(own_mount.cgroup, Some(ByteSize::mib(512)));
    }

    #[test]
    fn the_older_hierarchy_counts_too_and_its_no_limit_is_none() {
        let line = "9:cpu,cpuacct:/a\n4:memory:/docker/1f\n";
        let file = "sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes";
        let limited = host(&[("proc/self/cgroup", line), (file, "268435456\n")]);
        assert_eq!(limited.cgroup, Some(ByteSize::mib(256)));
        let free = host(&[("proc/self/cgroup", line), (file, "9223372036854771712\n")]);
        assert_eq!(free.cgroup, None);
    }

    #[test]
    fn without_a_limit_a_quarter_of_the_machine_is_taken() {
        let host = host(&[("proc/self/cgroup", "0::/\n")]);
        assert_eq!(host.cgroup, None);
        assert_eq!(
            host.resolve(MemoryLimit::Auto).as_bytes(),
            (16 << 30) / 100 * 25
        );
    }
}
