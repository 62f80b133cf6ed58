//! `docs/install`: that image, unit and manifests fit the program and each other.

use std::path::{Path, PathBuf};
use std::process::Command;

use blockwarden::cli::Arguments;
use blockwarden::exporter::Handler;
use clap::CommandFactory;
use serde_json::Value;

use crate::source;

const FOLDER: &str = "docs/install";
const PORT: u64 = 9798;
const STATE: &str = "/var/lib/blockwarden";

/// What `watch` takes at most to end, in seconds.
const END: u64 = 15;

fn file(name: &str) -> String {
    let path = source::root().join(FOLDER).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The item of a list that has this name.
fn named<'a>(value: &'a Value, pointer: &str, name: &str) -> &'a Value {
    list(value, pointer).iter().find(|item| text(item, "/name") == name).unwrap_or(&Value::Null)
}

/// Whether every label of `selector` is among `labels`; an empty one selects everything, which nobody means.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object().filter(|selector| !selector.is_empty());
    selector.is_some_and(|selector| selector.iter().all(|(name, value)| labels.get(name) == Some(value)))
}

/// Every manifest by its kind, in one document.
fn manifests() -> Value {
    let files = source::files(&format!("{FOLDER}/kubernetes"), &[".yaml"]);
    let manifests = files.iter().map(|file| {
        let manifest: Value = serde_yaml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let kind = text(&manifest, "/kind").to_owned();
        assert!(file.path.ends_with(&format!("/{}.yaml", kind.to_lowercase())), "{}: is a {kind}", file.path);
        (kind, manifest)
    });
    manifests.collect()
}

/// Configuration, address and ledger that these arguments of `watch` give, or why the program refuses them.
fn watch(arguments: &[String]) -> Result<(String, Option<String>, Option<String>), String> {
    let program = ["blockwarden".to_owned()];
    let parsed = Arguments::command().try_get_matches_from(program.iter().chain(arguments));
    let parsed = parsed.map_err(|error| error.to_string())?;
    let watch = parsed.subcommand_matches("watch").ok_or("is not `watch`")?;
    let path = |id| watch.get_one::<PathBuf>(id).map(|path| path.display().to_string());
    Ok((path("config").unwrap_or_default(), watch.get_one("listen_address").cloned(), path("state")))
}

/// What is wrong with the manifests, one line each.
fn violations(all: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let set = &all["StatefulSet"]["spec"];
    let labels = &set["template"]["metadata"]["labels"];
    let pod = &set["template"]["spec"];
    let container = &pod["containers"][0];
    let (service, monitor, policy) = (&all["Service"], &all["ServiceMonitor"]["spec"], &all["NetworkPolicy"]["spec"]);

    demand(set["replicas"] == 1, "the ledger has one writer");
    demand(selects(&set["selector"]["matchLabels"], labels), "the StatefulSet does not select its pod");
    demand(selects(&service["spec"]["selector"], labels), "the Service does not select the pod");
    demand(selects(&policy["podSelector"]["matchLabels"], labels), "the NetworkPolicy does not select the pod");
    let monitored = &monitor["selector"]["matchLabels"];
    demand(selects(monitored, &service["metadata"]["labels"]), "the ServiceMonitor does not select the Service");
    demand(set["serviceName"] == service["metadata"]["name"], "the Service of the StatefulSet is another");

    let port = named(container, "/ports", "http");
    demand(port["containerPort"] == PORT, "the container's port is not the program's");
    demand(named(service, "/spec/ports", "http")["targetPort"] == "http", "the Service's port is not the container's");
    demand(monitor["endpoints"][0]["port"] == "http", "the ServiceMonitor's port is not the Service's");
    demand(policy["ingress"][0]["ports"][0]["port"] == "http", "the NetworkPolicy's port is not the container's");
    demand(Handler::of(text(monitor, "/endpoints/0/path")) == Handler::Metrics, "no metrics at the monitor's path");
    for (probe, handler) in
        [("startupProbe", Handler::Healthy), ("livenessProbe", Handler::Healthy), ("readinessProbe", Handler::Ready)]
    {
        let get = &container[probe]["httpGet"];
        demand(get["port"] == "http" && Handler::of(text(get, "/path")) == handler, probe);
    }

    // from a volume's name to where it is mounted, and which file of it an argument means
    let mount = |volume: &str| text(named(container, "/volumeMounts", volume), "/mountPath").to_owned();
    match watch(&texts(container, "/args")) {
        Ok((config, listen, state)) => {
            let keys = all["ConfigMap"]["data"].as_object().into_iter().flatten();
            let files: Vec<String> = keys.map(|(key, _)| format!("{}/{key}", mount("config"))).collect();
            demand(files == [config], "the configuration is not the file of the ConfigMap");
            demand(listen == Some(format!(":{PORT}")), "it does not listen on the container's port");
            demand(state == Some(format!("{}/ledger.db", mount("state"))), "the ledger is not on the volume");
        }
        Err(error) => demand(false, &error),
    }
    demand(mount("state") == STATE, "the volume is not where the image has it");
    demand(mount("tmp") == "/tmp", "SQLite has nowhere to put what does not fit into its cache");
    let volume = |name: &str, pointer: &str| text(named(pod, "/volumes", name), pointer).to_owned();
    let name = |kind: &str| text(&all[kind], "/metadata/name").to_owned();
    demand(volume("config", "/configMap/name") == name("ConfigMap"), "the ConfigMap is another");
    demand(volume("objstore", "/secret/secretName") == name("Secret"), "the Secret is another");
    demand(set["volumeClaimTemplates"][0]["metadata"]["name"] == "state", "no volume is claimed for the ledger");
    demand(container["image"] == concat!("blockwarden:", env!("CARGO_PKG_VERSION")), "the image is of another version");

    demand(pod["terminationGracePeriodSeconds"].as_u64().is_some_and(|s| s > END), "it is killed before it can end");
    demand(pod["automountServiceAccountToken"] == false, "it needs no token");
    demand(pod["securityContext"]["runAsNonRoot"] == true, "it may be root");
    demand(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "every system call is open to it");
    let own = &container["securityContext"];
    demand(own["readOnlyRootFilesystem"] == true, "its file system can be written");
    demand(own["allowPrivilegeEscalation"] == false, "it may gain privileges");
    demand(own["capabilities"]["drop"] == serde_json::json!(["ALL"]), "it has capabilities");
    for resource in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
        demand(!text(&container["resources"], resource).is_empty(), resource);
    }
    found
}

