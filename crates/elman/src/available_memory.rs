//! The memory this process can still take, compared with what is about to be allocated. Not here: estimates of what a run
//! takes (`train/memory.rs`).

use std::fs;

use crate::error::Error;

/// Bytes of which the system is not asked.
const FEW: usize = 1 << 20;

/// Errors: `bytes` are more than there is, as far as the system tells.
pub(crate) fn needs(bytes: usize) -> Result<(), Error> {
    if bytes <= FEW {
        return Ok(());
    }
    let refuse = |left: Option<u64>| Error::Memory { bytes, left };
    if let Some(left) = left().filter(|&left| left < bytes as u64) {
        return Err(refuse(Some(left)));
    }
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(bytes).map_err(|_| refuse(None))
}

/// Bytes this process can still take: the least of what the machine, its control group and its own limits leave. None
/// where the system does not tell.
fn left() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let status = read("/proc/self/status").unwrap_or_default();
    let limits = read("/proc/self/limits").unwrap_or_default();
    let machine = read("/proc/meminfo").and_then(|text| {
        Some(kilobytes(&text, "MemAvailable:")?.saturating_add(kilobytes(&text, "SwapFree:").unwrap_or(0)))
    });
    let limit = |name: &str, used: &str| Some(soft_limit(&limits, name)?.saturating_sub(kilobytes(&status, used)?));
    let group = read("/proc/self/cgroup").and_then(|groups| group_left(&groups, |path| read(path)));
    let own = [limit("Max address space", "VmSize:"), limit("Max data size", "VmData:")];
    [machine, group].into_iter().chain(own).flatten().min()
}

/// A line `NAME   12 kB` in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit in a line of `/proc/self/limits`; None where there is none.
fn soft_limit(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// What the control groups of `/proc/self/cgroup`, and all above them, leave: of version 2, whose one line is `0::PATH`,
/// and of version 1's memory controller, `N:memory:PATH`. `read` reads a file.
fn group_left(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |path: String| read(&path)?.trim().parse::<u64>().ok();
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, limit, used) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            let of = |name: &str| number(format!("{root}{path}/{name}"));
            if let Some(limit) = of(limit) {
                let left = limit.saturating_sub(of(used).unwrap_or(0));
                least = Some(least.map_or(left, |least: u64| least.min(left)));
            }
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_least_that_any_limit_leaves() {
        let files = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/a/b/memory.max" => "max\n",
                "/sys/fs/cgroup/a/memory.max" => "1000\n",
                "/sys/fs/cgroup/a/memory.current" => "300\n",
                "/sys/fs/cgroup/memory.max" => "5000\n",
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes" => "900\n",
                "/sys/fs/cgroup/memory/x/memory.usage_in_bytes" => "1000\n",
                _ => return None,
            };
            Some(text.to_string())
        };
        assert_eq!(group_left("0::/a/b\n", files), Some(700));
        assert_eq!(group_left("0::/\n", files), Some(5000));
        assert_eq!(group_left("4:memory:/x\n3:cpu:/x\n", files), Some(0));
        assert_eq!(group_left("nonsense\n\n0::/z", |_| None), None);
        assert_eq!(kilobytes("VmSize:\t  12 kB\nMemAvailable:    7 kB\n", "MemAvailable:"), Some(7168));
        let limits = "Max data size             unlimited            unlimited            bytes\n\
                      Max address space         536870912            unlimited            bytes\n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(536_870_912));
        assert_eq!(soft_limit(limits, "Max data size"), None);
    }
}
