//! Entries by the literal text with which their path begins.

use std::ops::Range;

/// Sorted texts, each linked to the longest other text that begins it.
///
/// Of the texts up to a path in this order the last begins with every text that begins the path. So one binary search
/// and a walk over the links find them all.
#[derive(Default)]
pub struct PathIndex {
    keys: Box<[Key]>,
    places: Box<[usize]>,
}

struct Key {
    text: Box<[u8]>,
    parent: Option<usize>,
    places: Range<usize>,
}

impl PathIndex {
    /// Takes literals with the places of their entries.
    pub fn new(mut literals: Vec<(&[u8], usize)>) -> Self {
        literals.sort_unstable();
        let mut keys = Vec::<Key>::new();
        // The keys that begin the present one, the shortest first.
        let mut open = Vec::<usize>::new();
        let mut end = 0;
        for group in literals.chunk_by(|one, other| one.0 == other.0) {
            let text = group[0].0;
            while open.pop_if(|key| !text.starts_with(&keys[*key].text)).is_some() {}
            let places = end..end + group.len();
            end = places.end;
            let parent = open.last().copied();
            open.push(keys.len());
            keys.push(Key { text: text.into(), parent, places });
        }
        Self { keys: keys.into(), places: literals.into_iter().map(|(_, place)| place).collect() }
    }

    /// Places of the entries whose literal begins `path`, the longest literal first; each list is sorted.
    pub fn beginning(&self, path: &[u8]) -> impl Iterator<Item = &[usize]> {
        let last = self.keys.partition_point(|key| *key.text <= *path).checked_sub(1);
        let shared = last.map_or(0, |key| shared_length(&self.keys[key].text, path));
        std::iter::successors(last, |key| self.keys[*key].parent)
            .map(|key| &self.keys[key])
            .filter(move |key| key.text.len() <= shared)
            .map(|key| &self.places[key.places.clone()])
    }
}

fn shared_length(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(literals: &[&str], path: &str) -> Vec<usize> {
        let literals = literals.iter().enumerate().map(|(place, text)| (text.as_bytes(), place)).collect();
        PathIndex::new(literals).beginning(path.as_bytes()).flatten().copied().collect()
    }

    #[test]
    fn longest_first() {
        let literals = ["", "/", "/a", "/a/b", "/a", "/ab/c", "/b"];
        assert_eq!(found(&literals, "/a/b/c"), [3, 2, 4, 1, 0]);
        assert_eq!(found(&literals, "/ab/b"), [2, 4, 1, 0]);
        assert_eq!(found(&literals, "/z"), [1, 0]);
        assert_eq!(found(&literals, "*"), [0]);
        assert_eq!(found(&[], "/"), [0; 0]);
    }

    proptest! {
        #[test]
        fn finds_every_beginning(
            literals in proptest::collection::vec("[ab/]{0,5}", 0..30),
            path in "[ab/]{0,8}",
        ) {
            let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
            let mut expected: Vec<usize> = (0..literals.len()).filter(|at| path.starts_with(literals[*at])).collect();
            expected.sort_by_key(|at| std::cmp::Reverse(literals[*at].len()));
            prop_assert_eq!(found(&literals, &path), expected);
        }
    }
}
