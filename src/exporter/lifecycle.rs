//! `POST /-/reload`, and who may ask for it or for any other change.
//!
//! A page that somebody opens in a browser must not be able to reach it. Two ways are closed: a request that another
//! site makes has an `Origin` that is not ours, and a site whose name is made to point at this machine (DNS rebinding)
//! has that name as `Host`.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use tokio::sync::oneshot;

use super::Site;
use super::guard::Protected;

/// Reads the configuration again and answers when that is done.
pub(super) async fn reload(
    State(site): State<Site>,
    protected: Option<Extension<Protected>>,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, String) {
    if !site.lifecycle {
        let message = "Reloading over HTTP is off: start with --web.enable-lifecycle, or send SIGHUP.\n";
        return (StatusCode::FORBIDDEN, message.to_owned());
    }
    if let Err(reason) = admitted(&site, protected.is_some(), &uri, &headers) {
        return (StatusCode::FORBIDDEN, format!("{reason}\n"));
    }
    let (reply, answer) = oneshot::channel();
    let gone = (StatusCode::SERVICE_UNAVAILABLE, "The service is shutting down.\n".to_owned());
    if site.hooks.reload.send(reply).await.is_err() {
        return gone;
    }
    match answer.await {
        Ok(Ok(())) => (StatusCode::OK, "The configuration was read again.\n".to_owned()),
        Ok(Err(reason)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{reason}\n")),
        Err(_) => gone,
    }
}

/// Whether something may be done for who asks; otherwise says why not.
pub(super) fn admitted(site: &Site, is_protected: bool, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    if !site.lifecycle {
        return Err("Changing anything over HTTP is off: start with --web.enable-lifecycle.");
    }
    may_ask(uri, headers, &site.listen_host, is_protected)
}

/// The rule: exactly one `Host`, which is an IP address, `localhost`, a name without a dot (nobody can own one in the
/// public DNS) or the host that the server listens on, unless TLS or a password protect the request; and no trace of
/// another site.
fn may_ask(uri: &Uri, headers: &HeaderMap, listen_host: &str, is_protected: bool) -> Result<(), &'static str> {
    let host = one(headers, header::HOST).ok_or("Refused: the request has to have exactly one Host header.")?;
    if uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host)) {
        return Err("Refused: the request names two hosts.");
    }
    let name = name_of(host);
    let is_local = name.eq_ignore_ascii_case("localhost") || !name.contains('.');
    let is_ours = !listen_host.is_empty() && name.eq_ignore_ascii_case(name_of(listen_host));
    if name.is_empty() || !(is_protected || is_address(name) || is_local || is_ours) {
        return Err("Refused: without TLS or a password, ask by IP address, as localhost, by a name without a dot, \
                    or by the name that --web.listen-address has. Anything else may be a page in a browser.");
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = one(headers, header::ORIGIN).and_then(own_origin);
        if !origin.is_some_and(|(authority, port)| same(authority, host, port)) {
            return Err("Refused: the request comes from a page of another origin.");
        }
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err("Refused: the request comes from a page of another site.");
    }
    Ok(())
}

/// The text of a header that is there once.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The authority of an origin and the port that goes without saying in it.
fn own_origin(origin: &str) -> Option<(&str, &'static str)> {
    let (scheme, authority) = origin.split_once("://")?;
    match scheme {
        "http" => Some((authority, ":80")),
        "https" => Some((authority, ":443")),
        _ => None,
    }
}

/// Two authorities are the same, but for a port that goes without saying.
fn same(one: &str, other: &str, port: &str) -> bool {
    let short = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    short(one) == short(other)
}

/// An authority without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(authority) => name,
        _ => authority,
    }
}

/// An IPv6 address ends in something that looks like a port.
fn is_bare_v6(text: &str) -> bool {
    text.ends_with(']') || text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], listen_host: &str, expected: bool) {
        let pairs = headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        let found = may_ask(&Uri::from_static("/-/reload"), &map, listen_host, false);
        assert_eq!(found.is_ok(), expected, "{headers:?} at {listen_host:?}: {found:?}");
    }

    #[test]
    fn only_hosts_that_no_stranger_can_own_may_be_asked() {
        for (host, expected) in [
            ("127.0.0.1:9798", true),
            ("10.1.2.3", true),
            ("[::1]:9798", true),
            ("[::1]", true),
            ("localhost:9798", true),
            ("LOCALHOST", true),
            ("blockwarden:9798", true),
            ("watch.example.com:9798", true),
            ("WATCH.example.com", true),
            ("evil.example.net:9798", false),
            ("localhost.evil.example.net", false),
            ("127.0.0.1.evil.example.net", false),
            ("watch.example.com.evil.example.net", false),
            ("127.0.0.1@evil.example.net", false),
            ("[::1].evil.example.net", false),
            (":9798", false),
            ("", false),
        ] {
            check(&[("host", host)], "watch.example.com", expected);
        }
        check(&[], "", false);
        check(&[("host", "localhost"), ("host", "localhost")], "", false);
        check(&[("host", "evil.example.net")], "", false);
    }

    #[test]
    fn an_origin_has_to_be_the_host() {
        for (host, origin, expected) in [
            ("localhost:9798", "http://localhost:9798", true),
            ("localhost:9798", "https://LOCALHOST:9798", true),
            ("localhost", "http://localhost:80", true),
            ("localhost:443", "https://localhost", true),
            ("[::1]:9798", "http://[::1]:9798", true),
            ("localhost:9798", "http://localhost", false),
            ("localhost:9798", "http://localhost:3000", false),
            ("127.0.0.1:9798", "http://localhost:9798", false),
            ("localhost:9798", "http://evil.example.net", false),
            ("localhost:9798", "null", false),
            ("localhost:9798", "file://localhost:9798", false),
            ("localhost:9798", "", false),
        ] {
            check(&[("host", host), ("origin", origin)], "", expected);
        }
        check(&[("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://localhost")], "", false);
    }

    #[test]
    fn protected_requests_may_use_any_name_and_no_other_origin() {
        let asked = |pairs: &[(header::HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            may_ask(&Uri::from_static("/-/reload"), &pairs.collect(), "", true).is_ok()
        };
        let host = (header::HOST, "watch.example.com");
        assert!(asked(std::slice::from_ref(&host)));
        assert!(asked(&[host.clone(), (header::ORIGIN, "https://watch.example.com")]));
        assert!(!asked(&[host, (header::ORIGIN, "https://evil.example.net")]));
        assert!(!asked(&[]));
    }

    #[test]
    fn what_a_browser_says_of_the_site_counts() {
        for (site, expected) in [("same-origin", true), ("none", true), ("cross-site", false), ("same-site", false)] {
            check(&[("host", "localhost"), ("sec-fetch-site", site)], "", expected);
        }
    }

    #[test]
    fn an_absolute_target_cannot_name_another_host() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:9798".parse().unwrap());
        assert!(may_ask(&Uri::from_static("http://localhost:9798/-/reload"), &headers, "", false).is_ok());
        assert!(may_ask(&Uri::from_static("http://evil.example.net/-/reload"), &headers, "", false).is_err());
    }
}
