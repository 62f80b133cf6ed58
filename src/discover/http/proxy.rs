//! Proxies as the environment names them, read as Go's `http.ProxyFromEnvironment` does, which Thanos uses.

use reqwest::{NoProxy, Proxy};

use super::TransportError;
use crate::model::Environment;

/// Never through a proxy: Go exempts this machine, and link-local metadata services answer nobody else.
const DIRECT: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,metadata.google.internal";

/// One per scheme that has a proxy.
pub(super) fn from_environment(environment: &Environment) -> Result<Vec<Proxy>, TransportError> {
    let no_proxy = match either(environment, "NO_PROXY", "no_proxy") {
        Some(list) => format!("{list},{DIRECT}"),
        None => DIRECT.to_owned(),
    };
    let all = either(environment, "ALL_PROXY", "all_proxy");
    // in a CGI program, `HTTP_PROXY` is a header of the client's choice
    let http = either(environment, "HTTP_PROXY", "http_proxy").filter(|_| environment.get("REQUEST_METHOD").is_none());
    let https = either(environment, "HTTPS_PROXY", "https_proxy");
    let mut proxies = Vec::new();
    for (variable, value) in [("HTTP_PROXY", http.or(all)), ("HTTPS_PROXY", https.or(all))] {
        let Some(value) = value else { continue };
        // as in Go, the scheme may be left out
        let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let proxy = if variable == "HTTP_PROXY" { Proxy::http(url) } else { Proxy::https(url) };
        // the value can hold a password, so the error does not repeat it
        let proxy = proxy.map_err(|_refused| TransportError::proxy(variable))?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&no_proxy)));
    }
    Ok(proxies)
}

fn either<'e>(environment: &'e Environment, upper: &str, lower: &str) -> Option<&'e str> {
    environment.non_empty(upper).or_else(|| environment.non_empty(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_come_from_the_environment_given() {
        for (variables, expected) in [
            (vec![], Some(0)),
            (vec![("HTTP_PROXY", "http://proxy:3128")], Some(1)),
            (vec![("https_proxy", "proxy:3128")], Some(1)),
            (vec![("ALL_PROXY", "http://user:pass@proxy:3128")], Some(2)),
            (vec![("HTTP_PROXY", "http://proxy"), ("REQUEST_METHOD", "GET")], Some(0)),
            (vec![("HTTP_PROXY", "")], Some(0)),
            (vec![("HTTP_PROXY", "http://user:hidden@[")], None),
        ] {
            let result = from_environment(&variables.iter().copied().collect());
            match expected {
                Some(count) => assert_eq!(result.unwrap().len(), count, "{variables:?}"),
                None => assert!(!result.unwrap_err().to_string().contains("hidden")),
            }
        }
    }
}
