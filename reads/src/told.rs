//! Reads of TCP by which the kernel tells what they leave.

use libc::{c_int, c_void, cmsghdr, iovec, msghdr, ssize_t};

/// Room for one number of the kernel's, aligned as its header.
#[repr(C)]
struct Control {
    header: cmsghdr,
    value: [u8; 16],
}

/// Whether it does so from now on: it must be TCP, whose reads do not block.
pub fn is_told(socket: c_int) -> bool {
    let wanted: c_int = 1;
    // SAFETY: asks and tells of a descriptor what its kind allows; `errno` is put back, since nobody asked for this.
    unsafe {
        let before = *libc::__errno_location();
        let flags = libc::fcntl(socket, libc::F_GETFL);
        let is_told = flags >= 0
            && flags & libc::O_NONBLOCK != 0
            && libc::setsockopt(
                socket,
                libc::IPPROTO_TCP,
                libc::TCP_INQ,
                (&raw const wanted).cast(),
                size_of::<c_int>() as libc::socklen_t,
            ) == 0;
        *libc::__errno_location() = before;
        is_told
    }
}

/// What `readv(2)` gives, and how many bytes are left to be read, or more than none where the end is. None if it was
/// not told.
///
/// # Safety
///
/// As for `readv(2)`.
pub unsafe fn read(socket: c_int, parts: *const iovec, count: usize) -> (ssize_t, Option<c_int>) {
    // SAFETY: both are numbers and pointers that may be null.
    let (mut control, mut message): (Control, msghdr) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    message.msg_iov = parts.cast_mut();
    message.msg_iovlen = count as _;
    message.msg_control = (&raw mut control).cast::<c_void>();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the caller's parts; the control is as long as it is said to be.
    let read = unsafe { libc::syscall(libc::SYS_recvmsg, socket, &raw mut message, 0) as ssize_t };
    let is_told = read >= 0
        && message.msg_controllen >= size_of::<cmsghdr>() + size_of::<c_int>()
        && control.header.cmsg_level == libc::IPPROTO_TCP
        && control.header.cmsg_type == libc::TCP_CM_INQ;
    let [a, b, c, d, ..] = control.value;
    (read, is_told.then_some(c_int::from_ne_bytes([a, b, c, d])))
}
