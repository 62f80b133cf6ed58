//! Basic authentication. bcrypt is slow on purpose, so it never runs where requests are answered, one run at a time,
//! and what was verified once is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::model::Secret;

/// Verified credentials that are remembered. Whoever has more users than this has them verified again and again.
const REMEMBERED: usize = 256;

/// Knows who was verified.
#[derive(Debug)]
pub(super) struct Authenticator {
    /// Of this process, so that what is remembered is worth nothing elsewhere.
    key: hmac::Key,
    /// Digests of user, hash and password; a hash that changes makes them void.
    verified: Mutex<BTreeSet<Vec<u8>>>,
    /// One verification at once: however many passwords are tried, one core is left.
    turn: Semaphore,
}

/// What a request presents.
struct Credentials {
    user: String,
    password: Secret,
}

impl Authenticator {
    pub(super) fn new() -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self { key, verified: Mutex::default(), turn: Semaphore::new(1) })
    }

    /// Whether a request is one of a user. Without users everybody is let in.
    pub(super) async fn admits(&self, users: &BTreeMap<String, Secret>, headers: &HeaderMap) -> bool {
        // somebody who does not exist takes as long as the user that takes longest
        let Some(decoy) = users.values().max_by_key(|hash| cost(hash)) else { return true };
        let Some(credentials) = presented(headers) else { return false };
        let known = users.get(&credentials.user);
        let hash = known.unwrap_or(decoy).clone();
        let digest = self.digest(&credentials, &hash);
        if known.is_some() && self.remembers(&digest) {
            return true;
        }
        let Ok(_turn) = self.turn.acquire().await else { return false };
        // the one before may have brought the same
        if known.is_some() && self.remembers(&digest) {
            return true;
        }
        let matched = spawn_blocking(move || {
            // what follows the 72nd byte of a password does not count, as with every bcrypt
            bcrypt::verify(credentials.password.expose(), hash.expose()).unwrap_or(false)
        });
        let is_admitted = matched.await.unwrap_or(false) && known.is_some();
        if is_admitted {
            self.remember(digest);
        }
        is_admitted
    }

    fn digest(&self, credentials: &Credentials, hash: &Secret) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [&credentials.user, hash.expose(), credentials.password.expose()] {
            // the length keeps one part from running into the next
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    fn remembers(&self, digest: &[u8]) -> bool {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn remember(&self, digest: Vec<u8>) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            // digests are random, and so is the one that goes
            verified.pop_first();
        }
        verified.insert(digest);
    }
}

/// The cost of a bcrypt hash, as text that sorts by it.
fn cost(hash: &Secret) -> &str {
    hash.expose().split('$').nth(2).unwrap_or_default()
}

fn presented(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    fn basic(credentials: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(credentials)))
    }

    fn users(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        let hash = |password: &str| Secret::new(bcrypt::hash(password, 4).unwrap());
        pairs.iter().map(|(user, password)| ((*user).to_owned(), hash(password))).collect()
    }

    #[tokio::test]
    async fn users_are_let_in_by_their_own_password() {
        let authenticator = Authenticator::new().unwrap();
        let users = users(&[("alice", "one"), ("bob", "two:three"), ("", "none"), ("zoë", "ü")]);
        for (headers, expected) in [
            (basic("alice:one"), true),
            (basic("alice:one"), true),
            (basic("bob:two:three"), true),
            (basic(":none"), true),
            (basic("zoë:ü"), true),
            (headers(&format!("bAsIc {}", STANDARD.encode("alice:one"))), true),
            (basic("alice:two:three"), false),
            (basic("alice:"), false),
            (basic("alice"), false),
            (basic("alice:one\0"), false),
            (basic("carol:one"), false),
            (headers("Basic !!!"), false),
            (headers("Basic"), false),
            (headers(&format!("Bearer {}", STANDARD.encode("alice:one"))), false),
            (HeaderMap::new(), false),
        ] {
            assert_eq!(authenticator.admits(&users, &headers).await, expected, "{headers:?}");
        }
        assert_eq!(authenticator.verified.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn without_users_nobody_is_asked() {
        let authenticator = Authenticator::new().unwrap();
        assert!(authenticator.admits(&BTreeMap::new(), &HeaderMap::new()).await);
    }

    #[tokio::test]
    async fn a_changed_hash_and_a_removed_user_hold_at_once() {
        let authenticator = Authenticator::new().unwrap();
        assert!(authenticator.admits(&users(&[("alice", "one"), ("bob", "b")]), &basic("alice:one")).await);
        assert!(!authenticator.admits(&users(&[("alice", "two"), ("bob", "b")]), &basic("alice:one")).await);
        assert!(!authenticator.admits(&users(&[("bob", "b")]), &basic("alice:one")).await);
    }

    /// Even where the decoy's password is presented.
    #[tokio::test]
    async fn the_decoy_admits_nobody() {
        let authenticator = Authenticator::new().unwrap();
        assert!(!authenticator.admits(&users(&[("alice", "one")]), &basic("mallory:one")).await);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let authenticator = Authenticator::new().unwrap();
        for number in 0..REMEMBERED + 10 {
            authenticator.remember(number.to_be_bytes().to_vec());
        }
        assert_eq!(authenticator.verified.lock().unwrap().len(), REMEMBERED);
    }

    #[test]
    fn the_decoy_is_the_slowest() {
        let hashes = ["$2y$04$a", "$2b$12$b", "$2a$10$c"].map(|hash| Secret::new(hash.to_owned()));
        let slowest = hashes.iter().max_by_key(|hash| cost(hash)).unwrap();
        assert_eq!(slowest.expose(), "$2b$12$b");
    }
}
