//! Whole milliseconds in Kong's buckets.

pub const KONG_BOUNDS: [u64; 17] = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000];
pub const UPSTREAM_BOUNDS: [u64; 13] = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000];
/// Of Kong 2.1, for all three latencies.
pub const OLD_BOUNDS: [u64; 26] = [
    1, 2, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 30000,
    60000,
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    /// How many fell into each bucket, and into none below it.
    counts: [u64; N],
    above: u64,
    pub sum: u64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { counts: [0; N], above: 0, sum: 0 }
    }
}

impl<const N: usize> Histogram<N> {
    pub fn of(counts: [u64; N], above: u64, sum: u64) -> Self {
        Self { counts, above, sum }
    }

    pub fn observe(&mut self, bounds: &[u64; N], value: u64) {
        let place = bounds.partition_point(|bound| *bound < value);
        *self.counts.get_mut(place).unwrap_or(&mut self.above) += 1;
        self.sum = self.sum.saturating_add(value);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// Bound and how many were not above it, from the first bucket that counted anything.
    pub fn cumulated<'a>(&'a self, bounds: &'a [u64; N]) -> impl Iterator<Item = (u64, u64)> + 'a {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        bounds.iter().copied().zip(sums).filter(|(_, sum)| *sum > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_each_bucket_from_its_own_upwards() {
        let mut histogram = Histogram::default();
        for value in [3, 5, 6000, 6001] {
            histogram.observe(&KONG_BOUNDS, value);
        }
        let shown: Vec<_> = histogram.cumulated(&KONG_BOUNDS).collect();
        assert_eq!(shown.first(), Some(&(5, 2)));
        assert_eq!(&shown[shown.len() - 2..], [(3000, 2), (6000, 3)]);
        assert_eq!((histogram.count(), histogram.sum), (4, 12009));
    }

    #[test]
    fn nothing_counted_shows_no_bucket() {
        assert_eq!(Histogram::default().cumulated(&UPSTREAM_BOUNDS).count(), 0);
    }
}
