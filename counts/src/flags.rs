//! What has gone wrong with a request, in the letters of Envoy's `%RESPONSE_FLAGS%`.

const NONE: &str = "-";
/// Bit and name. Envoy writes them as they come about, which its bits do not tell: this is the order in which filters
/// and router come to them.
const NAMES: [(u32, &str); 30] = [
    (17, "IH"),
    (18, "DPE"),
    (25, "OM"),
    (0, "LH"),
    (8, "NR"),
    (24, "NC"),
    (9, "DI"),
    (10, "FI"),
    (12, "UAEX"),
    (13, "RLSE"),
    (11, "RL"),
    (20, "RFCF"),
    (21, "NFCF"),
    (26, "DF"),
    (27, "DO"),
    (29, "UDO"),
    (15, "URX"),
    (1, "UH"),
    (2, "UT"),
    (3, "LR"),
    (4, "UR"),
    (5, "UF"),
    (6, "UC"),
    (7, "UO"),
    (23, "UPE"),
    (19, "UMSDR"),
    (22, "DT"),
    (16, "SI"),
    (28, "DR"),
    (14, "DC"),
];

pub fn text(flags: u64) -> String {
    if flags == 0 {
        return NONE.to_owned();
    }
    let named = NAMES.iter().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name);
    named.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn flags_are_named_as_envoy_does() {
        for (flags, expected) in [(0, "-"), (1 << 14, "DC"), (1 << 5 | 1 << 15, "URX,UF"), (1 << 28 | 1, "LH,DR")] {
            assert_eq!(text(flags), expected);
        }
    }

    #[test]
    fn each_bit_has_a_name_of_its_own() {
        let names: HashSet<String> = (0..30).map(|bit| text(1 << bit)).collect();
        assert_eq!(names.len(), 30);
        assert!(!names.contains(""));
    }
}
