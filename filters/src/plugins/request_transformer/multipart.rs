//! Edits of the parts of a multipart form. Kong knows no `append` for them.

use super::edits::Edits;
use crate::body;
use crate::lua::sandbox::Surroundings;

#[derive(Debug, Default)]
struct Part {
    name: Option<Vec<u8>>,
    /// The lines before the empty one, with their ends.
    head: Vec<u8>,
    value: Vec<u8>,
}

impl Part {
    fn simple(name: &[u8], value: Vec<u8>) -> Self {
        // A quote or a line end in a name would begin something else.
        let safe: Vec<u8> = name.iter().map(|byte| if b"\"\r\n".contains(byte) { b'_' } else { *byte }).collect();
        let head = [b"Content-Disposition: form-data; name=\"", safe.as_slice(), b"\"\r\n"].concat();
        Self { name: Some(name.to_vec()), head, value }
    }

    fn is(&self, name: &[u8]) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// `None` if nothing was edited.
pub fn edited(
    body: &[u8],
    boundary: &[u8],
    edits: &Edits,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Vec<u8>>, String> {
    let mut parts = parts(body, boundary);
    let mut is_edited = false;
    for pair in &edits.rename {
        let (old, new) = (pair.name.as_bytes(), pair.value.render(surroundings)?);
        let value = parts.iter().find(|part| part.is(old)).map(|part| part.value.clone());
        if let Some(value) = value.filter(|_| *old != *new) {
            put(&mut parts, &new, value);
            parts.retain(|part| !part.is(old));
            is_edited = true;
        }
    }
    if !body.is_empty() {
        is_edited |= !edits.remove.is_empty();
        parts.retain(|part| !edits.remove.iter().any(|name| part.is(name.as_bytes())));
    }
    for pair in &edits.replace {
        let (name, value) = (pair.name.as_bytes(), pair.value.render(surroundings)?);
        if parts.iter().any(|part| part.is(name)) {
            parts.retain(|part| !part.is(name));
            parts.push(Part::simple(name, value.into_owned()));
            is_edited = true;
        }
    }
    for pair in &edits.add {
        let (name, value) = (pair.name.as_bytes(), pair.value.render(surroundings)?);
        if !parts.iter().any(|part| part.is(name)) {
            parts.push(Part::simple(name, value.into_owned()));
            is_edited = true;
        }
    }
    Ok(is_edited.then(|| written(&parts, boundary)))
}

/// Read line by line, as Kong does: a line that begins with the boundary begins a part. Lines may end without a carriage
/// return, and the last part without a boundary.
fn parts(body: &[u8], boundary: &[u8]) -> Vec<Part> {
    let delimiter = [b"--", boundary].concat();
    let mut found: Vec<Part> = Vec::new();
    let (mut is_inside, mut is_head) = (false, false);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if let Some(rest) = line.strip_prefix(delimiter.as_slice()) {
            is_inside = !rest.starts_with(b"--");
            is_head = is_inside;
            found.extend(is_inside.then(Part::default));
        } else if let Some(part) = found.last_mut().filter(|_| is_inside) {
            let text = without_line_end(line);
            is_head &= text.is_empty() || text.contains(&b':');
            match (is_head, text.is_empty()) {
                (true, true) => is_head = false,
                (true, false) => part.head.extend_from_slice(&[text, b"\r\n"].concat()),
                (false, _) => part.value.extend_from_slice(line),
            }
        }
    }
    for part in &mut found {
        part.name = body::name_of_part(&part.head).map(<[u8]>::to_vec);
        part.value.truncate(without_line_end(&part.value).len());
    }
    found
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// In place of the first part of this name, or behind all others.
fn put(parts: &mut Vec<Part>, name: &[u8], value: Vec<u8>) {
    let part = Part::simple(name, value);
    match parts.iter_mut().find(|part| part.is(name)) {
        Some(old) => *old = part,
        None => parts.push(part),
    }
}

fn written(parts: &[Part], boundary: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        for piece in [b"--", boundary, b"\r\n", part.head.as_slice(), b"\r\n", part.value.as_slice(), b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
    if !parts.is_empty() {
        out.extend_from_slice(&[b"--", boundary, b"--\r\n"].concat());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::lossy;
    use proptest::prelude::*;

    #[test]
    fn names_cannot_end_their_quotes() {
        let part = Part::simple(b"a\"\r\nX: 1", b"v".to_vec());
        assert_eq!(lossy(&part.head), "Content-Disposition: form-data; name=\"a___X: 1\"\r\n");
    }

    #[test]
    fn bodies_are_read_and_written() {
        let usual = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\nX-A: 1\r\n\r\n1\n--no\r\n\r\n\r\n\
                     --b\r\nContent-Type: text/plain\r\n\r\nunnamed\r\n--b--\r\n";
        let sloppy = "before\n--b\nContent-Disposition: form-data; name=x\n\n1\n--b\nno head";
        for (body, expected, names) in [
            (usual, usual, &[Some("x"), None][..]),
            (
                sloppy,
                "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--b\r\n\r\nno head\r\n--b--\r\n",
                &[Some("x"), None],
            ),
            ("", "", &[]),
            ("--b--\r\n", "", &[]),
        ] {
            let parts = parts(body.as_bytes(), b"b");
            let found: Vec<_> = parts.iter().map(|part| part.name.as_deref().map(lossy)).collect();
            assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), names);
            assert_eq!(lossy(&written(&parts, b"b")), expected);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_the_same(body in "(--b|--b--|[a-c:;=\"]|name=|\r\n|\n|content-disposition:){0,24}") {
            let first = written(&parts(body.as_bytes(), b"b"), b"b");
            prop_assert_eq!(lossy(&written(&parts(&first, b"b"), b"b")), lossy(&first));
        }
    }
}
