//! Preloaded into Envoy, which the dynamic linker then has call these functions in place of the C library's. Envoy reads
//! each socket until nothing is left, so that every second read finds nothing. The kernel tells with each read of TCP
//! what it leaves (`TCP_INQ`, tcp(7)); where that is nothing, the next read is answered here.
//!
//! Nothing is missed by that. What comes later, data, the end or an error, makes epoll report the socket once more, and
//! what epoll reports is read (`sockets`).
//!
//! As in the C library, nothing here allocates or panics, and `errno` is left alone but to tell of an error.

#![allow(unsafe_code)]

mod sockets;
mod told;

use libc::{c_int, c_void, epoll_event, iovec, size_t, ssize_t};

/// As `readv(2)`.
///
/// # Safety
///
/// As for `readv(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readv(socket: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's own call.
    let plain = || unsafe { libc::syscall(libc::SYS_readv, socket, parts, count) as ssize_t };
    match usize::try_from(count) {
        // SAFETY: as many parts as the caller says.
        Ok(count) => unsafe { read(socket, parts, count, plain) },
        Err(_) => plain(),
    }
}

/// As `recv(2)`.
///
/// # Safety
///
/// As for `recv(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recv(socket: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    let nobody = std::ptr::null_mut::<c_void>();
    // SAFETY: the caller's own call.
    let plain =
        || unsafe { libc::syscall(libc::SYS_recvfrom, socket, buffer, length, flags, nobody, nobody) as ssize_t };
    if flags != 0 {
        return plain();
    }
    let whole = iovec { iov_base: buffer, iov_len: length };
    // SAFETY: the one part.
    unsafe { read(socket, &raw const whole, 1, plain) }
}

/// As `epoll_ctl(2)`.
///
/// # Safety
///
/// As for `epoll_ctl(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_ctl(poll: c_int, operation: c_int, socket: c_int, event: *mut epoll_event) -> c_int {
    // SAFETY: of `EPOLL_CTL_DEL` it may be null, of the others the caller's own.
    let data = unsafe { event.as_ref() }.map(|event| event.u64);
    sockets::registered(socket, operation, data);
    // SAFETY: the caller's own call.
    unsafe { libc::syscall(libc::SYS_epoll_ctl, poll, operation, socket, event) as c_int }
}

/// As `epoll_wait(2)`.
///
/// # Safety
///
/// As for `epoll_wait(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_wait(poll: c_int, events: *mut epoll_event, most: c_int, timeout: c_int) -> c_int {
    let no_mask = std::ptr::null::<c_void>();
    // SAFETY: the caller's own call.
    let count = unsafe { libc::syscall(libc::SYS_epoll_pwait, poll, events, most, timeout, no_mask, 8_usize) as c_int };
    for place in 0..usize::try_from(count).unwrap_or_default() {
        // SAFETY: the kernel has written so many.
        let event = unsafe { events.add(place).read_unaligned() };
        sockets::reported(event.u64, event.events);
    }
    count
}

/// As `close(2)`.
///
/// # Safety
///
/// As for `close(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(file: c_int) -> c_int {
    sockets::closed(file);
    // SAFETY: the caller's own call.
    unsafe { libc::syscall(libc::SYS_close, file) as c_int }
}

/// # Safety
///
/// As for `readv(2)`; `plain` is that.
unsafe fn read(socket: c_int, parts: *const iovec, count: usize, plain: impl FnOnce() -> ssize_t) -> ssize_t {
    match sockets::way_of(socket) {
        sockets::Way::Plain => plain(),
        sockets::Way::NothingThere => {
            // SAFETY: this thread's.
            unsafe { *libc::__errno_location() = libc::EAGAIN };
            -1
        }
        sockets::Way::Told => {
            // SAFETY: the caller's own parts.
            let (read, left) = unsafe { told::read(socket, parts, count) };
            if read > 0 && left == Some(0) {
                sockets::emptied(socket);
            }
            read
        }
    }
}

#[cfg(test)]
mod tests;
