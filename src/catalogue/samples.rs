//! promtool's notation of samples: `0x5 2x20 _x3 stale 1+2x4`.

/// The first `count` samples, and then the marker of a target that is gone.
pub(super) fn cut(values: &str, count: usize) -> String {
    let mut left = count;
    let mut items: Vec<String> = Vec::new();
    for item in values.split_whitespace() {
        let here = length(item);
        if here <= left {
            items.push(item.to_owned());
        } else if left > 0 {
            items.push(shortened(item, left));
        }
        left = left.saturating_sub(here);
    }
    items.push("stale".to_owned());
    items.join(" ")
}

/// `_x3` are three samples, `2x3` are four: the first and three more.
fn length(item: &str) -> usize {
    match item.rsplit_once('x') {
        Some(("_", times)) => times.parse().unwrap_or(1),
        Some((_, times)) => times.parse().map_or(1, |times: usize| times.saturating_add(1)),
        None => 1,
    }
}

fn shortened(item: &str, length: usize) -> String {
    match item.rsplit_once('x') {
        Some(("_", _)) => format!("_x{length}"),
        Some((start, _)) => format!("{start}x{}", length.saturating_sub(1)),
        None => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_cut() {
        for (values, count, expected) in [
            ("0x4 2x30 0x60", 11, "0x4 2x5 stale"),
            ("0x4 2x30 0x60", 5, "0x4 stale"),
            ("1 _x5 3", 3, "1 _x2 stale"),
            ("1+2x9", 4, "1+2x3 stale"),
            ("1 stale 2", 9, "1 stale 2 stale"),
            ("5x9", 0, "stale"),
        ] {
            assert_eq!(cut(values, count), expected, "{values}");
        }
    }
}
