//! From settings to a bucket that can be read.

use std::sync::Arc;

use super::{
    Ambient, Azure, Bucket, BucketError, Doing, Filesystem, Folders, Gcs, Limits, S3, Transport, aws_credentials,
    azure_access, gcp_credentials,
};
use crate::model::{BucketSettings, Environment, HttpSettings, ProviderSettings};

/// The bucket of `settings`, with a client of its own that keeps within `limits`, or within the bucket's `max_retries`
/// where that is set. Sends nothing yet: credentials are fetched with the first request. An error is about the
/// settings, the files that they name, or the proxy.
pub fn open(
    settings: &BucketSettings,
    environment: &Environment,
    limits: &Limits,
    ambient: &Ambient,
) -> Result<Arc<dyn Bucket>, BucketError> {
    let name = Arc::clone(&settings.name);
    let prefix = settings.prefix.as_str();
    let transport = |http: &HttpSettings, retries: Option<u32>| {
        let limits = Limits { retries: retries.unwrap_or(limits.retries), ..*limits };
        let doing = Doing { what: "use", key: None, place: &settings.name };
        Transport::new(http, environment, limits, ambient.clone()).map_err(|error| doing.no_answer(&error))
    };
    Ok(match &settings.provider {
        ProviderSettings::S3(s3) => {
            let transport = transport(&s3.http, further(s3.max_retries))?;
            let credentials = aws_credentials(s3, environment, ambient)?;
            Arc::new(S3::new(s3, name, prefix, credentials, transport)?)
        }
        ProviderSettings::Gcs(gcs) => {
            let transport = transport(&gcs.http, further(gcs.max_retries))?;
            let credentials = gcp_credentials(gcs, environment, ambient)?;
            Arc::new(Gcs::new(gcs, name, prefix, environment, credentials, transport)?)
        }
        ProviderSettings::Azure(azure) => {
            let transport = transport(&azure.http, azure.max_retries)?;
            let access = azure_access(azure, environment, ambient)?;
            Arc::new(Azure::new(azure, name, prefix, access, transport)?)
        }
        ProviderSettings::Filesystem(folder) if folder.blocks.is_empty() => {
            Arc::new(Filesystem::new(&folder.directory, name, prefix))
        }
        ProviderSettings::Filesystem(folder) => Arc::new(Folders::new(folder, &name)),
    })
}

/// The libraries that Thanos uses for S3 and GCS count the first attempt too: 1 is "never again".
fn further(max_retries: Option<u32>) -> Option<u32> {
    max_retries.map(|attempts| attempts.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::ErrorKind;
    use crate::discover::testing::{Reply, Server, ambient, limits, list_all};
    use crate::model::{AzureSettings, FilesystemSettings, GcsSettings, Provider, S3Settings, Secret};

    fn of(provider: ProviderSettings) -> BucketSettings {
        BucketSettings { name: "long-term".into(), prefix: String::new(), provider }
    }

    #[tokio::test]
    async fn each_kind_is_opened_and_asked_as_often_as_its_settings_say() {
        let server = Server::script([Reply::new(503, "")]).await;
        let secret = || Secret::new("c2VudGluZWw=".to_owned());
        let s3 = S3Settings {
            bucket: "b".to_owned(),
            endpoint: server.address.clone(),
            insecure: true,
            access_key: secret(),
            secret_key: secret(),
            ..S3Settings::default()
        };
        let gcs = GcsSettings { bucket: "b".to_owned(), ..GcsSettings::default() };
        let azure = AzureSettings {
            storage_account: "a".to_owned(),
            container: "b".to_owned(),
            endpoint: server.url(""),
            storage_account_key: secret(),
            ..AzureSettings::default()
        };
        let environment: Environment = [("STORAGE_EMULATOR_HOST", server.url(""))].into_iter().collect();
        for (provider, kind, attempts) in [
            (ProviderSettings::S3(Box::new(s3.clone())), Provider::S3, 4),
            (ProviderSettings::S3(Box::new(S3Settings { max_retries: Some(1), ..s3 })), Provider::S3, 1),
            (ProviderSettings::Gcs(Box::new(gcs.clone())), Provider::Gcs, 4),
            (ProviderSettings::Gcs(Box::new(GcsSettings { max_retries: Some(2), ..gcs })), Provider::Gcs, 2),
            (ProviderSettings::Azure(Box::new(azure.clone())), Provider::Azure, 4),
            (ProviderSettings::Azure(Box::new(AzureSettings { max_retries: Some(2), ..azure })), Provider::Azure, 3),
        ] {
            let bucket = open(&of(provider), &environment, &limits(), &ambient()).unwrap();
            assert_eq!((bucket.provider(), &**bucket.name()), (kind, "long-term"));
            let before = server.seen().len();
            assert_eq!(list_all(&*bucket, &[]).await.unwrap_err().kind, ErrorKind::Unavailable);
            assert_eq!(server.seen().len() - before, attempts, "{kind:?}");
            assert_eq!(bucket.requests().list, u64::try_from(attempts).unwrap());
        }
        let folder = FilesystemSettings { directory: "/nowhere".to_owned(), ..FilesystemSettings::default() };
        let bucket = open(&of(ProviderSettings::Filesystem(folder)), &environment, &limits(), &ambient()).unwrap();
        assert_eq!(bucket.provider(), Provider::Filesystem);
    }
}
