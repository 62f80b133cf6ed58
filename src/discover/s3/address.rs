//! Where a bucket is: from `endpoint`, `bucket` and `region` to URLs, as minio-go does it, which Thanos uses.

use crate::discover::escape::percent_encode;
use crate::model::{S3Lookup, S3Settings};

/// What stands for a region where none is known; S3's own default.
const DEFAULT_REGION: &str = "us-east-1";

/// The bucket's place for one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// For the signature.
    pub(super) region: String,
    /// URL of the bucket, without a slash at the end.
    pub(super) bucket_url: String,
}

impl Route {
    /// The first guess.
    pub(super) fn new(settings: &S3Settings) -> Self {
        let region = if !settings.region.is_empty() {
            settings.region.clone()
        } else {
            amazon_region(host(&settings.endpoint)).unwrap_or_else(|| DEFAULT_REGION.to_owned())
        };
        Self::in_region(settings, region)
    }

    /// The bucket is in `region`, as the storage said.
    pub(super) fn in_region(settings: &S3Settings, region: String) -> Self {
        let scheme = if settings.insecure { "http" } else { "https" };
        let endpoint = endpoint_in(settings, &region);
        let bucket = &settings.bucket;
        let bucket_url = if is_virtual_hosted(settings) {
            format!("{scheme}://{bucket}.{endpoint}")
        } else {
            format!("{scheme}://{endpoint}/{}", encode(bucket))
        };
        Self { region, bucket_url }
    }

    /// URL of an object. `None` for a key with `.` or `..` between slashes: HTTP clients and servers resolve those, so
    /// that another object would be read.
    pub(super) fn object_url(&self, key: &str) -> Option<String> {
        if key.split('/').any(|segment| segment == "." || segment == "..") {
            return None;
        }
        Some(format!("{}/{}", self.bucket_url, percent_encode(key.as_bytes(), b"/")))
    }
}

/// Amazon's endpoints are replaced by the one of the bucket's region, in its dual-stack form unless that is disabled.
fn endpoint_in(settings: &S3Settings, region: &str) -> String {
    let endpoint = settings.endpoint.trim_end_matches('/');
    let own = host(endpoint);
    if !is_amazon(own) || own.contains("-fips") || own.contains(".vpce.") {
        return endpoint.to_owned();
    }
    let dualstack = if settings.disable_dualstack { "" } else { "dualstack." };
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("s3.{dualstack}{region}.amazonaws.com{country}")
}

fn is_virtual_hosted(settings: &S3Settings) -> bool {
    match settings.lookup {
        S3Lookup::VirtualHosted => true,
        S3Lookup::Path => false,
        S3Lookup::Auto => {
            let host = host(&settings.endpoint);
            // a wildcard certificate covers one label, so a bucket with dots cannot be a part of the host
            let covered = settings.insecure || !settings.bucket.contains('.');
            covered && (is_amazon(host) || host == "storage.googleapis.com" || (host.ends_with("aliyuncs.com")))
        }
    }
}

fn is_amazon(host: &str) -> bool {
    host == "s3-external-1.amazonaws.com" || host == "s3.amazonaws.com" || amazon_region(host).is_some()
}

/// The region inside of one of Amazon's host names.
fn amazon_region(host: &str) -> Option<String> {
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    if let Some(link) = name.strip_suffix(".vpce") {
        return link.rsplit_once(".s3.").map(|(_, region)| region.to_owned());
    }
    let region = ["s3.dualstack.", "s3-fips.dualstack.", "s3-fips.", "s3.", "s3-"]
        .iter()
        .find_map(|start| name.strip_prefix(start))?;
    // `s3-external-1` names no region, and a bucket in front of the host is no endpoint
    (!region.is_empty() && !region.contains('.') && region != "external-1").then(|| region.to_owned())
}

fn host(endpoint: &str) -> &str {
    endpoint.split(['/', ':']).next().unwrap_or_default()
}

