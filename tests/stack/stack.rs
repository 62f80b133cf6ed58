//! The estate: `MinIO`, Prometheus, Thanos and Alertmanager as their documentation sets them up, with everything that takes
//! hours brought down to seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Client;
use tempfile::TempDir;

use crate::archive::Archive;
use crate::bucket::{ACCESS_KEY, ARCHIVE, Bucket, NAME, SECRET_KEY};
use crate::chain::Chain;
use crate::server::{Server, free_ports};
use crate::wait::until;
use crate::{history, http, settings};

/// `--storage.tsdb.min-block-duration` of the producer, in seconds. Its sidecar looks for new blocks every 30 s.
pub(crate) const BLOCK_SECONDS: u64 = 20;
/// The compactor's `--delete-delay`, in seconds.
pub(crate) const DELETE_DELAY_SECONDS: u64 = 60;

/// The programs that `tests/stack/build` has built.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) minio: PathBuf,
    pub(crate) prometheus: PathBuf,
    pub(crate) promtool: PathBuf,
    pub(crate) alertmanager: PathBuf,
    pub(crate) thanos: PathBuf,
    pub(crate) smtp: PathBuf,
    pub(crate) pint: PathBuf,
}

impl Programs {
    /// Fails the test with the line that builds what is missing.
    pub(crate) fn find() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/build");
        let output = Command::new(script).arg("--where").output().expect("tests/stack/build cannot be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let folder = |tool: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(tool)?.strip_prefix(' '));
            PathBuf::from(found.unwrap_or_else(|| panic!("tests/stack/build --where does not name {tool}")))
        };
        Self {
            minio: folder("minio").join("minio"),
            prometheus: folder("prometheus").join("prometheus"),
            promtool: folder("prometheus").join("promtool"),
            alertmanager: folder("alertmanager").join("alertmanager"),
            thanos: folder("thanos").join("thanos"),
            smtp: folder("smtp").join("smtp-debug-server"),
            pint: folder("pint").join("pint"),
        }
    }
}

/// The running estate. Whatever is `None` was stopped by a test.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) client: Client,
    pub(crate) programs: Programs,
    pub(crate) bucket: Bucket,
    pub(crate) archive: Archive,
    pub(crate) chain: Chain,
    ports: Ports,
    pub(crate) minio: Option<Server>,
    pub(crate) sidecar: Option<Server>,
    pub(crate) compactor: Option<Server>,
    rest: Vec<Server>,
    // the last to go: the servers write into it
    folder: TempDir,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    minio: u16,
    minio_console: u16,
    prometheus: u16,
    alertmanager: u16,
    sidecar: [u16; 2],
    store: [u16; 2],
    compactor: u16,
    query: [u16; 2],
    blockwarden: u16,
    smtp: u16,
}

