//! On real sockets: a reader as Envoy is one, whom epoll tells once of what comes, and who reads until nothing is left.

use libc::{EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLIN, EPOLLOUT, c_int, epoll_event, iovec};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::{mem, ptr, thread};

fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    let (server, _) = listener.accept()?;
    server.set_nonblocking(true)?;
    Ok((client, server))
}

struct Poll(OwnedFd);

impl Poll {
    /// Which knows of the socket.
    fn of(socket: &impl AsRawFd) -> Result<Self> {
        // SAFETY: a new descriptor, or -1, of which there is none.
        let file = unsafe { libc::epoll_create1(0) };
        assert!(file >= 0);
        // SAFETY: it is ours.
        let poll = Self(unsafe { OwnedFd::from_raw_fd(file) });
        poll.control(EPOLL_CTL_ADD, socket)?;
        Ok(poll)
    }

    fn control(&self, operation: c_int, socket: &impl AsRawFd) -> Result<()> {
        self.control_by(operation, socket, socket.as_raw_fd() as u64)
    }

    fn control_by(&self, operation: c_int, socket: &impl AsRawFd, data: u64) -> Result<()> {
        let mut event = epoll_event { events: (EPOLLIN | EPOLLOUT | EPOLLET) as u32, u64: data };
        // SAFETY: open descriptors and an event.
        let done = unsafe { super::epoll_ctl(self.0.as_raw_fd(), operation, socket.as_raw_fd(), &raw mut event) };
        if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    }

    /// Waits until it may be read.
    fn wait(&self) {
        let mut events: [epoll_event; 4] = [epoll_event { events: 0, u64: 0 }; 4];
        loop {
            // SAFETY: room for four.
            let count = unsafe { super::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 4, 10_000) };
            assert!(count > 0, "nothing was reported in ten seconds");
            let first = events[0].events;
            if first & EPOLLIN as u32 != 0 {
                return;
            }
        }
    }
}

/// In two parts, as Envoy reads in several.
fn read(socket: &impl AsRawFd, most: usize) -> Result<Vec<u8>> {
    let (mut one, mut two) = (vec![0_u8; most / 2], vec![0_u8; most - most / 2]);
    let parts = [&mut one, &mut two].map(|part| iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() });
    // SAFETY: two parts.
    let read = unsafe { super::readv(socket.as_raw_fd(), parts.as_ptr(), 2) };
    let length = usize::try_from(read).map_err(|_| Error::last_os_error())?;
    one.append(&mut two);
    one.truncate(length);
    Ok(one)
}

fn received(socket: &impl AsRawFd, flags: c_int) -> Result<Vec<u8>> {
    let mut found = vec![0_u8; 100];
    // SAFETY: as long as it says.
    let read = unsafe { super::recv(socket.as_raw_fd(), found.as_mut_ptr().cast(), found.len(), flags) };
    found.truncate(usize::try_from(read).map_err(|_| Error::last_os_error())?);
    Ok(found)
}

fn finds_nothing(found: &Result<Vec<u8>>) -> bool {
    found.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Until so many bytes could be read.
fn arrive(socket: &impl AsRawFd, wanted: c_int) {
    let mut there: c_int = 0;
    while there < wanted {
        thread::yield_now();
        // SAFETY: writes a number.
        assert_eq!(unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut there) }, 0);
    }
}

/// Whether a read is answered without the kernel: it finds nothing though something is there.
fn is_answered_here(socket: &impl AsRawFd, client: &mut impl Write) -> Result<bool> {
    client.write_all(b"more")?;
    arrive(socket, 4);
    let first = read(socket, 100);
    let is_answered_here = finds_nothing(&first);
    assert_eq!(if is_answered_here { read(socket, 100)? } else { first? }, b"more");
    Ok(is_answered_here)
}

#[test]
fn what_was_read_to_its_end_is_not_asked_again_until_epoll_reports_it() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"hello");
    assert!(is_answered_here(&server, &mut client)?);
    client.write_all(b"last")?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"last");
    Ok(())
}

#[test]
fn reads_into_one_part_too() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    assert_eq!(received(&server, libc::MSG_PEEK)?, b"hello");
    assert_eq!(received(&server, 0)?, b"hello");
    assert!(is_answered_here(&server, &mut client)?);
    Ok(())
}

#[test]
fn a_read_that_leaves_something_is_followed_by_another() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    assert_eq!(read(&server, 3)?, b"hel");
    assert_eq!(read(&server, 2)?, b"lo");
    assert!(is_answered_here(&server, &mut client)?);
    Ok(())
}

#[test]
fn an_end_that_came_with_the_data_is_seen() -> Result<()> {
    let (mut client, server) = pair()?;
    client.write_all(b"hello")?;
    client.shutdown(Shutdown::Write)?;
    arrive(&server, 5);
    let poll = Poll::of(&server)?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"hello");
    assert_eq!(read(&server, 100)?, b"");
    Ok(())
}

#[test]
fn an_end_that_comes_later_is_reported() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"hello");
    client.shutdown(Shutdown::Write)?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"");
    Ok(())
}

#[test]
fn a_reset_that_came_with_the_data_is_seen() -> Result<()> {
    let (mut client, server) = pair()?;
    client.write_all(b"hello")?;
    let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: of the length of what it points to.
    let done = unsafe {
        let length = mem::size_of_val(&at_once) as libc::socklen_t;
        libc::setsockopt(client.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const at_once).cast(), length)
    };
    assert_eq!(done, 0);
    drop(client);
    let poll = Poll::of(&server)?;
    poll.wait();
    let mut found = read(&server, 100);
    if found.as_ref().is_ok_and(|data| data == b"hello") {
        found = read(&server, 100);
    }
    assert!(!finds_nothing(&found), "{found:?}");
    Ok(())
}

