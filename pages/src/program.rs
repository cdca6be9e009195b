//! The program's own text on huge pages: copied there before it runs. Tools then see no file behind it, and processes no
//! longer share it.

use crate::HUGE_PAGE;
use libc::{
    MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE, PF_X, PROT_EXEC, PROT_READ, PROT_WRITE,
    PT_LOAD, c_int, c_void, dl_phdr_info, size_t,
};
use std::ops::Range;

/// Set where it is wanted.
const VARIABLE: &std::ffi::CStr = c"CROSSFADE_HUGE_PROGRAM";

/// The linker calls it when nothing of the program has run, so that there are no other threads.
#[used]
#[cfg_attr(not(test), unsafe(link_section = ".init_array"))]
static START: extern "C" fn() = start;

extern "C" fn start() {
    // SAFETY: nothing changes the environment yet.
    let is_wanted = unsafe { !libc::getenv(VARIABLE.as_ptr()).is_null() };
    if is_wanted && let Some(text) = whole_pages(text_of_program()) {
        move_to_huge_pages(&text);
    }
}

/// Empty if it cannot be told.
fn text_of_program() -> Range<usize> {
    let mut found: Range<usize> = 0..0;
    // SAFETY: `first_text` gets the range back as it is here.
    unsafe { libc::dl_iterate_phdr(Some(first_text), (&raw mut found).cast()) };
    found
}

/// The first object is the program.
unsafe extern "C" fn first_text(info: *mut dl_phdr_info, _: size_t, found: *mut c_void) -> c_int {
    // SAFETY: the linker's own tables; the range of `text_of_program`.
    let (info, found) = unsafe { (&*info, &mut *found.cast::<Range<usize>>()) };
    // SAFETY: as many headers as the linker says.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers.iter().filter(|one| one.p_type == PT_LOAD && one.p_flags & PF_X != 0) {
        let begin = (info.dlpi_addr + header.p_vaddr) as usize;
        *found = begin..begin + header.p_memsz as usize;
    }
    1
}

/// What of it fills huge pages; its ends stay where they are.
fn whole_pages(text: Range<usize>) -> Option<Range<usize>> {
    let begin = text.start.checked_next_multiple_of(HUGE_PAGE)?;
    let end = text.end - text.end % HUGE_PAGE;
    (begin < end).then_some(begin..end)
}

/// Leaves all as it was if the kernel refuses any of it, as one that forbids to run what was written does.
fn move_to_huge_pages(text: &Range<usize>) {
    let length = text.len();
    let flags = MAP_PRIVATE | MAP_ANONYMOUS;
    // SAFETY: a new mapping; what is copied into it is readable; nothing runs in what is replaced, since nobody but this
    // thread runs, which is in this library. The replacement has the very same bytes.
    unsafe {
        let room = libc::mmap(std::ptr::null_mut(), length + HUGE_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
        if room == MAP_FAILED {
            return;
        }
        let copy = (room as usize).next_multiple_of(HUGE_PAGE) as *mut c_void;
        libc::madvise(copy, length, libc::MADV_HUGEPAGE);
        std::ptr::copy_nonoverlapping(text.start as *const u8, copy.cast::<u8>(), length);
        let is_runnable = libc::mprotect(copy, length, PROT_READ | PROT_EXEC) == 0;
        let place = text.start as *mut c_void;
        if is_runnable && libc::mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED {
            release(room as usize..copy as usize);
            release(copy as usize + length..room as usize + length + HUGE_PAGE);
        } else {
            release(room as usize..room as usize + length + HUGE_PAGE);
        }
    }
}

fn release(range: Range<usize>) {
    if !range.is_empty() {
        // SAFETY: ours, and used by nobody.
        unsafe { libc::munmap(range.start as *mut c_void, range.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_this_program_is_where_its_functions_are() {
        assert!(text_of_program().contains(&(release as *const () as usize)));
    }

    #[test]
    fn whole_pages_lie_within() {
        let page = HUGE_PAGE;
        for (text, whole) in [
            (0..0, None),
            (1..page, None),
            (page..2 * page, Some(page..2 * page)),
            (page - 1..3 * page + 7, Some(page..3 * page)),
            (page + 1..2 * page, None),
            (usize::MAX - 1..usize::MAX, None),
        ] {
            assert_eq!(whole_pages(text), whole);
        }
    }
}