impl Ports {
    fn find() -> Self {
        let [minio, minio_console, prometheus, alertmanager, compactor, blockwarden, smtp, rest @ ..]: [u16; 13] =
            free_ports();
        let [sidecar, sidecar_grpc, store, store_grpc, query, query_grpc] = rest;
        let (sidecar, store, query) = ([sidecar, sidecar_grpc], [store, store_grpc], [query, query_grpc]);
        Self { minio, minio_console, prometheus, alertmanager, sidecar, store, compactor, query, blockwarden, smtp }
    }
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl Stack {
    /// Starts everything but the compactor, one after the other, each once what it needs is ready. Then the sidecar has
    /// uploaded what there was.
    pub(crate) async fn start() -> Self {
        let programs = Programs::find();
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::find();
        let client = http::client();
        let bucket = Bucket::at(ports.minio, NAME);
        let archive = Archive::of(Bucket::at(ports.minio, ARCHIVE));
        let chain = Chain::start(&folder.path().join("smtp.log"));
        let (minio, sidecar, compactor, rest) = (None, None, None, Vec::new());
        let mut stack =
            Self { client, programs, bucket, archive, chain, ports, minio, sidecar, compactor, rest, folder };
        stack.write_files();
        stack.start_minio().await;
        for bucket in [&stack.bucket, &stack.archive.bucket] {
            until("the bucket is made", 30, async || bucket.create(&stack.client).await).await;
        }

        history::write(&stack.programs.promtool, stack.path(), "prometheus-data");
        stack.start_rest("alertmanager", ports.alertmanager, &stack.alertmanager_arguments()).await;
        stack.start_rest("prometheus", ports.prometheus, &stack.prometheus_arguments()).await;
        stack.start_sidecar().await;
        stack.start_rest("store", ports.store[0], &stack.store_arguments()).await;
        stack.start_rest("query", ports.query[0], &stack.query_arguments()).await;
        stack.history_is_uploaded().await;
        let smtp = arguments(&format!("-l {}", at(ports.smtp)));
        let smtp = Server::start(stack.path(), "smtp", &stack.programs.smtp, &smtp, &[]);
        stack.rest.push(smtp);
        stack.archive.fill(&stack.bucket).await;
        stack
    }

    async fn history_is_uploaded(&mut self) {
        let data = self.path().join("prometheus-data");
        let is_block = |name: &str| name.len() == 26 && data.join(name).join("meta.json").exists();
        until("the sidecar uploads what there was", 60, async || {
            self.assert_runs();
            let blocks = self.bucket.blocks().await?;
            let names = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            match names.filter(|name| is_block(name)).find(|name| !blocks.contains_key(name)) {
                None => Ok(()),
                Some(missing) => Err(format!("{missing} is not in the bucket")),
            }
        })
        .await;
    }

    /// The folder of its files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the tests have Blockwarden listen, and Prometheus looks for it.
    pub(crate) fn blockwarden_address(&self) -> String {
        at(self.ports.blockwarden)
    }

    pub(crate) fn prometheus_url(&self) -> String {
        format!("http://{}", at(self.ports.prometheus))
    }

    pub(crate) fn query_url(&self) -> String {
        format!("http://{}", at(self.ports.query[0]))
    }

    fn write_files(&self) {
        let endpoint = at(self.ports.minio);
        for (name, file) in [(NAME, "objstore.yaml"), (ARCHIVE, "archive.yaml")] {
            let objstore = format!(
                "type: S3\nconfig:\n  bucket: {name}\n  endpoint: {endpoint}\n  insecure: true\n  signature_version2: \
                 true\n  access_key: {ACCESS_KEY}\n  secret_key: {SECRET_KEY}\n"
            );
            fs::write(self.path().join(file), objstore).unwrap();
        }
        let told = settings::notify(&self.chain, &at(self.ports.smtp));
        fs::write(self.path().join("blockwarden.yaml"), settings::watch(&told)).unwrap();
        settings::rules(self.path());
        let alertmanager = settings::alertmanager(self.path(), &self.chain, &self.blockwarden_address());
        fs::write(self.path().join("alertmanager.yaml"), alertmanager).unwrap();
        let targets = [
            ("prometheus", at(self.ports.prometheus)),
            ("blockwarden", self.blockwarden_address()),
            ("sidecar", at(self.ports.sidecar[0])),
            ("compactor", at(self.ports.compactor)),
        ];
        let job = |(job, target)| format!("  - job_name: {job}\n    static_configs: [{{targets: ['{target}']}}]\n");
        let jobs = targets.map(job).concat();
        let prometheus = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n  external_labels: {{cluster: \
             eu1, replica: a}}\nrule_files: [rules/*.yaml, watchdog.yaml]\nalerting:\n  alertmanagers:\n    - static_configs: [{{targets: \
             ['{}']}}]\nscrape_configs:\n{jobs}",
            at(self.ports.alertmanager)
        );
        fs::write(self.path().join("prometheus.yaml"), prometheus).unwrap();
    }

    pub(crate) async fn start_minio(&mut self) {
        let arguments = arguments(&format!(
            "server --quiet --address {} --console-address {} minio-data",
            at(self.ports.minio),
            at(self.ports.minio_console)
        ));
        let environment =
            [("MINIO_ROOT_USER", ACCESS_KEY), ("MINIO_ROOT_PASSWORD", SECRET_KEY), ("MINIO_BROWSER", "off")];
        let minio = Server::start(self.path(), "minio", &self.programs.minio, &arguments, &environment);
        self.minio = Some(minio);
        let url = format!("http://{}/minio/health/cluster", at(self.ports.minio));
        until("MinIO is ready", 30, async || http::text(&self.client, &url).await).await;
    }

    pub(crate) async fn start_sidecar(&mut self) {
        let line = format!(
            "sidecar --tsdb.path prometheus-data --prometheus.url http://{} --objstore.config-file objstore.yaml {}",
            at(self.ports.prometheus),
            listen(self.ports.sidecar)
        );
        self.sidecar = Some(self.run("sidecar", self.ports.sidecar[0], &arguments(&line)).await);
    }

    /// Compacts and deletes as it does in earnest; only its delays and rhythms are short. Blocks of 8 h stay, so that
    /// there are several of them at any time of the day.
    pub(crate) async fn start_compactor(&mut self) {
        let line = format!(
            "compact --wait --wait-interval 3s --compact.cleanup-interval 3s --consistency-delay 0s \
             --delete-delay {DELETE_DELAY_SECONDS}s --downsampling.disable --debug.max-compaction-level 2 --data-dir compactor-data \
             --objstore.config-file objstore.yaml --http-address {}",
            at(self.ports.compactor)
        );
        self.compactor = Some(self.run("compactor", self.ports.compactor, &arguments(&line)).await);
    }

    fn prometheus_arguments(&self) -> Vec<String> {
        arguments(&format!(
            "--config.file prometheus.yaml --storage.tsdb.path prometheus-data --web.listen-address {} \
             --storage.tsdb.min-block-duration {BLOCK_SECONDS}s --storage.tsdb.max-block-duration {BLOCK_SECONDS}s",
            at(self.ports.prometheus)
        ))
    }

    fn alertmanager_arguments(&self) -> Vec<String> {
        arguments(&format!(
            "--config.file alertmanager.yaml --storage.path alertmanager-data --web.listen-address {} \
             --cluster.listen-address=",
            at(self.ports.alertmanager)
        ))
    }

    fn store_arguments(&self) -> Vec<String> {
        arguments(&format!(
            "store --sync-block-duration 3s --data-dir store-data --objstore.config-file objstore.yaml {}",
            listen(self.ports.store)
        ))
    }

    fn query_arguments(&self) -> Vec<String> {
        arguments(&format!(
            "query --endpoint {} --endpoint {} --query.replica-label replica {}",
            at(self.ports.sidecar[1]),
            at(self.ports.store[1]),
            listen(self.ports.query)
        ))
    }

    async fn start_rest(&mut self, name: &str, port: u16, arguments: &[String]) {
        let server = self.run(name, port, arguments).await;
        self.rest.push(server);
    }

    /// Starts one and waits until it says that it is ready.
    async fn run(&self, name: &str, port: u16, arguments: &[String]) -> Server {
        let program = match name {
            "prometheus" => &self.programs.prometheus,
            "alertmanager" => &self.programs.alertmanager,
            _ => &self.programs.thanos,
        };
        let mut server = Server::start(self.path(), name, program, arguments, &[]);
        let url = format!("http://{}/-/ready", at(port));
        until(&format!("{name} is ready"), 60, async || {
            server.assert_runs();
            http::text(&self.client, &url).await
        })
        .await;
        server
    }

    /// Fails the test if a server that should run has ended.
    pub(crate) fn assert_runs(&mut self) {
        let own = [&mut self.minio, &mut self.sidecar, &mut self.compactor];
        for server in own.into_iter().flatten().chain(&mut self.rest) {
            server.assert_runs();
        }
    }
}

fn arguments(line: &str) -> Vec<String> {
    line.split_whitespace().map(ToOwned::to_owned).collect()
}

fn listen([http, grpc]: [u16; 2]) -> String {
    format!("--http-address {} --grpc-address {}", at(http), at(grpc))
}