/// Has the program read a configuration whose one bucket is described by another file.
fn accepted(config: &str, named: &str, objstore: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("objstore.yaml");
    assert!(config.contains(named), "the configuration does not name {named}: {config}");
    std::fs::write(&own, objstore).unwrap();
    let path = folder.path().join("blockwarden.yaml");
    std::fs::write(&path, config.replace(named, own.to_str().unwrap())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    let ran = command.env_clear().args(["config", "check", "--config"]).arg(&path).output().unwrap();
    if ran.status.success() { Ok(()) } else { Err(String::from_utf8(ran.stderr).unwrap()) }
}

#[test]
fn the_manifests_fit_the_program_and_each_other() {
    let all = manifests();
    let found = violations(&all);
    assert!(found.is_empty(), "{found:#?}");
    let config = text(&all, "/ConfigMap/data/blockwarden.yaml");
    let (name, objstore) = all["Secret"]["stringData"].as_object().unwrap().iter().next().unwrap();
    let container = &all["StatefulSet"]["spec"]["template"]["spec"]["containers"][0];
    let mount = text(named(container, "/volumeMounts", "objstore"), "/mountPath").to_owned();
    accepted(config, &format!("{mount}/{name}"), objstore.as_str().unwrap()).unwrap();
    // what is offered there as a comment too
    let offered = config.replace("# retention", "retention").replace("# streams", "streams").replace("#   ", "  ");
    assert!(!offered.contains('#') || offered.matches('#').count() == 1, "not all is tried: {offered}");
    accepted(&offered, &format!("{mount}/{name}"), objstore.as_str().unwrap()).unwrap();
}

#[test]
fn a_broken_manifest_is_caught() {
    let sound = manifests();
    let pod = "/StatefulSet/spec/template/spec";
    let container = format!("{pod}/containers/0");
    for (pointer, value) in [
        ("/Service/spec/selector", serde_json::json!({})),
        ("/Service/metadata/labels", serde_json::json!({"app": "other"})),
        ("/Service/metadata/name", "other".into()),
        ("/Service/spec/ports/0/name", "web".into()),
        ("/ServiceMonitor/spec/endpoints/0/path", "/metric".into()),
        ("/NetworkPolicy/spec/ingress/0/ports/0/port", 9090.into()),
        ("/ConfigMap/metadata/name", "other".into()),
        ("/Secret/metadata/name", "other".into()),
        ("/StatefulSet/spec/replicas", 2.into()),
        (&format!("{pod}/terminationGracePeriodSeconds"), 15.into()),
        (&format!("{container}/args/1"), "--config=/etc/other.yaml".into()),
        (&format!("{container}/args/2"), "--state=/ledger.db".into()),
        (&format!("{container}/args/2"), "--stat=/ledger.db".into()),
        (&format!("{container}/args/3"), "--web.listen-address=:9799".into()),
        (&format!("{container}/ports/0/containerPort"), 9799.into()),
        (&format!("{container}/livenessProbe/httpGet/path"), "/healthz".into()),
        (&format!("{container}/readinessProbe/httpGet/path"), "/-/healthy".into()),
        (&format!("{container}/image"), "blockwarden:latest".into()),
        (&format!("{container}/securityContext/readOnlyRootFilesystem"), false.into()),
    ] {
        let mut broken = sound.clone();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert!(!violations(&broken).is_empty(), "{pointer} is not looked at");
    }
    let secret = "type: S3\nconfig: {buket: a}\n";
    assert!(accepted("buckets: [{objstore_config_file: /o}]\n", "/o", secret).is_err());
}

#[test]
fn the_unit_fits_the_program() {
    let unit = file("blockwarden.service");
    let setting = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let command: Vec<String> = setting("ExecStart").split(' ').map(str::to_owned).collect();
    let (config, listen, state) = watch(&command[1..]).unwrap();
    assert_eq!((listen, state), (None, None), "address and ledger come from the configuration and from systemd");
    assert_eq!(Path::new(STATE), Path::new("/var/lib").join(setting("StateDirectory")));
    assert_eq!(setting("Type"), "notify");
    assert!(setting("TimeoutStopSec").parse::<u64>().unwrap() > END);

    // the page shows the configuration that goes with it
    let credential = setting("LoadCredential").split(':').next().unwrap();
    let page = file("README.md");
    let (_, example) = page.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    assert!(page.contains(&config), "the page does not name {config}");
    let objstore = "type: FILESYSTEM\nconfig: {directory: /blocks}\n";
    accepted(example, &format!("/run/credentials/blockwarden.service/{credential}"), objstore).unwrap();
}

#[test]
fn the_image_fits_the_program() {
    let dockerfile = file("Dockerfile");
    let instruction =
        |name: &str| dockerfile.lines().filter_map(|line| line.strip_prefix(name)).next_back().unwrap().trim();
    let command: Vec<String> = serde_json::from_str(instruction("CMD ")).unwrap();
    let (config, listen, state) = watch(&command).unwrap();
    assert_eq!((config.as_str(), listen, state), ("/etc/blockwarden/blockwarden.yaml", Some(format!(":{PORT}")), None));
    assert_eq!(instruction("EXPOSE "), PORT.to_string());
    assert_eq!(instruction("VOLUME "), STATE);
    assert_eq!(instruction("ENV "), format!("STATE_DIRECTORY={STATE}"));
    let entry: Vec<String> = serde_json::from_str(instruction("ENTRYPOINT ")).unwrap();
    assert!(dockerfile.contains(&format!("/image{}\n", entry[0])), "the program is put elsewhere");

    let manifest = std::fs::read_to_string(source::root().join("Cargo.toml")).unwrap();
    assert!(dockerfile.contains("--profile dist ") && manifest.contains("[profile.dist]"));
    let least = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).unwrap().parse::<u64>().unwrap();
    let (_, builder) = dockerfile.split_once("FROM rust:1.").unwrap();
    let builder = builder.split('-').next().unwrap().parse::<u64>().unwrap();
    assert!(builder >= least, "the builder is older than `rust-version`");

    // what is let in has to be there, and has to be all that the sources embed
    let ignored = file("Dockerfile.dockerignore");
    let allowed: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(allowed.iter().all(|name| source::root().join(name).exists()), "{allowed:?}");
    for file in source::production_files() {
        let missing: Vec<String> = embedded(&file).filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{}: {missing:?} does not get into the image's build", file.path);
    }
}

/// The top-level names of what a source file embeds.
fn embedded(file: &source::SourceFile) -> impl Iterator<Item = String> {
    let mut targets: Vec<PathBuf> = Vec::new();
    for macro_ in ["include_str!(\"", "include_bytes!(\"", "include_dir!(\"$CARGO_MANIFEST_DIR/"] {
        let folder = if macro_.ends_with('/') { Path::new("") } else { Path::new(&file.path).parent().unwrap() };
        let found = file.text.split(macro_).skip(1).map(|rest| folder.join(rest.split('"').next().unwrap()));
        targets.extend(found);
    }
    targets.into_iter().map(|target| {
        let mut left: Vec<String> = Vec::new();
        for part in target.iter().map(|part| part.to_str().unwrap()) {
            if part == ".." { drop(left.pop()) } else { left.push(part.to_owned()) }
        }
        left.remove(0)
    })
}
