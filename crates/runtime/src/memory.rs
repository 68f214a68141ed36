//! How much memory the process may use: what its cgroup allows. sled reads the limit of cgroup v1 alone,
//! so its cache is sized here.

use std::fs;
use std::path::Path;

/// Bytes that the cgroup of this process, or one above it, allows; None where none sets a limit.
pub fn limit_bytes() -> Option<u64> {
    let of_self = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_below(Path::new("/sys/fs/cgroup"), &of_self)
}

/// cgroup v2: `0::/path`, and the least memory.max from there up. v1: one file for the memory controller.
fn limit_below(root: &Path, of_self: &str) -> Option<u64> {
    let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let path = of_self.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let v2 =
        root.join(path).ancestors().take_while(|f| f.starts_with(root)).filter_map(|f| read(f, "memory.max")).min();
    let v1 = read(&root.join("memory"), "memory.limit_in_bytes");
    // v1 says "no limit" by a number near 2^63.
    v2.or(v1).filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("pods/one");
        fs::create_dir_all(&inner).unwrap();
        let of_self = "0::/pods/one\n";
        assert_eq!(limit_below(root.path(), of_self), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_below(root.path(), of_self), None);
        fs::write(root.path().join("pods/memory.max"), "1073741824\n").unwrap();
        assert_eq!(limit_below(root.path(), of_self), Some(1 << 30));
        fs::write(inner.join("memory.max"), "536870912\n").unwrap();
        assert_eq!(limit_below(root.path(), of_self), Some(512 << 20));
        assert_eq!(limit_below(root.path(), "0::/\n"), None);
    }

    #[test]
    fn the_older_cgroup_says_no_limit_by_a_number() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("memory")).unwrap();
        let file = root.path().join("memory/memory.limit_in_bytes");
        fs::write(&file, "9223372036854771712\n").unwrap();
        assert_eq!(limit_below(root.path(), "5:memory:/x\n"), None);
        fs::write(&file, "1073741824\n").unwrap();
        assert_eq!(limit_below(root.path(), "5:memory:/x\n"), Some(1 << 30));
    }
}