#[test]
fn data_behind_urgent_data_is_read() -> Result<()> {
    let (mut client, server) = pair()?;
    client.write_all(b"before")?;
    // SAFETY: one byte.
    let sent = unsafe { libc::send(client.as_raw_fd(), c"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    client.write_all(b"behind")?;
    arrive(&server, 6);
    let poll = Poll::of(&server)?;
    poll.wait();
    let mut all = vec![];
    while all != b"beforebehind" {
        match read(&server, 100) {
            Ok(data) => all.extend(data),
            Err(error) if error.kind() == ErrorKind::WouldBlock => poll.wait(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[test]
fn who_registers_it_anew_reads_it_anew() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    for operations in [&[EPOLL_CTL_MOD][..], &[EPOLL_CTL_DEL, EPOLL_CTL_ADD], &[EPOLL_CTL_DEL]] {
        client.write_all(b"hello")?;
        poll.wait();
        assert_eq!(read(&server, 100)?, b"hello");
        for operation in operations {
            poll.control(*operation, &server)?;
        }
        assert!(!is_answered_here(&server, &mut client)?, "{operations:?}");
    }
    Ok(())
}

#[test]
fn a_number_that_is_given_again_is_another_socket() -> Result<()> {
    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    let number = server.as_raw_fd();
    assert_eq!(read(&server, 100)?, b"hello");
    drop(server);
    let (mut other, next) = pair()?;
    // SAFETY: puts `next` at a number that is free, or was given to another thread of the tests.
    let again = unsafe { libc::fcntl(next.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) };
    assert!(again >= number);
    // SAFETY: a new descriptor.
    let again = unsafe { OwnedFd::from_raw_fd(again) };
    assert!(!is_answered_here(&again, &mut other)?);
    Ok(())
}

#[test]
fn others_are_read_as_ever() -> Result<()> {
    let (mut near, far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    let poll = Poll::of(&far)?;
    near.write_all(b"hello")?;
    poll.wait();
    assert_eq!(read(&far, 100)?, b"hello");
    assert!(!is_answered_here(&far, &mut near)?);

    let (mut client, server) = pair()?;
    let poll = Poll::of(&server)?;
    poll.control(EPOLL_CTL_DEL, &server)?;
    poll.control_by(EPOLL_CTL_ADD, &server, 1 << 40)?;
    client.write_all(b"hello")?;
    arrive(&server, 5);
    assert_eq!(read(&server, 100)?, b"hello");
    assert!(!is_answered_here(&server, &mut client)?, "nobody would know whom epoll reports");

    let (mut client, server) = pair()?;
    server.set_nonblocking(false)?;
    let poll = Poll::of(&server)?;
    client.write_all(b"hello")?;
    poll.wait();
    assert_eq!(read(&server, 100)?, b"hello");
    assert!(!is_answered_here(&server, &mut client)?, "who blocks wants to wait");
    Ok(())
}

#[test]
fn bad_calls_fail_as_ever() {
    // SAFETY: none of them is one.
    unsafe {
        assert_eq!(super::readv(-1, ptr::null(), 1), -1);
        assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::EBADF));
        assert_eq!(super::close(-1), -1);
        assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::EBADF));
        assert_eq!(super::epoll_wait(-1, ptr::null_mut(), 1, 0), -1);
        assert_eq!(super::epoll_ctl(-1, EPOLL_CTL_DEL, -1, ptr::null_mut()), -1);
    }
}

/// Two threads, whose pieces and pauses fall as they like; the reader's buffer is smaller and larger than the pieces.
#[test]
fn a_stream_arrives_whole_whatever_falls_together() -> Result<()> {
    for most in [2, 7, 64, 4096, 1 << 17] {
        let (mut client, server) = pair()?;
        let poll = Poll::of(&server)?;
        let writer = thread::spawn(move || -> Result<Vec<u8>> {
            let mut sent = vec![];
            let mut random = 0x2545_f491_u32;
            for _ in 0..3000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let piece: Vec<u8> = (0..=(random >> 16) % 97).map(|byte| (byte ^ random) as u8).collect();
                client.write_all(&piece)?;
                sent.extend(piece);
                if random >> 29 == 0 {
                    thread::yield_now();
                }
                if sent.len() % 50 == 0 {
                    // An answer, without which nothing more is sent: a report that is missed would stop it.
                    client.read_exact(&mut [0])?;
                }
            }
            client.shutdown(Shutdown::Write)?;
            // Whoever closes with answers unread resets the connection.
            client.read_to_end(&mut vec![])?;
            Ok(sent)
        });
        let (mut found, mut answered) = (vec![], 0);
        'all: loop {
            poll.wait();
            loop {
                match read(&server, most) {
                    Ok(data) if data.is_empty() => break 'all,
                    Ok(data) => found.extend(data),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if found.len() > answered {
                (&server).write_all(&[0])?;
                answered = found.len();
            }
        }
        drop(server);
        let sent = writer.join().map_err(|_| ErrorKind::Other)??;
        assert!(found == sent, "{} of {} bytes", found.len(), sent.len());
    }
    Ok(())
}
