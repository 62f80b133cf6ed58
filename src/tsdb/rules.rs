//! Every rule that bytes can break.

use super::{Rule, block, chunk, head, index, tombstones, wal};

/// All rules, file by file.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static Rule)> {
    let files = [
        ("`index`", index::rules::RULES),
        ("`chunks`, each chunk by itself", chunk::RULES),
        ("`chunks`, and how the files of a block agree", block::rules::RULES),
        ("`tombstones`", tombstones::RULES),
        ("`wal`, `wbl`, checkpoints", wal::RULES),
        ("`chunks_head`", head::RULES),
    ];
    files.into_iter().flat_map(|(file, rules)| rules.iter().map(move |rule| (file, *rule)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own() {
        let mut seen: BTreeMap<&str, &Rule> = BTreeMap::new();
        for (_, rule) in rules() {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(rule.id.bytes().all(plain) && !rule.words.is_empty(), "{rule:?}");
            assert!(!rule.words.ends_with('.') && !rule.words.starts_with(char::is_uppercase), "{rule:?}");
            if let Some(other) = seen.insert(rule.id, rule) {
                panic!("two rules of one name: {rule:?} {other:?}");
            }
        }
        assert!(seen.len() > 100);
    }
}