/// Percent-encodes all but the unreserved characters of RFC 3986, as signatures want it.
pub(super) fn encode(text: impl AsRef<[u8]>) -> String {
    percent_encode(text.as_ref(), b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_addressed_as_minio_does() {
        for (endpoint, bucket, region, change, expected_region, expected_url) in [
            ("s3.amazonaws.com", "b", "", "", "us-east-1", "https://b.s3.dualstack.us-east-1.amazonaws.com"),
            ("s3.amazonaws.com", "b", "eu-west-1", "", "eu-west-1", "https://b.s3.dualstack.eu-west-1.amazonaws.com"),
            (
                "s3.eu-central-1.amazonaws.com",
                "b",
                "",
                "single",
                "eu-central-1",
                "https://b.s3.eu-central-1.amazonaws.com",
            ),
            ("s3-us-west-2.amazonaws.com", "b", "", "single", "us-west-2", "https://b.s3.us-west-2.amazonaws.com"),
            (
                "s3.dualstack.eu-west-3.amazonaws.com",
                "b",
                "",
                "",
                "eu-west-3",
                "https://b.s3.dualstack.eu-west-3.amazonaws.com",
            ),
            (
                "s3-fips.us-gov-west-1.amazonaws.com",
                "b",
                "",
                "",
                "us-gov-west-1",
                "https://b.s3-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "bucket.vpce-1a-xy.s3.us-east-2.vpce.amazonaws.com",
                "b",
                "",
                "",
                "us-east-2",
                "https://b.bucket.vpce-1a-xy.s3.us-east-2.vpce.amazonaws.com",
            ),
            (
                "s3.cn-north-1.amazonaws.com.cn",
                "b",
                "",
                "",
                "cn-north-1",
                "https://b.s3.dualstack.cn-north-1.amazonaws.com.cn",
            ),
            (
                "s3.amazonaws.com",
                "my.bucket",
                "",
                "",
                "us-east-1",
                "https://s3.dualstack.us-east-1.amazonaws.com/my.bucket",
            ),
            ("s3.amazonaws.com", "b", "", "path", "us-east-1", "https://s3.dualstack.us-east-1.amazonaws.com/b"),
            ("minio:9000", "thanos", "", "insecure", "us-east-1", "http://minio:9000/thanos"),
            ("minio:9000", "thanos", "", "virtual insecure", "us-east-1", "http://thanos.minio:9000"),
            ("storage.googleapis.com", "thanos", "auto", "", "auto", "https://thanos.storage.googleapis.com"),
            ("s3.example.com/", "thanos", "here", "", "here", "https://s3.example.com/thanos"),
        ] {
            let settings = S3Settings {
                endpoint: endpoint.to_owned(),
                bucket: bucket.to_owned(),
                region: region.to_owned(),
                insecure: change.contains("insecure"),
                disable_dualstack: change.contains("single"),
                lookup: match change {
                    "path" => S3Lookup::Path,
                    "virtual insecure" => S3Lookup::VirtualHosted,
                    _ => S3Lookup::Auto,
                },
                ..S3Settings::default()
            };
            let route = Route::new(&settings);
            assert_eq!(
                (route.region.as_str(), route.bucket_url.as_str()),
                (expected_region, expected_url),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn keys_become_paths_or_are_refused() {
        let route = Route { region: String::new(), bucket_url: "http://h/b".to_owned() };
        for (key, expected) in [
            ("01A/meta.json", Some("http://h/b/01A/meta.json")),
            ("a//b", Some("http://h/b/a//b")),
            ("a b+c%d\u{1}ü", Some("http://h/b/a%20b%2Bc%25d%01%C3%BC")),
            ("..a/b.", Some("http://h/b/..a/b.")),
            ("a/../b", None),
            ("./a", None),
        ] {
            assert_eq!(route.object_url(key).as_deref(), expected, "{key:?}");
        }
    }
}
