//! `storage_connection_string`: `Key=Value;…`, as Azure's tools give it out.
//!
//! <https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string>

use object_store::azure::{AzureCredential, split_sas};

use super::account_key;

/// The emulator's account, the same for everybody.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
/// Published with the emulator: <https://learn.microsoft.com/en-us/azure/storage/common/storage-use-azurite>
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_URL: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// What a connection string says. It has no `Debug`: the credential would print itself.
pub(super) struct Connection {
    pub(super) account: String,
    pub(super) blob_url: String,
    pub(super) credential: AzureCredential,
}

impl Connection {
    /// `account` is the configured one, where the string names none. No error repeats the string.
    pub(super) fn parse(text: &str, account: &str) -> Result<Self, String> {
        let mut pairs = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or("a part of it is not `Key=Value`")?;
            pairs.push((key.trim(), value.trim()));
        }
        let get = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
                .filter(|v| !v.is_empty())
        };
        if get("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self {
                account: EMULATOR_ACCOUNT.to_owned(),
                blob_url: get("BlobEndpoint").unwrap_or(EMULATOR_URL).trim_end_matches('/').to_owned(),
                credential: account_key(EMULATOR_KEY)?,
            });
        }
        let named = get("AccountName");
        let blob_url = match (get("BlobEndpoint"), named) {
            (Some(url), _) if url.contains("://") => url.trim_end_matches('/').to_owned(),
            (Some(_), _) => return Err("`BlobEndpoint` is not a URL".to_owned()),
            (None, Some(name)) => {
                let scheme = get("DefaultEndpointsProtocol").unwrap_or("https");
                format!("{scheme}://{name}.blob.{}", get("EndpointSuffix").unwrap_or("core.windows.net"))
            }
            (None, None) => return Err("it has neither `BlobEndpoint` nor `AccountName`".to_owned()),
        };
        let credential = match (get("AccountKey").filter(|_| named.is_some()), get("SharedAccessSignature")) {
            (Some(key), _) => account_key(key).map_err(|why| format!("`AccountKey`: {why}"))?,
            (None, Some(signature)) => AzureCredential::SASToken(
                split_sas(signature).map_err(|_quotes| "`SharedAccessSignature` is not a query".to_owned())?,
            ),
            (None, None) => {
                return Err("it has neither `AccountName` with `AccountKey` nor `SharedAccessSignature`".to_owned());
            }
        };
        Ok(Self { account: named.unwrap_or(account).to_owned(), blob_url, credential })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, &str, &str), &str>) {
        let seen = Connection::parse(text, "configured").map(|connection| {
            let kind = match connection.credential {
                AzureCredential::AccessKey(_) => "key".to_owned(),
                AzureCredential::SASToken(pairs) => {
                    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
                }
                AzureCredential::BearerToken(_) => "token".to_owned(),
            };
            (connection.account, connection.blob_url, kind)
        });
        let expected = expected
            .map(|(account, url, kind)| (account.to_owned(), url.to_owned(), kind.to_owned()))
            .map_err(str::to_owned);
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn every_shape_is_read() {
        check(
            "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.windows.net",
            Ok(("acc", "https://acc.blob.core.windows.net", "key")),
        );
        check(
            "AccountName=acc;AccountKey=a2V5==;BlobEndpoint=http://127.0.0.1:10000/acc/;",
            Err("`AccountKey`: it is not base64"),
        );
        check(
            "accountname=acc;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/acc/;",
            Ok(("acc", "http://127.0.0.1:10000/acc", "key")),
        );
        check(
            "BlobEndpoint=https://x.example;SharedAccessSignature=sv=2021&sig=a%2Fb",
            Ok(("configured", "https://x.example", "sv=2021&sig=a/b")),
        );
        check("UseDevelopmentStorage=true", Ok((EMULATOR_ACCOUNT, EMULATOR_URL, "key")));
        check("", Err("it has neither `BlobEndpoint` nor `AccountName`"));
        check("sentinel", Err("a part of it is not `Key=Value`"));
        check("BlobEndpoint=sentinel;AccountName=a;AccountKey=a2V5", Err("`BlobEndpoint` is not a URL"));
        check("AccountName=acc", Err("it has neither `AccountName` with `AccountKey` nor `SharedAccessSignature`"));
    }
}
