//! Some folders of a local directory, each of which is a block, whatever it is called: what `verify PATH` reads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Bucket, BucketError, Filesystem, ListPage, ListedObject, ReadObject};
use crate::model::{FilesystemSettings, Provider, RequestCounts};

/// See the module. Keys begin with the block that a folder is taken for.
#[derive(Debug)]
pub struct Folders {
    name: Arc<str>,
    by_block: BTreeMap<String, Filesystem>,
}

impl Folders {
    /// The folders of `settings`. Touches nothing yet.
    pub fn new(settings: &FilesystemSettings, name: &Arc<str>) -> Self {
        let folders = settings.blocks.iter().map(|block| {
            let path = Path::new(&settings.directory).join(&block.name);
            (block.block.to_string(), Filesystem::new(&path.to_string_lossy(), Arc::clone(name), ""))
        });
        Self { name: Arc::clone(name), by_block: folders.collect() }
    }

    /// The folder of a key, and the key in there.
    fn find<'k>(&self, key: &'k str) -> Option<(&Filesystem, &'k str)> {
        let (block, rest) = key.split_once('/')?;
        Some((self.by_block.get(block)?, rest))
    }
}

#[async_trait]
impl Bucket for Folders {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn provider(&self) -> Provider {
        Provider::Filesystem
    }

    /// One walk for each folder.
    async fn list(&self, _splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        for (block, folder) in &self.by_block {
            let (sender, mut receiver) = mpsc::channel::<ListPage>(1);
            let forward = async {
                while let Some(mut page) = receiver.recv().await {
                    for object in &mut page.objects {
                        object.key = format!("{block}/{}", object.key);
                    }
                    for odd in &mut page.odd {
                        odd.key = format!("{block}/{}", odd.key);
                    }
                    if pages.send(page).await.is_err() {
                        return;
                    }
                }
            };
            let (listed, ()) = tokio::join!(folder.list(&[], sender), forward);
            listed?;
        }
        Ok(())
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        match self.find(key) {
            Some((folder, key)) => folder.get(key, range, if_match, max_bytes).await,
            None => Err(no_such_folder(key, &self.name)),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        let Some((folder, name)) = self.find(key) else { return Ok(None) };
        let found = folder.head(name).await?;
        Ok(found.map(|object| ListedObject { key: key.to_owned(), ..object }))
    }

    fn requests(&self) -> RequestCounts {
        self.by_block.values().map(Filesystem::requests).fold(RequestCounts::default(), RequestCounts::plus)
    }

    fn date_skew_ms(&self) -> Option<i64> {
        None
    }
}

fn no_such_folder(key: &str, place: &str) -> BucketError {
    let doing = super::Doing { what: "read", key: Some(key), place };
    doing.error(super::ErrorKind::NotFound, "it is in none of the folders", None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::discover::ErrorKind;
    use crate::discover::testing::list_all;
    use crate::model::{BlockFolder, parse_ulid};

    #[tokio::test]
    async fn folders_are_read_as_the_blocks_that_they_are_taken_for() {
        let root = tempfile::tempdir().unwrap();
        let block = |text: &str| parse_ulid(text).unwrap();
        let (a, b) = ("01KK0HCWW0000FANWA5KTS24VZ", "01KK0HCWW0000FANWA5KTS24W0");
        for key in
            [format!("{a}/index"), "copy/index".to_owned(), "copy/chunks/000001".to_owned(), "other/x".to_owned()]
        {
            let path = root.path().join(&key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &key).unwrap();
        }
        let settings = FilesystemSettings {
            directory: root.path().to_str().unwrap().to_owned(),
            blocks: vec![
                BlockFolder { name: a.to_owned(), block: block(a) },
                BlockFolder { name: "copy".to_owned(), block: block(b) },
            ],
        };
        let bucket = Folders::new(&settings, &"data".into());
        let (objects, _) = list_all(&bucket, &[]).await.unwrap();
        let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, [format!("{a}/index"), format!("{b}/chunks/000001"), format!("{b}/index")]);
        let read = bucket.get(&format!("{b}/index"), Some(0..4), objects[2].etag.as_deref(), 4).await.unwrap();
        assert_eq!(read.bytes.as_ref(), b"copy");
        assert_eq!(bucket.head(&format!("{b}/index")).await.unwrap().unwrap().key, format!("{b}/index"));
        for key in ["other/x", "x"] {
            assert_eq!(bucket.get(key, None, None, 9).await.unwrap_err().kind, ErrorKind::NotFound);
            assert_eq!(bucket.head(key).await.unwrap(), None);
        }
        assert_eq!(bucket.requests(), RequestCounts { list: 2, get: 1, head: 1 });
    }
}
