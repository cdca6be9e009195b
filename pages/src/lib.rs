//! Preloaded into Envoy, which the dynamic linker then has call this `mmap`: what its allocator takes from the kernel is
//! on huge pages. Where the kernel gives these only to who asks (`madvise`), Envoy does not ask. On request its text is
//! too (`program`).
//!
//! Runs within the allocator, before anything else: nothing here may allocate, read the environment or panic.

#![allow(unsafe_code)]

mod program;

use libc::{MAP_ANONYMOUS, MAP_FAILED, c_int, c_void, off_t, size_t};

/// Of x86-64, and of arm64 with pages of 4 KiB. What is smaller could not hold one, as stacks of few threads do.
const HUGE_PAGE: size_t = 2 * 1024 * 1024;
/// Thread stacks are below it; the allocator takes a gigabyte of addresses at once.
const LEAST: size_t = 32 * HUGE_PAGE;

/// As `mmap(2)`.
///
/// # Safety
///
/// As for `mmap(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: the caller's own call.
    let mapped = unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, file, offset) };
    let mapped = mapped as *mut c_void;
    if mapped != MAP_FAILED && flags & MAP_ANONYMOUS != 0 && length >= LEAST {
        advise(mapped, length);
    }
    mapped
}

/// As `mmap`: on 64 bits they are one.
///
/// # Safety
///
/// As for `mmap(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: the caller's own call.
    unsafe { mmap(address, length, protection, flags, file, offset) }
}

/// Nobody has to hear that the kernel would not. The advice stays with the addresses, whatever may be done there later.
fn advise(mapped: *mut c_void, length: size_t) {
    // SAFETY: `errno` is this thread's; the range has just been mapped.
    unsafe {
        let before = *libc::__errno_location();
        libc::syscall(libc::SYS_madvise, mapped, length, libc::MADV_HUGEPAGE);
        *libc::__errno_location() = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whether the mapping that begins there has been advised; `hg` among its flags.
    fn is_advised(start: *mut c_void) -> bool {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let begin = format!("{:x}-", start as usize);
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&begin));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap_or_default();
        flags.split_whitespace().any(|flag| flag == "hg")
    }

    fn map(length: size_t) -> *mut c_void {
        let private = libc::MAP_PRIVATE | MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, that nothing else knows.
        unsafe { mmap64(std::ptr::null_mut(), length, libc::PROT_NONE, private, -1, 0) }
    }

    #[test]
    fn large_mappings_are_advised_and_stay_so() {
        let mapped = map(LEAST);
        // SAFETY: the mapping above.
        unsafe { assert_eq!(libc::mprotect(mapped, HUGE_PAGE, libc::PROT_READ | libc::PROT_WRITE), 0) };
        assert!(is_advised(mapped));
    }

    #[test]
    fn small_ones_are_not() {
        assert!(!is_advised(map(LEAST - 4096)));
    }

    #[test]
    fn a_refusal_is_the_callers() {
        // SAFETY: maps nothing.
        let mapped = unsafe { mmap(std::ptr::null_mut(), 0, 0, MAP_ANONYMOUS, -1, 0) };
        assert_eq!(mapped, MAP_FAILED);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
    }
}
