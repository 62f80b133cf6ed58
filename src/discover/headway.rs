//! Tells a listing that gets on from one that goes round in circles, which some proxies and servers produce: every page
//! says that there is more, for ever.

use std::collections::BTreeSet;

/// Pages without a key, one after the other, that are taken. A storage may send some where many keys were deleted.
const EMPTY_PAGES: u32 = 1_000;

/// The pages of a listing so far.
#[derive(Debug, Default)]
pub(super) struct Headway {
    tokens: BTreeSet<Box<[u8]>>,
    ends: BTreeSet<Box<[u8]>>,
    empty: u32,
}

impl Headway {
    /// Takes note of a page that is not the last: where it says that the next begins, if by a token, and its last key.
    /// `false` where neither is new. A key is listed once, so no two pages end with the same one.
    pub(super) fn is_made(&mut self, token: Option<&[u8]>, last_key: Option<&[u8]>) -> bool {
        let is_new_token = token.is_none_or(|token| self.tokens.insert(token.into()));
        let is_new_end = match last_key {
            Some(key) => {
                self.empty = 0;
                self.ends.insert(key.into())
            }
            None => {
                self.empty = self.empty.saturating_add(1);
                self.empty <= EMPTY_PAGES
            }
        };
        is_new_token && is_new_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_no_headway() {
        for (pages, expected) in [
            (vec![("1", "a"), ("2", "b"), ("3", "")], vec![true, true, true]),
            (vec![("1", "a"), ("1", "b")], vec![true, false]),
            (vec![("1", "a"), ("2", "a")], vec![true, false]),
            (vec![("1", "b"), ("2", "a"), ("3", "b")], vec![true, true, false]),
            (vec![("", "a"), ("", "b"), ("", "b")], vec![true, true, false]),
        ] {
            let mut headway = Headway::default();
            let some = |text: &'static str| Some(text.as_bytes()).filter(|text| !text.is_empty());
            let made: Vec<bool> = pages.iter().map(|(token, key)| headway.is_made(some(token), some(key))).collect();
            assert_eq!(made, expected, "{pages:?}");
        }
    }

    #[test]
    fn empty_pages_come_to_an_end() {
        let mut headway = Headway::default();
        let made = (0..EMPTY_PAGES).all(|page| headway.is_made(Some(&page.to_be_bytes()), None));
        assert!(made && headway.is_made(Some(b"x"), Some(b"key")));
        assert!((0..EMPTY_PAGES).all(|page| headway.is_made(Some(&[&page.to_be_bytes()[..], b"y"].concat()), None)));
        assert!(!headway.is_made(Some(b"z"), None));
    }
}
