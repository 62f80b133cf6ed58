//! Proxies: the one that is configured, else those of the environment.

use reqwest::{NoProxy, Proxy};

use crate::model::Environment;
use crate::notify::OpenError;

/// Never through a proxy of the environment, as in Go.
const DIRECT: &str = "localhost,127.0.0.0/8,::1";

/// What is configured goes for every host.
pub(super) fn proxies(configured: Option<&str>, environment: &Environment) -> Result<Vec<Proxy>, OpenError> {
    if let Some(url) = configured.filter(|url| !url.is_empty()) {
        // the value can hold a password, so the error does not repeat it
        let proxy = Proxy::all(with_scheme(url)).map_err(|_refused| OpenError::Proxy { place: "`proxy_url`" })?;
        return Ok(vec![proxy]);
    }
    let either = |upper, lower| environment.non_empty(upper).or_else(|| environment.non_empty(lower));
    let no_proxy = match either("NO_PROXY", "no_proxy") {
        Some(list) => format!("{list},{DIRECT}"),
        None => DIRECT.to_owned(),
    };
    let all = either("ALL_PROXY", "all_proxy");
    let mut proxies = Vec::new();
    if let Some(url) = either("HTTP_PROXY", "http_proxy").or(all) {
        let proxy = Proxy::http(with_scheme(url)).map_err(|_refused| OpenError::Proxy { place: "`HTTP_PROXY`" })?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&no_proxy)));
    }
    if let Some(url) = either("HTTPS_PROXY", "https_proxy").or(all) {
        let proxy = Proxy::https(with_scheme(url)).map_err(|_refused| OpenError::Proxy { place: "`HTTPS_PROXY`" })?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&no_proxy)));
    }
    Ok(proxies)
}

/// The scheme may be left out.
fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_proxy_stands_instead_of_those_of_the_environment() {
        for (configured, variables, expected) in [
            (None, vec![], Some(0)),
            (None, vec![("HTTP_PROXY", "proxy:3128")], Some(1)),
            (None, vec![("all_proxy", "http://user:pass@proxy:3128")], Some(2)),
            (None, vec![("HTTPS_PROXY", "")], Some(0)),
            (Some("proxy:3128"), vec![("ALL_PROXY", "other:1")], Some(1)),
            (Some("http://user:hidden@["), vec![], None),
            (None, vec![("https_proxy", "http://user:hidden@[")], None),
        ] {
            let result = proxies(configured, &variables.iter().copied().collect());
            match expected {
                Some(count) => assert_eq!(result.unwrap().len(), count, "{configured:?} {variables:?}"),
                None => assert!(!result.unwrap_err().to_string().contains("hidden")),
            }
        }
    }
}
